"""What agents have in tools of their own, and when somebody left whose tools said it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from vaxel_shared.sql import Characters

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing is known of what was before: tools say it again within minutes."""
    with op.batch_alter_table("agents") as agents:
        agents.add_column(sa.Column("left_ms", sa.BigInteger(), nullable=True))
    op.create_table(
        "agent_tools",
        sa.Column("id", Characters(140), primary_key=True),
        sa.Column("agent_id", Characters(64), nullable=True),
        sa.Column("source", Characters(64), nullable=True),
        sa.Column("works", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("log_partition", sa.Integer(), nullable=False),
        sa.Column("log_place", sa.BigInteger(), nullable=False),
        sa.Column("log_at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_agent_tools_agent_id", "agent_tools", ["agent_id"])


def downgrade() -> None:
    """There is no way back, as before."""
    raise RuntimeError("the register goes forward only; fold it again from the log")
