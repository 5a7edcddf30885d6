"""Which commands were applied: their ids are remembered for days, so that none is applied twice.

The state holds the marks of each day in the order in which they came, 8 bytes each, so that to
encode millions of them is to copy them. The sets beside them follow from that.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from functools import lru_cache

from vaxel_router.core.limits import DAY_MS, MEMORY_DAYS, MEMORY_IDS_MAX

MARK_BYTES = 8


@lru_cache(maxsize=4_096)
def fingerprint(command_id: str) -> int:
    """The mark by which a command id is remembered: the first 8 bytes of its sha256."""
    return int.from_bytes(hashlib.sha256(command_id.encode()).digest()[:MARK_BYTES])


class Memory:
    """The ids behind ``days``, a state's marks by day since 1970; what is added goes there too."""

    def __init__(self, days: dict[str, bytearray]) -> None:
        self._days = days
        self._sets = {day: _read(marks) for day, marks in days.items()}
        self._count = sum(map(len, self._sets.values()))

    def __len__(self) -> int:
        return self._count

    def __contains__(self, command_id: str) -> bool:
        mark = fingerprint(command_id)
        for day in self._sets.values():  # noqa: SIM110 - asked twice for every command
            if mark in day:
                return True
        return False

    def add(self, command_id: str, at_ms: int) -> None:
        """Remember an id that isn't known yet. The oldest days are forgotten."""
        mark, today = fingerprint(command_id), str(at_ms // DAY_MS)
        begins = today not in self._days
        if begins:
            self._days[today], self._sets[today] = bytearray(), set()
        self._days[today] += mark.to_bytes(MARK_BYTES)
        self._sets[today].add(mark)
        self._count += 1
        if begins or self._count > MEMORY_IDS_MAX:
            self._forget_days()

    def _forget_days(self) -> None:
        """The newest days on which anything was applied stay: an outage makes nothing forgotten."""
        days = sorted(self._days, key=int)
        while len(days) > MEMORY_DAYS + 1 or (self._count > MEMORY_IDS_MAX and len(days) > 1):
            oldest = days.pop(0)
            del self._days[oldest]
            self._count -= len(self._sets.pop(oldest))


def joined(marks: Sequence[int]) -> bytes:
    """Marks as a state holds them."""
    return struct.pack(f">{len(marks)}Q", *marks)


def in_order_of(marks: bytearray) -> bytearray:
    """The same marks, sorted."""
    return bytearray(joined(sorted(_read(marks))))


def _read(marks: bytearray) -> set[int]:
    return {mark for (mark,) in struct.iter_unpack(">Q", marks)}
