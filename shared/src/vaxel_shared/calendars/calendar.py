"""A calendar: on which stretches of absolute time it is open, and why not on others.

Stretches are found by turning the edges of each day's hours into UTC; everything is measured there.
A day is the time from its 00:00 to the next day's, so the hours of one never reach into another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from vaxel_shared.calendars.holidays import DaysOff
from vaxel_shared.calendars.hours import CLOSED, DAY_MS, Hours, joined
from vaxel_shared.calendars.zones import DATE_MAX, DATE_MIN, instant_ms, local

Boundary = Literal["close", "next_open"]
Why = Literal["hours", "dates", "outside_hours", "closed_day", "holiday", "closed_date"]

CLOSED_DAYS_MAX = 3_660
"""A calendar that isn't open within ten years isn't open."""
DAYS_KEPT_MAX = 20_000


class NeverOpen(ValueError):
    """The calendar has no open time, so nothing is ever due."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one day, ``[start_ms, end_ms)``; ``name`` is the holiday's."""

    start_ms: int
    end_ms: int
    open: bool
    why: Why
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """A local date: the whole of it, and its open stretches."""

    start_ms: int
    end_ms: int
    open: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class BusinessCalendar:
    """``week`` is Monday to Sunday; ``dates`` overrides it and holidays on a date."""

    name: str
    zone: ZoneInfo
    week: Sequence[Hours]
    days_off: tuple[DaysOff, ...] = ()
    dates: Mapping[date, Hours] = field(default_factory=dict)
    boundary: Boundary = "close"
    """Whether what falls due on closing time is due then, or when it opens next."""
    _days: dict[date, Day] = field(default_factory=dict, compare=False, repr=False)

    @property
    def ever_open(self) -> bool:
        """False if there are no hours in it at all."""
        return any(self.week) or any(self.dates.values())

    def holiday(self, day: date) -> str | None:
        """The name of the holiday on a date, whether or not ``dates`` overrides it."""
        names = (source.name(day) for source in self.days_off)
        return next((name for name in names if name is not None), None)

    def hours(self, day: date) -> Hours:
        """The wall-clock hours of a date."""
        special = self.dates.get(day)
        if special is not None:
            return special
        hours = self.week[day.weekday()]
        return CLOSED if hours and self.holiday(day) is not None else hours

    def day(self, day: date) -> Day:
        """A date in absolute time. Raises ``ValueError`` outside the years 1 to 9999."""
        known = self._days.get(day)
        if known is None:
            if len(self._days) >= DAYS_KEPT_MAX:
                self._days.clear()
            known = self._days[day] = self._make(day)
        return known

    def days(self, from_ms: int, *, patient: bool = False) -> Iterator[Day]:
        """The dates from the one at ``from_ms`` on.

        Raises :class:`NeverOpen` after ten years without open time unless ``patient``,
        ``ValueError`` beyond the year 9999.
        """
        # Where the clock is set back over midnight an instant may lie outside its own date.
        current = max(local(self.zone, from_ms).date() - timedelta(days=1), DATE_MIN)
        last_special = max((day for day, hours in self.dates.items() if hours), default=DATE_MIN)
        closed = 0
        while True:
            found = self.day(current)
            if found.end_ms > from_ms:
                closed = 0 if any(end > from_ms for _, end in found.open) else closed + 1
                if closed > CLOSED_DAYS_MAX and current > last_special and not patient:
                    raise NeverOpen(f"calendar {self.name!r} isn't open within ten years")
                yield found
            current += timedelta(days=1)

    def pieces(self, day: date) -> Iterator[Piece]:
        """All of a date, open and closed, in order, with why."""
        found = self.day(day)
        special = day in self.dates
        holiday = None if special else self.holiday(day)
        shut: Why = "outside_hours"
        if not found.open:
            shut = "closed_date" if special else "holiday" if holiday else "closed_day"
        name = holiday if shut == "holiday" else None
        at_ms = found.start_ms
        for start_ms, end_ms in found.open:
            if start_ms > at_ms:
                yield Piece(at_ms, start_ms, False, shut)
            yield Piece(start_ms, end_ms, True, "dates" if special else "hours")
            at_ms = end_ms
        if found.end_ms > at_ms:
            yield Piece(at_ms, found.end_ms, False, shut, name)

    def _make(self, day: date) -> Day:
        if not DATE_MIN <= day <= DATE_MAX:
            raise ValueError("time outside the years 1 to 9999")
        start_ms, end_ms = (instant_ms(self.zone, day, at) for at in (0, DAY_MS))
        edges = (
            (instant_ms(self.zone, day, start), instant_ms(self.zone, day, end))
            for start, end in self.hours(day)
        )
        inside = ((max(start, start_ms), min(end, end_ms)) for start, end in edges)
        # Hours that the clock leaps over come to nothing, or meet those after the leap.
        return Day(start_ms, end_ms, joined((start, end) for start, end in inside if start < end))
