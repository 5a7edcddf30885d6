"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    _automatic_mail()
    _cases()
    _cursors()
    _effects()
    _interactions()
    _offers()
    _rosters()


def downgrade() -> None:
    """There is no way back: an outbox that forgot would send again."""
    raise RuntimeError("restore a backup of delivery's database instead")


def _automatic_mail() -> None:
    op.create_table(
        "automatic_mail",
        sa.Column("effect_id", sa.String(length=120), nullable=False),
        sa.Column("sender", sa.String(length=64), nullable=False),
        sa.Column("conversation_key", sa.String(length=400), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("effect_id"),
    )
    op.create_index(
        "automatic_conversation", "automatic_mail", ["conversation_key", "at_ms"], unique=False
    )
    op.create_index("automatic_sender", "automatic_mail", ["sender", "at_ms"], unique=False)


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("case_id", sa.String(length=64), nullable=False),
        sa.Column("pool", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=True),
        sa.Column("contact_id", sa.String(length=64), nullable=True),
        sa.Column("language", sa.String(length=35), nullable=True),
        sa.Column("queue", sa.String(length=64), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=True),
        sa.Column("since_ms", sa.BigInteger(), nullable=True),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("case_id"),
    )
    op.create_index("ix_cases_contact_id", "cases", ["contact_id"], unique=False)


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


def _effects() -> None:
    op.create_table(
        "effects",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("effect_id", sa.String(length=120), nullable=False),
        sa.Column("log_id", sa.String(length=64), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("pool", sa.String(length=64), nullable=False),
        sa.Column("case_id", sa.String(length=64), nullable=False),
        sa.Column("lane", sa.String(length=400), nullable=False),
        sa.Column("offer_id", sa.String(length=64), nullable=True),
        sa.Column("agent_id", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("repeats", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=True),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=True),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        sa.Column("missing_since_ms", sa.BigInteger(), nullable=True),
        sa.Column("finished_ms", sa.BigInteger(), nullable=True),
        sa.Column("data", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("outbound", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("effect_id"),
        sa.UniqueConstraint("log_id", "partition", "seq", "index", name="effects_place"),
    )
    op.create_index("effects_lane", "effects", ["done", "lane", "id"], unique=False)
    op.create_index("effects_next", "effects", ["done", "next_ms"], unique=False)
    op.create_index("effects_offer", "effects", ["offer_id"], unique=False)


def _interactions() -> None:
    op.create_table(
        "interactions",
        sa.Column("contact_id", sa.String(length=64), nullable=False),
        sa.Column("conversation_key", sa.String(length=400), nullable=False),
        sa.Column("account", sa.String(length=320), nullable=False),
        sa.Column("sender_address", sa.String(length=1000), nullable=False),
        sa.Column("sender_name", sa.String(length=200), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("message_id", sa.String(length=400), nullable=True),
        sa.Column("in_reply_to", sa.String(length=1000), nullable=True),
        sa.Column("references", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("first_lines", sa.Text(), nullable=False),
        sa.Column("quiet", sa.String(length=32), nullable=True),
        sa.Column("stored_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("contact_id"),
    )
    op.create_index("ix_interactions_stored_ms", "interactions", ["stored_ms"], unique=False)


def _offers() -> None:
    op.create_table(
        "offers",
        sa.Column("offer_id", sa.String(length=64), nullable=False),
        sa.Column("pool", sa.String(length=64), nullable=False),
        sa.Column("case_id", sa.String(length=64), nullable=False),
        sa.Column("agent_id", sa.String(length=64), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("queue", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("explain", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("offer_id"),
    )


def _rosters() -> None:
    op.create_table(
        "rosters",
        sa.Column("pool", sa.String(length=64), nullable=False),
        sa.Column("directory_ref", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("pool"),
    )
