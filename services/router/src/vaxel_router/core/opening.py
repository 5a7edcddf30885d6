"""Hours of a policy: whether it is open at an instant, and when so much open time has passed.

A policy holds its hours written out, holidays and all, so that a log is decided alike everywhere.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import msgspec

from vaxel_router.core.limits import DAY_MS
from vaxel_shared.calendars import arithmetic
from vaxel_shared.calendars.calendar import BusinessCalendar
from vaxel_shared.calendars.zones import zone

WEEK_DAYS = 7
LOOK_MS = 400 * 86_400_000
"""Where hours don't change for longer than a year, they are looked at again then."""


class Opening(msgspec.Struct, frozen=True):
    """Hours of the week, Monday first, and of single dates: ms of the wall clock since 00:00."""

    zone: str
    week: list[list[tuple[int, int]]]
    dates: dict[str, list[tuple[int, int]]] = msgspec.field(default_factory=dict)


class Hours(NamedTuple):
    """Whether a queue is open, and when that changes (or is to be looked at again)."""

    is_open: bool
    until_ms: int


def calendar_of(opening: Opening) -> BusinessCalendar:
    """The hours of a policy as a calendar."""
    return BusinessCalendar(
        name="hours",
        zone=zone(opening.zone),
        week=[tuple((start, end) for start, end in day) for day in opening.week],
        dates={
            date.fromisoformat(day): tuple((start, end) for start, end in hours)
            for day, hours in opening.dates.items()
        },
    )


def hours_at(calendar: BusinessCalendar, now_ms: int) -> Hours:
    """How it stands at an instant. Hours that meet at midnight are one stretch."""
    is_open, edge_ms = False, None
    for day in calendar.days(now_ms, patient=True):
        if day.start_ms > now_ms + LOOK_MS:
            break
        for start_ms, end_ms in day.open:
            if end_ms <= now_ms:
                continue
            if edge_ms is None and start_ms > now_ms:
                return Hours(False, start_ms)
            if edge_ms is not None and start_ms > edge_ms:
                return Hours(True, edge_ms)
            is_open, edge_ms = True, end_ms
        if edge_ms is not None and edge_ms < day.end_ms:
            return Hours(True, edge_ms)
    return Hours(is_open, now_ms + LOOK_MS)


def due_ms(calendar: BusinessCalendar, from_ms: int, open_ms: int) -> int | None:
    """When so much open time has passed since an instant; None: never, as far as is known."""
    if not calendar.ever_open:
        return None
    try:
        return arithmetic.due_ms(calendar, from_ms, open_ms)
    except (ValueError, OverflowError):  # outside the years that a calendar has
        return None


def check_opening(name: str, opening: Opening) -> None:
    """Raises ``msgspec.ValidationError`` where hours are none."""
    try:
        zone(opening.zone)
        for day in opening.dates:
            date.fromisoformat(day)
    except ValueError as error:
        raise msgspec.ValidationError(f"the calendar {name}: {error}") from error
    days = [*opening.week, *opening.dates.values()]
    right = all(0 <= start < end <= DAY_MS for hours in days for start, end in hours)
    if len(opening.week) != WEEK_DAYS or not right:
        raise msgspec.ValidationError(f"the calendar {name} has no hours of seven days")
