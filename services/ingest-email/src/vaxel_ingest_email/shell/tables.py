"""The table of ingest-email: which message ids were seen, with what content; hashes only."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, MetaData, String, Table

METADATA = MetaData()

SEEN = Table(
    "seen",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("content", String(64), nullable=False),
    Column("day", Integer, nullable=False),
    Index("seen_day", "day"),
)
"""``key``: hash of account and Message-ID; ``content``: hash of what was written under it first;
``day``: since 1970, for pruning."""
