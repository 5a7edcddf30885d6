"""What rules an agent out for a while besides presence, and the stage of a complaint."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing is known of what was before: the next decision about somebody says it."""
    with op.batch_alter_table("agents") as agents:
        agents.add_column(sa.Column("grace_ms", sa.BigInteger(), nullable=True))
        agents.add_column(sa.Column("closed", sa.JSON(none_as_null=True), nullable=True))
        agents.add_column(sa.Column("off_shift", sa.Boolean(), nullable=True))
        agents.add_column(sa.Column("shift_ms", sa.BigInteger(), nullable=True))
        agents.add_column(sa.Column("rest_ms", sa.BigInteger(), nullable=True))
        agents.add_column(sa.Column("occupied", sa.Boolean(), nullable=True))
    with op.batch_alter_table("cases") as cases:
        cases.add_column(sa.Column("stage", sa.Integer(), nullable=True))


def downgrade() -> None:
    """There is no way back, as before."""
    raise RuntimeError("the register goes forward only; fold it again from the log")
