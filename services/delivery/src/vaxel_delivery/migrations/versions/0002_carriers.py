"""Effects that something else than mail carries out, and answers from agents' tools."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Until now everything was mail, and nothing had crashed."""
    with op.batch_alter_table("effects") as effects:
        effects.add_column(
            sa.Column("carrier", sa.String(length=64), nullable=False, server_default="mail")
        )
        effects.add_column(sa.Column("crashes", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("effects") as effects:
        effects.alter_column("carrier", server_default=None)
        effects.alter_column("crashes", server_default=None)
        effects.drop_constraint("effects_place", type_="unique")
        effects.create_unique_constraint(
            "effects_place", ["log_id", "partition", "seq", "index", "carrier"]
        )
    op.create_table(
        "answers",
        sa.Column("connector", sa.String(length=32), nullable=False),
        sa.Column("webhook_sha256", sa.String(length=64), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("command_id", sa.String(length=64), nullable=False),
        sa.Column("acknowledged", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("connector", "webhook_sha256"),
    )
    op.create_index("ix_answers_received_ms", "answers", ["received_ms"], unique=False)


def downgrade() -> None:
    """There is no way back: an outbox that forgot would send again."""
    raise RuntimeError("restore a backup of delivery's database instead")
