"""The monitor's tables: how far its readers are, and what is still to be sent to whom.

The clocks themselves stand in the stream's own table, whose memory is a topic.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

from vaxel_shared.sql import cursor_table

METADATA = MetaData()
CURSORS = cursor_table(METADATA)

CHECKPOINTS = Table(
    "checkpoints",
    METADATA,
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("log_id", String(64), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("through", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)
"""Earlier cursors of the decisions: where to begin again when the stream has lost its place."""

NOTICES = Table(
    "notices",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("target", String(1000), nullable=False),
    Column("event", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_ms", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("code", String(64)),
    Index("notices_next", "state", "next_ms"),
)
"""An alert for one webhook or mailbox. ``state``: pending, sent, failed."""
