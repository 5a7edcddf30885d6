"""Delivery's tables. The migrations make them; a test holds both together.

``effects`` is the outbox: its ``id`` grows in log order within a partition, and a lane never
spans partitions, so the smallest id of a lane that isn't ``done`` is whose turn it is.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from vaxel_shared.sql import cursor_table

METADATA = MetaData()
Json = JSON(none_as_null=True)
RowId = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers only plain INTEGER keys

CURSORS = cursor_table(METADATA)

EFFECTS = Table(
    "effects",
    METADATA,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("effect_id", String(120), nullable=False, unique=True),
    Column("log_id", String(64), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("index", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("carrier", String(64), nullable=False),
    Column("pool", String(64), nullable=False),
    Column("case_id", String(64), nullable=False),
    Column("lane", String(400), nullable=False),
    Column("offer_id", String(64)),
    Column("agent_id", String(64)),
    Column("state", String(16), nullable=False),
    Column("final", Boolean, nullable=False),
    Column("done", Boolean, nullable=False),
    Column("code", String(64)),
    Column("attempt", Integer, nullable=False),
    Column("repeats", Integer, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("run_id", String(64)),
    Column("made_ms", BigInteger, nullable=False),
    Column("first_ms", BigInteger),
    Column("next_ms", BigInteger, nullable=False),
    Column("missing_since_ms", BigInteger),
    Column("finished_ms", BigInteger),
    Column("data", Json, nullable=False),
    Column("outbound", Text),
    UniqueConstraint("log_id", "partition", "seq", "index", "carrier", name="effects_place"),
    Index("effects_lane", "done", "lane", "id"),
    Index("effects_next", "done", "next_ms"),
    Index("effects_offer", "offer_id"),
)

OFFERS = Table(
    "offers",
    METADATA,
    Column("offer_id", String(64), primary_key=True),
    Column("pool", String(64), nullable=False),
    Column("case_id", String(64), nullable=False),
    Column("agent_id", String(64), nullable=False),
    Column("token", String(64), nullable=False),
    Column("number", String(32), nullable=False),
    Column("queue", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("explain", Json, nullable=False),
)

CASES = Table(
    "cases",
    METADATA,
    Column("case_id", String(64), primary_key=True),
    Column("pool", String(64), nullable=False),
    Column("number", String(32)),
    Column("contact_id", String(64), index=True),
    Column("language", String(35)),
    Column("queue", String(64)),
    Column("priority", Integer),
    Column("since_ms", BigInteger),
    Column("closed", Boolean, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
)

INTERACTIONS = Table(
    "interactions",
    METADATA,
    Column("contact_id", String(64), primary_key=True),
    Column("conversation_key", String(400), nullable=False),
    Column("account", String(320), nullable=False),
    Column("sender_address", String(1000), nullable=False),
    Column("sender_name", String(200), nullable=False),
    Column("subject", Text, nullable=False),
    Column("message_id", String(400)),
    Column("in_reply_to", String(1000)),
    Column("references", Json, nullable=False),
    Column("first_lines", Text, nullable=False),
    Column("quiet", String(32)),
    Column("stored_ms", BigInteger, nullable=False, index=True),
)

ROSTERS = Table(
    "rosters",
    METADATA,
    Column("pool", String(64), primary_key=True),
    Column("directory_ref", String(100), nullable=False),
)

AUTOMATIC = Table(
    "automatic_mail",
    METADATA,
    Column("effect_id", String(120), primary_key=True),
    Column("sender", String(64), nullable=False),
    Column("conversation_key", String(400), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index("automatic_sender", "sender", "at_ms"),
    Index("automatic_conversation", "conversation_key", "at_ms"),
)
"""Acknowledgements sent: what the limits count. ``sender`` is a pseudonym."""

ANSWERS = Table(
    "answers",
    METADATA,
    Column("connector", String(32), primary_key=True),
    Column("webhook_sha256", String(64), primary_key=True),
    Column("body_sha256", String(64), nullable=False),
    Column("command_id", String(64), nullable=False),
    Column("acknowledged", Boolean, nullable=False),
    Column("status", String(16)),
    Column("code", String(64)),
    Column("received_ms", BigInteger, nullable=False, index=True),
)
"""What agents' tools answered, by the hash of its webhook-id: what comes again is known again."""
