"""Counting open time: when so much of it has passed, how much has, and what it is made of.

Milliseconds of elapsed (UTC) time throughout, integers only, so that parts add up exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Literal

from vaxel_shared.calendars.calendar import BusinessCalendar, Day, NeverOpen, Piece, Why
from vaxel_shared.calendars.hours import joined
from vaxel_shared.calendars.zones import local

TARGET_MS_MAX = 100 * 366 * 86_400_000
"""A hundred years."""
FOREVER_MS = 1 << 62
"""The end of a pause that goes on."""

Pause = tuple[int, int | None]
"""Time in which the clock stands still, ``[from_ms, to_ms)``; None goes on for ever."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch with one reason. Only ``open`` ones count; ``shift_ms`` is a change of the clock.

    ``name`` is the holiday's.
    """

    from_ms: int
    to_ms: int
    kind: Literal["open", "closed", "paused"]
    why: Why | Literal["paused"]
    name: str | None = None
    shift_ms: int = 0

    @property
    def counted_ms(self) -> int:
        """What it adds to elapsed time."""
        return self.to_ms - self.from_ms if self.kind == "open" else 0


def elapsed_ms(
    calendar: BusinessCalendar, from_ms: int, to_ms: int, paused: Iterable[Pause] = ()
) -> int:
    """Open time in ``[from_ms, to_ms)`` that wasn't paused; 0 where ``to_ms`` isn't later.

    Raises ``ValueError`` outside the years 1 to 9999, :class:`NeverOpen` for a calendar without
    hours.
    """
    if not calendar.ever_open:
        raise _never(calendar)
    pauses, total = _merged(paused), 0
    if to_ms <= from_ms:
        return 0
    for day in calendar.days(from_ms, patient=True):
        if day.start_ms >= to_ms:
            return total
        for start_ms, end_ms in _running(day, from_ms, pauses):
            total += max(0, min(end_ms, to_ms) - start_ms)
    raise AssertionError("days never end")


def due_ms(
    calendar: BusinessCalendar, from_ms: int, target_ms: int, paused: Iterable[Pause] = ()
) -> int | None:
    """The earliest instant, ``from_ms`` or later, at which ``target_ms`` of open time have passed.

    None where a pause without an end holds it up. Raises :class:`NeverOpen`, or ``ValueError`` for
    a target below 0 or over a hundred years and for what lies outside the years 1 to 9999.
    """
    if not calendar.ever_open:
        raise _never(calendar)
    if not 0 <= target_ms <= TARGET_MS_MAX:
        raise ValueError("a target lies between 0 and a hundred years")
    found = _reached(calendar, from_ms, target_ms, _merged(paused)) if target_ms else from_ms
    if found is None or calendar.boundary == "close":
        return found
    return _next_open(calendar, found)


def segments(
    calendar: BusinessCalendar, from_ms: int, to_ms: int, paused: Iterable[Pause] = ()
) -> list[Segment]:
    """What ``[from_ms, to_ms)`` is made of, without a gap; the open ones add up to the elapsed."""
    pauses, made = _merged(paused), list[Segment]()
    if to_ms <= from_ms:
        return made
    current = local(calendar.zone, from_ms).date() - timedelta(days=1)
    while (day := calendar.day(current)).start_ms < to_ms:
        if day.end_ms > from_ms:
            for piece in calendar.pieces(current):
                for segment in _cut(piece, from_ms, to_ms, pauses):
                    _append(made, segment)
        current += timedelta(days=1)
    return [_with_shift(calendar, segment) for segment in made]


def _never(calendar: BusinessCalendar) -> NeverOpen:
    return NeverOpen(f"calendar {calendar.name!r} is never open; give it hours")


def _merged(paused: Iterable[Pause]) -> Sequence[tuple[int, int]]:
    """Pauses in order and apart; raises ``ValueError`` for one that ends before it begins."""
    ended = [(start, FOREVER_MS if end is None else end) for start, end in paused]
    if any(end < start for start, end in ended):
        raise ValueError("a pause ends before it begins; write [FROM, TO]")
    return joined((start, end) for start, end in ended if end > start)


def _running(
    day: Day, from_ms: int, pauses: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """The day's open stretches from ``from_ms`` on, without the pauses."""
    for open_ms, close_ms in day.open:
        start_ms = max(open_ms, from_ms)
        for pause_start, pause_end in pauses:
            if pause_end <= start_ms:
                continue
            if pause_start >= close_ms:
                break
            if pause_start > start_ms:
                yield start_ms, pause_start
            start_ms = pause_end
        if start_ms < close_ms:
            yield start_ms, close_ms


def _reached(
    calendar: BusinessCalendar, from_ms: int, target_ms: int, pauses: Sequence[tuple[int, int]]
) -> int | None:
    """When a target above 0 is reached; None where the last pause never ends before."""
    holds_ms = next((start for start, end in pauses if end == FOREVER_MS), FOREVER_MS)
    left_ms = target_ms
    for day in calendar.days(from_ms):
        if day.start_ms >= holds_ms:
            return None
        for start_ms, end_ms in _running(day, from_ms, pauses):
            if end_ms - start_ms >= left_ms:
                return start_ms + left_ms
            left_ms -= end_ms - start_ms
    raise AssertionError("days never end")


def _next_open(calendar: BusinessCalendar, at_ms: int) -> int:
    """The earliest instant, ``at_ms`` or later, at which the calendar is open."""
    for day in calendar.days(at_ms):
        for start_ms, end_ms in day.open:
            if end_ms > at_ms:
                return max(start_ms, at_ms)
    raise AssertionError("days never end")


def _cut(
    piece: Piece, from_ms: int, to_ms: int, pauses: Sequence[tuple[int, int]]
) -> Iterator[Segment]:
    """A piece within ``[from_ms, to_ms)``, cut where pauses begin and end."""
    low, high = max(piece.start_ms, from_ms), min(piece.end_ms, to_ms)
    if low >= high:
        return
    edges = sorted({low, high, *(e for pause in pauses for e in pause if low < e < high)})
    for start_ms, end_ms in pairwise(edges):
        if any(start <= start_ms < end for start, end in pauses):
            yield Segment(start_ms, end_ms, "paused", "paused")
        else:
            kind: Literal["open", "closed"] = "open" if piece.open else "closed"
            yield Segment(start_ms, end_ms, kind, piece.why, piece.name)


def _append(made: list[Segment], segment: Segment) -> None:
    """Add a segment, or make the last one longer where nothing but the date differs."""
    last = made[-1] if made else None
    if last and (last.kind, last.why, last.name) == (segment.kind, segment.why, segment.name):
        made[-1] = Segment(last.from_ms, segment.to_ms, last.kind, last.why, last.name)
    else:
        made.append(segment)


def _with_shift(calendar: BusinessCalendar, segment: Segment) -> Segment:
    """The segment with how far the wall clock was moved in it."""
    offsets = [
        local(calendar.zone, at).utcoffset() or timedelta()
        for at in (segment.from_ms, segment.to_ms)
    ]
    shift_ms = (offsets[1] - offsets[0]) // timedelta(milliseconds=1)
    return Segment(
        segment.from_ms, segment.to_ms, segment.kind, segment.why, segment.name, shift_ms
    )
