"""The register's tables. The migrations make them; a test holds both together.

Folded tables carry ``log_partition, log_place, log_at_ms``: the decision that a row took last.
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
)

from vaxel_shared.sql import cursor_table

METADATA = MetaData()
Json = JSON(none_as_null=True)


def _log() -> list[Column[int]]:
    return [
        Column("log_partition", Integer, nullable=False),
        Column("log_place", BigInteger, nullable=False),
        Column("log_at_ms", BigInteger, nullable=False),
    ]


CURSORS = cursor_table(METADATA)

CASES = Table(
    "cases",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("number", String(32), index=True),
    Column("pool", String(64)),
    Column("status", String(32)),
    Column("channel", String(32)),
    Column("account", String(64)),
    Column("language", String(35)),
    Column("queue", String(64)),
    Column("agent_id", String(64)),
    Column("priority", Integer),
    Column("tier", Integer),
    Column("labels", Json),
    Column("rule", Json),
    Column("customer_id", String(64)),
    Column("linked_case_id", String(64)),
    Column("first_contact_id", String(64)),
    Column("last_contact_id", String(64)),
    Column("last_contact_seq", BigInteger),
    Column("opened_ms", BigInteger),
    Column("updated_ms", BigInteger),
    Column("wake_ms", BigInteger),
    *_log(),
    Index("cases_by_age", "opened_ms", "id"),
    Index("cases_by_agent", "agent_id"),
)

WORKS = Table(
    "works",
    METADATA,
    Column("id", String(80), primary_key=True),
    Column("case_id", String(64), index=True),
    Column("pool", String(64)),
    Column("number", Integer),
    Column("state", String(16)),
    Column("queue", String(64)),
    Column("priority", Integer),
    Column("language", String(35)),
    Column("requires", Json),
    Column("tiers", Json),
    Column("step", Integer),
    Column("step_at", String(200)),
    Column("since_ms", BigInteger),
    Column("reason", Text),
    Column("prefer_agent", String(64)),
    Column("agent_id", String(64)),
    Column("token", String(40)),
    Column("assigned_ms", BigInteger),
    Column("until_ms", BigInteger),
    Column("ended_ms", BigInteger),
    *_log(),
    Index("works_by_agent", "agent_id", "state"),
    Index("works_by_queue", "pool", "queue", "state"),
)

OFFERS = Table(
    "offers",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("case_id", String(64), index=True),
    Column("work_id", String(80)),
    Column("agent_id", String(64)),
    Column("pool", String(64)),
    Column("token", String(40)),
    Column("queue", String(64)),
    Column("attempt", Integer),
    Column("state", String(16)),
    Column("reason", Text),
    Column("limit_ms", BigInteger),
    Column("made_ms", BigInteger),
    Column("expires_ms", BigInteger),
    Column("ended_ms", BigInteger),
    *_log(),
    Index("offers_by_agent", "agent_id", "state"),
)

AGENTS = Table(
    "agents",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("pool", String(64), index=True),
    Column("removed", Boolean),
    Column("tier", Integer),
    Column("skills", Json),
    Column("languages", Json),
    Column("capacity", Integer),
    Column("channels", Json),
    Column("presence", String(16)),
    Column("mode", String(16)),
    Column("until_ms", BigInteger),
    Column("presence_ms", BigInteger),
    *_log(),
)

ROSTERS = Table(
    "rosters",
    METADATA,
    Column("pool", String(64), primary_key=True),
    Column("version", String(64)),
    Column("source", String(64)),
    Column("directory_ref", String(120)),
    *_log(),
)

POLICIES = Table(
    "policies",
    METADATA,
    Column("pool", String(64), primary_key=True),
    Column("kind", String(32)),
    Column("version", String(64)),
    Column("ref", String(120)),
    *_log(),
)

TIMELINE = Table(
    "timeline",
    METADATA,
    Column("topic_rank", Integer, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("index", Integer, primary_key=True),
    Column("seq", BigInteger),
    Column("at_ms", BigInteger, nullable=False),
    Column("type", String(64), nullable=False),
    Column("pool", String(64)),
    Column("cause", String(200), index=True),
    Column("policy", String(64)),
    Column("case_id", String(64)),
    Column("work_id", String(80)),
    Column("offer_id", String(64)),
    Column("agent_id", String(64)),
    Column("data", Json),
    Index("timeline_by_case", "case_id", "at_ms"),
)

CONTACTS = Table(
    "contacts",
    METADATA,
    Column("contact_id", String(64), primary_key=True),
    Column("case_id", String(64), nullable=False, index=True),
    Column("at_ms", BigInteger, nullable=False),
)

CONVERSATIONS = Table(
    "conversations",
    METADATA,
    Column("conversation_key", String(300), primary_key=True),
    Column("case_id", String(64), primary_key=True, index=True),
    Column("from_ms", BigInteger, nullable=False),
)

INTERACTIONS = Table(
    "interactions",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("conversation_key", String(300)),
    Column("channel", String(32)),
    Column("account", Text),
    Column("direction", String(16)),
    Column("kind", String(32)),
    Column("sender_id", Text),
    Column("sender_name", Text),
    Column("recipients", Json),
    Column("subject", Text),
    Column("text", Text),
    Column("text_ref", String(120)),
    Column("reply_text", Text),
    Column("html_ref", String(120)),
    Column("language", String(35)),
    Column("attachments", Json),
    Column("flags", Json),
    Column("search", Text),
    Index("interactions_by_conversation", "conversation_key", "at_ms"),
)

DEADLETTERS = Table(
    "deadletters",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("service", String(64)),
    Column("topic", String(120)),
    Column("source_partition", Integer),
    Column("source_offset", BigInteger),
    Column("at_ms", BigInteger),
    Column("error_class", String(16)),
    Column("reason", Text),
    Column("code_version", String(64)),
    Column("partition", Integer),
    Column("offset", BigInteger),
)

COMMANDS = Table(
    "commands",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("type", String(32), nullable=False),
    Column("pool", String(64), nullable=False),
    Column("case_id", String(64)),
    Column("actor_id", String(64), nullable=False),
    Column("idempotency_key", String(200), nullable=False),
    Column("body_sha256", String(64), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("acknowledged", Boolean, nullable=False),
)
"""What was asked through this API: by whom, and with which body (its hash)."""

PROJECTED = {
    table.name: table
    for table in (
        CASES, WORKS, OFFERS, AGENTS, ROSTERS, POLICIES, TIMELINE, CONTACTS, CONVERSATIONS,
        INTERACTIONS, DEADLETTERS,
    )
}  # fmt: skip
"""The tables that a projection may change."""
