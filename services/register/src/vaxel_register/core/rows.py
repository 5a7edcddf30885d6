"""Rows and how changes fold into them, without SQL: the same rows however topics interleave.

Two kinds of rows. A *record row* is made once, by the first record that has its key. A *folded row*
is the sum of the decisions on one thing; it remembers the position of the last one it took, so a
decision that comes again changes nothing. Things live in one partition, whose order the log keeps;
where one moves to another partition, the later decision starts the row afresh.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Key = tuple[str | int, ...]
Row = dict[str, Any]
Rows = dict[str, dict[Key, Row]]
"""Table → key → row."""

INDEX_BITS = 16
"""A batch holds at most 500 decisions."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a decision stands: partition and record of the log, place in it, and its time."""

    partition: int
    seq: int
    index: int
    at_ms: int

    @property
    def place(self) -> int:
        """(seq, index) as one number that rises within a partition."""
        return (self.seq << INDEX_BITS) | self.index


@dataclass(frozen=True, slots=True)
class Change:
    """What a record does to one row.

    ``insert``: make it unless it is there. ``put``: fold into it, making it where it is missing.
    ``set``: fold into it if it is there. ``drop``: take it away if it has these values.
    ``own``: conversations change hands, see :mod:`vaxel_register.core.conversations`.
    ``only_if``: and only if this column has one of these values.
    """

    table: str
    key: Key
    values: Mapping[str, Any]
    how: Literal["insert", "put", "set", "drop", "own"]
    position: Position | None = None
    only_if: tuple[str, tuple[Any, ...]] | None = None


def fold(rows: Rows, changes: Iterable[Change]) -> set[tuple[str, Key]]:
    """Apply ``changes`` in order to ``rows``, in place; answers which rows differ now.

    ``rows`` must hold every row the changes name that exists already.
    """
    touched: set[tuple[str, Key]] = set()
    for change in changes:
        if change.how in ("drop", "own"):
            continue  # no fold: what is dropped isn't derived, what is owned has rows of its own
        table = rows.setdefault(change.table, {})
        after = _after(table.get(change.key), change)
        if after is not None:
            table[change.key] = after
            touched.add((change.table, change.key))
    return touched


def _after(row: Row | None, change: Change) -> Row | None:
    """The row after a change; None where it changes nothing."""
    if change.how == "insert":
        return dict(change.values) if row is None else None
    assert change.position is not None, "a folded row needs the position of what changes it"
    if row is None:
        return _stamped({}, change) if change.how == "put" else None
    if not _is_news(row, change.position):
        return None
    if change.only_if is not None and row.get(change.only_if[0]) not in change.only_if[1]:
        return None
    if row["log_partition"] == change.position.partition:
        return _stamped(row, change)
    return _stamped({}, change) if change.how == "put" else None


def _is_news(row: Row, position: Position) -> bool:
    if row["log_partition"] == position.partition:
        return bool(row["log_place"] < position.place)
    return bool((row["log_at_ms"], row["log_partition"]) < (position.at_ms, position.partition))


def _stamped(row: Row, change: Change) -> Row:
    position = change.position
    assert position is not None
    return {
        **row,
        **change.values,
        "log_partition": position.partition,
        "log_place": position.place,
        "log_at_ms": position.at_ms,
    }
