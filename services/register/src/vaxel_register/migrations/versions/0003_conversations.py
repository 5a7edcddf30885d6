"""A conversation may come back to a case that had it before.

One row for each time that it changes hands, where there was one for each case that ever had it. The
times that were not kept are in the timeline. A conversation that only one case ever had needs no
look at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INDEX_BITS = 16
"""As where decisions are folded: a place is a record's number and the place in it."""
AT_ONCE = 400
TYPES = ("case.opened", "case.joined", "case.reopened", "case.merged", "case.split")

_NEW = sa.table(
    "conversations",
    *map(sa.column, ("conversation_key", "from_ms", "log_partition", "log_place", "case_id")),
)
_OLD = sa.table(
    "conversations_before_0003", *map(sa.column, ("conversation_key", "case_id", "from_ms"))
)
_CASES = sa.table("cases", *map(sa.column, ("id", "log_partition")))
_TIMELINE = sa.table(
    "timeline",
    *map(sa.column, ("partition", "seq", "index", "at_ms", "type", "case_id")),
    sa.column("data", sa.JSON(none_as_null=True)),
)


def upgrade() -> None:
    """Make the new table from the old one, and from the timeline where that isn't enough."""
    op.drop_index(op.f("ix_conversations_case_id"), table_name="conversations")
    op.rename_table("conversations", "conversations_before_0003")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX conversations_pkey RENAME TO conversations_before_0003_pkey")
    op.create_table(
        "conversations",
        sa.Column("conversation_key", sa.String(length=300), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("log_partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("log_place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("case_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("conversation_key", "from_ms", "log_partition", "log_place"),
    )
    op.create_index(op.f("ix_conversations_case_id"), "conversations", ["case_id"], unique=False)
    _of_one_case()
    _of_several()
    op.drop_table("conversations_before_0003")


def downgrade() -> None:
    """There is no way back, as before."""
    raise RuntimeError("the register goes forward only; fold it again from the log")


def _several() -> Any:
    many = sa.select(_OLD.c.conversation_key).group_by(_OLD.c.conversation_key)
    return many.having(sa.func.count() > 1)


def _of_one_case() -> None:
    partition = sa.func.coalesce(_CASES.c.log_partition, 0)
    rows = (
        sa.select(
            _OLD.c.conversation_key, _OLD.c.from_ms, partition, sa.literal(-1), _OLD.c.case_id
        )
        .select_from(_OLD.outerjoin(_CASES, _CASES.c.id == _OLD.c.case_id))
        .where(_OLD.c.conversation_key.not_in(_several()))
    )
    names = ["conversation_key", "from_ms", "log_partition", "log_place", "case_id"]
    op.get_bind().execute(sa.insert(_NEW).from_select(names, rows))


def _of_several() -> None:
    bind = op.get_bind()
    keys = set(bind.execute(_several()).scalars())
    if not keys:
        return
    its = sa.select(_OLD.c.case_id).where(_OLD.c.conversation_key.in_(_several())).distinct()
    cases = sorted(bind.execute(its).scalars())
    owner: dict[str, str] = {}
    went_with: dict[str, list[str]] = {}
    for entry in sorted(_entries(cases), key=_place):
        data, case_id, out_of = entry["data"] or {}, entry["case_id"], None
        if entry["type"] == "case.merged":
            took = went_with[case_id] = data.get("conversations") or []
            out_of, case_id = case_id, data.get("into")
        elif entry["type"] == "case.split":
            took, out_of = went_with.get(case_id, []), data.get("out_of")
        else:
            took = [data["conversation_key"]] if data.get("conversation_key") else []
        at_ms, partition, seq, index = _place(entry)
        for key in keys.intersection(took) if case_id is not None else ():
            had = owner.get(key)
            if had == case_id or out_of not in (None, had):
                continue
            owner[key] = case_id
            row = {"conversation_key": key, "from_ms": at_ms, "log_partition": partition}
            row |= {"log_place": (seq << INDEX_BITS) | index, "case_id": case_id}
            bind.execute(sa.insert(_NEW).values(row))


def _place(entry: Any) -> tuple[int, int, int, int]:
    return entry["at_ms"], entry["partition"], entry["seq"], entry["index"]


def _entries(cases: list[str]) -> Iterator[Any]:
    for start in range(0, len(cases), AT_ONCE):
        some = _TIMELINE.c.case_id.in_(cases[start : start + AT_ONCE])
        told = sa.select(_TIMELINE).where(some, _TIMELINE.c.type.in_(TYPES))
        yield from op.get_bind().execute(told).mappings()
