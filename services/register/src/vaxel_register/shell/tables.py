"""The register's tables. The migrations make them; a test holds both together.

Folded tables carry ``log_partition, log_place, log_at_ms``: the decision that a row took last.
All but ``commands``, ``drafts``, ``sessions`` and ``login_keys`` can be folded from the log again.
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
    Table,
)

from vaxel_shared.sql import Characters, Prose, RowId, cursor_table

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
    Column("id", Characters(64), primary_key=True),
    Column("number", Characters(32), index=True),
    Column("pool", Characters(64)),
    Column("status", Characters(32)),
    Column("channel", Characters(32)),
    Column("account", Characters(64)),
    Column("language", Characters(35)),
    Column("queue", Characters(64)),
    Column("agent_id", Characters(64)),
    Column("priority", Integer),
    Column("tier", Integer),
    Column("labels", Json),
    Column("rule", Json),
    Column("customer_id", Characters(64)),
    Column("linked_case_id", Characters(64)),
    Column("first_contact_id", Characters(64)),
    Column("last_contact_id", Characters(64)),
    Column("last_contact_seq", BigInteger),
    Column("opened_ms", BigInteger),
    Column("updated_ms", BigInteger),
    Column("wake_ms", BigInteger),
    Column("stage", Integer),
    *_log(),
    Index("cases_by_age", "opened_ms", "id"),
    Index("cases_by_agent", "agent_id"),
)

WORKS = Table(
    "works",
    METADATA,
    Column("id", Characters(80), primary_key=True),
    Column("case_id", Characters(64), index=True),
    Column("pool", Characters(64)),
    Column("number", Integer),
    Column("state", Characters(16)),
    Column("queue", Characters(64)),
    Column("priority", Integer),
    Column("language", Characters(35)),
    Column("requires", Json),
    Column("tiers", Json),
    Column("step", Integer),
    Column("step_at", Characters(200)),
    Column("since_ms", BigInteger),
    Column("reason", Prose()),
    Column("prefer_agent", Characters(64)),
    Column("agent_id", Characters(64)),
    Column("token", Characters(40)),
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
    Column("id", Characters(64), primary_key=True),
    Column("case_id", Characters(64), index=True),
    Column("work_id", Characters(80)),
    Column("agent_id", Characters(64)),
    Column("pool", Characters(64)),
    Column("token", Characters(40)),
    Column("queue", Characters(64)),
    Column("attempt", Integer),
    Column("state", Characters(16)),
    Column("reason", Prose()),
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
    Column("id", Characters(64), primary_key=True),
    Column("pool", Characters(64), index=True),
    Column("removed", Boolean),
    Column("tier", Integer),
    Column("skills", Json),
    Column("languages", Json),
    Column("capacity", Integer),
    Column("channels", Json),
    Column("presence", Characters(16)),
    Column("mode", Characters(16)),
    Column("until_ms", BigInteger),
    Column("presence_ms", BigInteger),
    Column("grace_ms", BigInteger),
    Column("closed", Json),
    Column("off_shift", Boolean),
    Column("shift_ms", BigInteger),
    Column("rest_ms", BigInteger),
    Column("occupied", Boolean),
    Column("left_ms", BigInteger),
    *_log(),
)

AGENT_TOOLS = Table(
    "agent_tools",
    METADATA,
    Column("id", Characters(140), primary_key=True),
    Column("agent_id", Characters(64), index=True),
    Column("source", Characters(64)),
    Column("works", Json),
    Column("until_ms", BigInteger),
    *_log(),
)
"""What agents have in tools of their own, as each tool said last."""

ROSTERS = Table(
    "rosters",
    METADATA,
    Column("pool", Characters(64), primary_key=True),
    Column("version", Characters(64)),
    Column("source", Characters(64)),
    Column("directory_ref", Characters(120)),
    *_log(),
)

POLICIES = Table(
    "policies",
    METADATA,
    Column("pool", Characters(64), primary_key=True),
    Column("kind", Characters(32)),
    Column("version", Characters(64)),
    Column("ref", Characters(120)),
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
    Column("type", Characters(64), nullable=False),
    Column("pool", Characters(64)),
    Column("cause", Characters(200), index=True),
    Column("policy", Characters(64)),
    Column("case_id", Characters(64)),
    Column("work_id", Characters(80)),
    Column("offer_id", Characters(64)),
    Column("agent_id", Characters(64)),
    Column("data", Json),
    Index("timeline_by_case", "case_id", "at_ms"),
)

CONTACTS = Table(
    "contacts",
    METADATA,
    Column("contact_id", Characters(64), primary_key=True),
    Column("case_id", Characters(64), nullable=False, index=True),
    Column("at_ms", BigInteger, nullable=False),
)

CONVERSATIONS = Table(
    "conversations",
    METADATA,
    Column("conversation_key", Characters(300), primary_key=True),
    Column("from_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("log_partition", Integer, primary_key=True, autoincrement=False),
    Column("log_place", BigInteger, primary_key=True, autoincrement=False),
    Column("case_id", Characters(64), nullable=False, index=True),
)
"""Who has a conversation from an instant on; the last row before an instant tells who had it."""

INTERACTIONS = Table(
    "interactions",
    METADATA,
    Column("id", Characters(64), primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("conversation_key", Characters(300)),
    Column("channel", Characters(32)),
    Column("account", Prose()),
    Column("direction", Characters(16)),
    Column("kind", Characters(32)),
    Column("sender_id", Prose()),
    Column("sender_name", Prose()),
    Column("recipients", Json),
    Column("subject", Prose()),
    Column("text", Prose()),
    Column("text_ref", Characters(120)),
    Column("reply_text", Prose()),
    Column("html_ref", Characters(120)),
    Column("language", Characters(35)),
    Column("attachments", Json),
    Column("flags", Json),
    Column("search", Prose()),
    Index("interactions_by_conversation", "conversation_key", "at_ms"),
)

DEADLETTERS = Table(
    "deadletters",
    METADATA,
    Column("id", Characters(64), primary_key=True),
    Column("service", Characters(64)),
    Column("topic", Characters(120)),
    Column("source_partition", Integer),
    Column("source_offset", BigInteger),
    Column("at_ms", BigInteger),
    Column("error_class", Characters(16)),
    Column("reason", Prose()),
    Column("code_version", Characters(64)),
    Column("partition", Integer),
    Column("offset", BigInteger),
)

COMMANDS = Table(
    "commands",
    METADATA,
    Column("id", Characters(64), primary_key=True),
    Column("type", Characters(32), nullable=False),
    Column("pool", Characters(64), nullable=False),
    Column("case_id", Characters(64)),
    Column("actor_id", Characters(64), nullable=False),
    Column("idempotency_key", Characters(200), nullable=False),
    Column("body_sha256", Characters(64), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("acknowledged", Boolean, nullable=False),
)
"""What was asked through this API: by whom, and with which body (its hash)."""

SLA_CLOCKS = Table(
    "sla_clocks",
    METADATA,
    Column("id", Characters(200), primary_key=True),
    Column("case_id", Characters(64), nullable=False, index=True),
    Column("clock", Characters(64), nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("state", Characters(16), nullable=False),
    Column("risk", Characters(16), nullable=False),
    Column("due_ms", BigInteger),
    *_log(),
    Index("sla_clocks_by_risk", "risk", "due_ms"),
)

FEED = Table(
    "feed",
    METADATA,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("type", Characters(64), nullable=False),
    Column("pool", Characters(64)),
    Column("case_id", Characters(64)),
    Column("agent_id", Characters(64)),
    Column("offer_id", Characters(64)),
    Column("conversation_key", Characters(300)),
    sqlite_autoincrement=True,
)
"""What changed, in the order in which it was stored here: what a console is told."""

DRAFTS = Table(
    "drafts",
    METADATA,
    Column("case_id", Characters(64), primary_key=True),
    Column("text", Prose(), nullable=False),
    Column("text_sha256", Characters(64), nullable=False),
    Column("then", Characters(16)),
    Column("based_on_seq", BigInteger),
    Column("by", Characters(64), nullable=False),
    Column("version", BigInteger, nullable=False),
)
"""An answer that somebody is writing; it belongs to the case, not to a browser or a person."""

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("id_sha256", Characters(64), primary_key=True),
    Column("role", Characters(16), nullable=False),
    Column("subject", Characters(80), nullable=False),
    Column("key_id", Characters(64), nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
)
"""Browsers that were let in; the cookie itself is kept nowhere but in the browser."""

LOGIN_KEYS = Table(
    "login_keys",
    METADATA,
    Column("id", Characters(64), primary_key=True),
    Column("expires_ms", BigInteger, nullable=False),
)
"""One-time links that were used, until they would have expired anyway."""

PROJECTED = {
    table.name: table
    for table in (
        CASES, WORKS, OFFERS, AGENTS, AGENT_TOOLS, ROSTERS, POLICIES, TIMELINE, CONTACTS,
        CONVERSATIONS, INTERACTIONS, DEADLETTERS, SLA_CLOCKS, FEED, DRAFTS,
    )
}  # fmt: skip
"""The tables that a projection may change."""
