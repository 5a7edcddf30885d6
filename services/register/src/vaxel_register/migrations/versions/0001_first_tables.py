"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    _agents()
    _cases()
    _commands()
    _contacts()
    _conversations()
    _cursors()
    _deadletters()
    _interactions()
    _offers()
    _policies()
    _rosters()
    _timeline()
    _works()


def downgrade() -> None:
    """There is no way back: what is derived is folded again from the log."""
    raise RuntimeError("the register goes forward only; fold it again from the log")


def _agents() -> None:
    op.create_table(
        "agents",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("pool", sa.String(length=64), nullable=True),
        sa.Column("removed", sa.Boolean(), nullable=True),
        sa.Column("tier", sa.Integer(), nullable=True),
        sa.Column("skills", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("languages", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("capacity", sa.Integer(), nullable=True),
        sa.Column("channels", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("presence", sa.String(length=16), nullable=True),
        sa.Column("mode", sa.String(length=16), nullable=True),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("presence_ms", sa.BigInteger(), nullable=True),
        sa.Column("log_partition", sa.Integer(), nullable=False),
        sa.Column("log_place", sa.BigInteger(), nullable=False),
        sa.Column("log_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_agents_pool"), "agents", ["pool"], unique=False)


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=True),
        sa.Column("pool", sa.String(length=64), nullable=True),
        sa.Column("status", sa.String(length=32), nullable=True),
        sa.Column("channel", sa.String(length=32), nullable=True),
        sa.Column("account", sa.String(length=64), nullable=True),
        sa.Column("language", sa.String(length=35), nullable=True),
        sa.Column("queue", sa.String(length=64), nullable=True),
        sa.Column("agent_id", sa.String(length=64), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=True),
        sa.Column("tier", sa.Integer(), nullable=True),
        sa.Column("labels", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("rule", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("customer_id", sa.String(length=64), nullable=True),
        sa.Column("linked_case_id", sa.String(length=64), nullable=True),
        sa.Column("first_contact_id", sa.String(length=64), nullable=True),
        sa.Column("last_contact_id", sa.String(length=64), nullable=True),
        sa.Column("last_contact_seq", sa.BigInteger(), nullable=True),
        sa.Column("opened_ms", sa.BigInteger(), nullable=True),
        sa.Column("updated_ms", sa.BigInteger(), nullable=True),
        sa.Column("wake_ms", sa.BigInteger(), nullable=True),
        sa.Column("log_partition", sa.Integer(), nullable=False),
        sa.Column("log_place", sa.BigInteger(), nullable=False),
        sa.Column("log_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("cases_by_age", "cases", ["opened_ms", "id"], unique=False)
    op.create_index("cases_by_agent", "cases", ["agent_id"], unique=False)
    op.create_index(op.f("ix_cases_number"), "cases", ["number"], unique=False)


def _commands() -> None:
    op.create_table(
        "commands",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("pool", sa.String(length=64), nullable=False),
        sa.Column("case_id", sa.String(length=64), nullable=True),
        sa.Column("actor_id", sa.String(length=64), nullable=False),
        sa.Column("idempotency_key", sa.String(length=200), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _contacts() -> None:
    op.create_table(
        "contacts",
        sa.Column("contact_id", sa.String(length=64), nullable=False),
        sa.Column("case_id", sa.String(length=64), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("contact_id"),
    )
    op.create_index(op.f("ix_contacts_case_id"), "contacts", ["case_id"], unique=False)


def _conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("conversation_key", sa.String(length=300), nullable=False),
        sa.Column("case_id", sa.String(length=64), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_key", "case_id"),
    )
    op.create_index(op.f("ix_conversations_case_id"), "conversations", ["case_id"], unique=False)


def _cursors() -> None:
    op.create_table(
        "cursors",
        sa.Column("topic", sa.String(length=120), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("log_id", sa.String(length=64), nullable=True),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("through", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition"),
    )


def _deadletters() -> None:
    op.create_table(
        "deadletters",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=True),
        sa.Column("topic", sa.String(length=120), nullable=True),
        sa.Column("source_partition", sa.Integer(), nullable=True),
        sa.Column("source_offset", sa.BigInteger(), nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=True),
        sa.Column("error_class", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("code_version", sa.String(length=64), nullable=True),
        sa.Column("partition", sa.Integer(), nullable=True),
        sa.Column("offset", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )


def _interactions() -> None:
    op.create_table(
        "interactions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("conversation_key", sa.String(length=300), nullable=True),
        sa.Column("channel", sa.String(length=32), nullable=True),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("direction", sa.String(length=16), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=True),
        sa.Column("sender_id", sa.Text(), nullable=True),
        sa.Column("sender_name", sa.Text(), nullable=True),
        sa.Column("recipients", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("text_ref", sa.String(length=120), nullable=True),
        sa.Column("reply_text", sa.Text(), nullable=True),
        sa.Column("html_ref", sa.String(length=120), nullable=True),
        sa.Column("language", sa.String(length=35), nullable=True),
        sa.Column("attachments", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("flags", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("search", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "interactions_by_conversation", "interactions", ["conversation_key", "at_ms"], unique=False
    )


def _offers() -> None:
    op.create_table(
        "offers",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("case_id", sa.String(length=64), nullable=True),
        sa.Column("work_id", sa.String(length=80), nullable=True),
        sa.Column("agent_id", sa.String(length=64), nullable=True),
        sa.Column("pool", sa.String(length=64), nullable=True),
        sa.Column("token", sa.String(length=40), nullable=True),
        sa.Column("queue", sa.String(length=64), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("limit_ms", sa.BigInteger(), nullable=True),
        sa.Column("made_ms", sa.BigInteger(), nullable=True),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("log_partition", sa.Integer(), nullable=False),
        sa.Column("log_place", sa.BigInteger(), nullable=False),
        sa.Column("log_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_offers_case_id"), "offers", ["case_id"], unique=False)
    op.create_index("offers_by_agent", "offers", ["agent_id", "state"], unique=False)


def _policies() -> None:
    op.create_table(
        "policies",
        sa.Column("pool", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=True),
        sa.Column("version", sa.String(length=64), nullable=True),
        sa.Column("ref", sa.String(length=120), nullable=True),
        sa.Column("log_partition", sa.Integer(), nullable=False),
        sa.Column("log_place", sa.BigInteger(), nullable=False),
        sa.Column("log_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pool"),
    )


def _rosters() -> None:
    op.create_table(
        "rosters",
        sa.Column("pool", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=True),
        sa.Column("source", sa.String(length=64), nullable=True),
        sa.Column("directory_ref", sa.String(length=120), nullable=True),
        sa.Column("log_partition", sa.Integer(), nullable=False),
        sa.Column("log_place", sa.BigInteger(), nullable=False),
        sa.Column("log_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pool"),
    )


def _timeline() -> None:
    op.create_table(
        "timeline",
        sa.Column("topic_rank", sa.Integer(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("pool", sa.String(length=64), nullable=True),
        sa.Column("cause", sa.String(length=200), nullable=True),
        sa.Column("policy", sa.String(length=64), nullable=True),
        sa.Column("case_id", sa.String(length=64), nullable=True),
        sa.Column("work_id", sa.String(length=80), nullable=True),
        sa.Column("offer_id", sa.String(length=64), nullable=True),
        sa.Column("agent_id", sa.String(length=64), nullable=True),
        sa.Column("data", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("topic_rank", "partition", "offset", "index"),
    )
    op.create_index(op.f("ix_timeline_cause"), "timeline", ["cause"], unique=False)
    op.create_index("timeline_by_case", "timeline", ["case_id", "at_ms"], unique=False)


def _works() -> None:
    op.create_table(
        "works",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("case_id", sa.String(length=64), nullable=True),
        sa.Column("pool", sa.String(length=64), nullable=True),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=True),
        sa.Column("queue", sa.String(length=64), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=True),
        sa.Column("language", sa.String(length=35), nullable=True),
        sa.Column("requires", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("tiers", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("step", sa.Integer(), nullable=True),
        sa.Column("step_at", sa.String(length=200), nullable=True),
        sa.Column("since_ms", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("prefer_agent", sa.String(length=64), nullable=True),
        sa.Column("agent_id", sa.String(length=64), nullable=True),
        sa.Column("token", sa.String(length=40), nullable=True),
        sa.Column("assigned_ms", sa.BigInteger(), nullable=True),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("log_partition", sa.Integer(), nullable=False),
        sa.Column("log_place", sa.BigInteger(), nullable=False),
        sa.Column("log_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_works_case_id"), "works", ["case_id"], unique=False)
    op.create_index("works_by_agent", "works", ["agent_id", "state"], unique=False)
    op.create_index("works_by_queue", "works", ["pool", "queue", "state"], unique=False)
