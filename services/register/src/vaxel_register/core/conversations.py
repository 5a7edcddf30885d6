"""Whose a conversation is, and since when: what we sent in it belongs to the case of that time.

A contact gives its conversation to its case. A case that goes into another takes its conversations
along, and has them back when it is taken out; each time only those that are still its own, since
the same conversation may have begun another case meanwhile. A row says who has a conversation from
an instant on; rows are made once and never change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vaxel_register.core.rows import Change, Key, Position, Row

TABLE = "conversations"


def owned(
    case_id: str, position: Position, keys: Iterable[str] | None, out_of: str | None = None
) -> Change:
    """The case has these conversations from now on; ``keys`` None: those that it went away with.

    ``out_of``: only those that this case has until now.
    """
    values = {
        "case_id": case_id,
        "keys": None if keys is None else list(keys),
        "out_of": out_of,
        "from_ms": position.at_ms,
        "log_partition": position.partition,
        "log_place": position.place,
    }
    return Change(TABLE, (case_id,), values, "own", position)


def place_of(row: Mapping[str, object]) -> tuple[int, int, int]:
    """Where a row stands among those of its conversation."""
    at, partition, place = row["from_ms"], row["log_partition"], row["log_place"]
    assert isinstance(at, int)
    assert isinstance(partition, int)
    assert isinstance(place, int)
    return at, partition, place


def went_with(timeline: Iterable[Row], change: Change) -> list[str]:
    """What a case took along when it last went into another, before ``change``."""
    position = change.position
    assert position is not None
    merges = [
        (entry["at_ms"], entry["partition"], entry["seq"], entry["index"], entry["data"])
        for entry in timeline
        if entry["type"] == "case.merged" and entry["case_id"] == change.values["case_id"]
    ]
    here = (position.at_ms, position.partition, position.seq, position.index)
    before = [merge for merge in merges if merge[:4] < here]
    if not before:
        return []
    data = max(before, key=lambda merge: merge[:4])[4] or {}
    return list(data.get("conversations") or [])


def changed_hands(
    present: Mapping[Key, Row], change: Change, keys: Iterable[str]
) -> dict[Key, Row]:
    """The rows that ``change`` adds for ``keys``; ``present`` has all rows of these."""
    values = change.values
    here, made = place_of(values), {}
    for key in keys:
        before = [
            row
            for row in present.values()
            if row["conversation_key"] == key and place_of(row) < here
        ]
        owner = max(before, key=place_of)["case_id"] if before else None
        if owner == values["case_id"] or values["out_of"] not in (None, owner):
            continue
        names = ("case_id", "from_ms", "log_partition", "log_place")
        row = {"conversation_key": key, **{name: values[name] for name in names}}
        place: Key = (key, *here)
        if place not in present:
            made[place] = row
    return made
