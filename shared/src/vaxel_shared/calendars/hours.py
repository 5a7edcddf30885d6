"""Opening hours of a day as written: ``08:00-13:00``, ``22:00-24:00``.

They are wall-clock times; what they come to on a certain date is the calendar's affair.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

DAY_MS = 86_400_000
_HOURS = re.compile(r"^(\d{1,2}):(\d{2})(?::(\d{2}))?\s*-\s*(\d{1,2}):(\d{2})(?::(\d{2}))?$")

Hours = tuple[tuple[int, int], ...]
"""Half-open stretches in milliseconds of the wall clock since 00:00, in order and apart."""

CLOSED: Hours = ()
ALWAYS: Hours = ((0, DAY_MS),)


def parse_hours(texts: Iterable[str]) -> Hours:
    """``["08:00-13:00", "14:00-18:00"]`` as stretches; those that touch or overlap are joined.

    Raises ``ValueError`` with the remedy for anything else.
    """
    return joined(_stretch(text) for text in texts)


def joined(stretches: Iterable[tuple[int, int]]) -> Hours:
    """The same time in order, with what touches or overlaps made one."""
    made: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if made and start <= made[-1][1]:
            made[-1] = (made[-1][0], max(made[-1][1], end))
        else:
            made.append((start, end))
    return tuple(made)


def overlapping(texts: Iterable[str]) -> bool:
    """Whether two of the stretches share time: allowed, but hardly meant."""
    ordered = sorted(_stretch(text) for text in texts)
    return any(later[0] < earlier[1] for earlier, later in pairwise(ordered))


def _stretch(text: str) -> tuple[int, int]:
    found = _HOURS.match(text.strip())
    if found is None:
        raise ValueError(f"{text!r} are no hours; write them like 08:00-16:30")
    start, end = _of_day(text, *found.groups()[:3]), _of_day(text, *found.groups()[3:])
    if start == end:
        raise ValueError(f"{text!r} is no time at all; for the whole day write 00:00-24:00")
    if start > end:
        raise ValueError(
            f"{text!r} ends before it begins; past midnight, write it on both days: "
            "22:00-24:00, and 00:00-06:00 on the next"
        )
    return start, end


def _of_day(text: str, hour: str, minute: str, second: str | None) -> int:
    hours, minutes, seconds = int(hour), int(minute), int(second or 0)
    if minutes > 59 or seconds > 59 or hours * 3600 + minutes * 60 + seconds > 86_400:
        raise ValueError(f"{text!r}: a day goes from 00:00 to 24:00")
    return (hours * 3600 + minutes * 60 + seconds) * 1000
