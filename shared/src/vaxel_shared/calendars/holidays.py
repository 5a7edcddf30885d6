"""Days off: single dates, a country's public holidays, an iCalendar feed.

Sources: the ``holidays`` package, pinned, for countries; RFC 5545 for feeds. The libraries for both
are loaded by who uses them: they take a third of a second of every start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Protocol

HOLIDAYS_VERSION = version("holidays")
FEED_BYTES_MAX = 4 * 1024 * 1024
FEED_DATES_MAX = 20_000
"""So many days off are a mistake: it is more than fifty years of nothing else."""
_FEED_YEARS = (1970, 2100)
"""Repeating events of a feed are followed within these."""


class DaysOff(Protocol):
    """A source of holidays."""

    def name(self, day: date) -> str | None:
        """What is celebrated on that day; None on a working day."""
        ...


@dataclass(frozen=True, slots=True)
class Dates:
    """Single dates and what they are called."""

    names: Mapping[date, str]

    def name(self, day: date) -> str | None:
        """See :class:`DaysOff`."""
        return self.names.get(day)


@dataclass(frozen=True, slots=True)
class Country:
    """A country's holidays, of a subdivision where one is named; days in lieu are included."""

    code: str
    subdivision: str | None = None
    categories: tuple[str, ...] = ()

    def name(self, day: date) -> str | None:
        """See :class:`DaysOff`."""
        return _year(self, day.year).get(day)


def country(code: str, subdivision: str | None, categories: Iterable[str]) -> Country:
    """A country by its ISO 3166 code; raises ``ValueError`` where the package doesn't know it."""
    found = Country(code.upper(), subdivision, tuple(categories))
    try:
        _year(found, 2026)
    except NotImplementedError as error:
        raise ValueError(
            f"no holidays known of {code!r}"
            + (f" with subdivision {subdivision!r}" if subdivision else "")
            + "; use its ISO 3166 code, like DK or {country: DE, subdivision: BY}"
        ) from error
    except ValueError as error:
        raise ValueError(f"{code}: {str(error).rstrip('.')}") from error
    return found


@lru_cache(maxsize=4_096)
def _year(of: Country, year: int) -> dict[date, str]:
    import holidays as public  # noqa: PLC0415 - slow to load

    options: dict[str, Any] = {"categories": of.categories} if of.categories else {}
    made = public.country_holidays(of.code, subdiv=of.subdivision, years=year, **options)
    return {day: str(name) for day, name in made.items()}


def read_feed(raw: bytes) -> Dates:
    """The days that an iCalendar feed takes off; raises ``ValueError`` for what is none.

    Every event counts, whatever its transparency: a feed of holidays is all holidays. A cancelled
    one doesn't. An event with a time takes off every date that it touches, as written in it.
    """
    from icalendar import Calendar as Feed  # noqa: PLC0415 - slow to load

    if len(raw) > FEED_BYTES_MAX:
        raise ValueError(f"larger than {FEED_BYTES_MAX} bytes; a feed of holidays is small")
    try:
        feeds = Feed.from_ical(raw, multiple=True)
        if not feeds:
            raise ValueError("no calendar in it")  # noqa: TRY301 - the same answer for all
        events = [event for feed in feeds for event in _events(feed)]
    except (ValueError, IndexError, KeyError) as error:
        raise ValueError("not an iCalendar file; export it again as .ics") from error
    names: dict[date, str] = {}
    moved = {
        (str(e.get("UID")), _day(e["RECURRENCE-ID"].dt)) for e in events if "RECURRENCE-ID" in e
    }
    for event in events:
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        for first in _beginnings(event):
            if "RECURRENCE-ID" not in event and (str(event.get("UID")), first) in moved:
                continue
            for number in range(_length_days(event)):
                names[first + timedelta(days=number)] = str(event.get("SUMMARY", "day off"))
            if len(names) > FEED_DATES_MAX:
                raise ValueError(f"more than {FEED_DATES_MAX} days off; that can't be meant")
    return Dates(names)


def _events(feed: Any) -> list[Any]:
    return [event for event in feed.walk("VEVENT") if "DTSTART" in event]


def _day(value: date | datetime) -> date:
    return value.date() if isinstance(value, datetime) else value


def _length_days(event: Any) -> int:
    """How many dates an occurrence takes; without an end, its day."""
    start = event["DTSTART"].dt
    end = event["DTEND"].dt if "DTEND" in event else None
    if end is None:
        end = start + event["DURATION"].dt if "DURATION" in event else start
    if isinstance(end, datetime) and isinstance(start, datetime) and end > start:
        end -= timedelta(microseconds=1)  # an end at midnight doesn't touch the next day
        return min((_day(end) - _day(start)).days + 1, FEED_DATES_MAX)
    return min(max((_day(end) - _day(start)).days, 1), FEED_DATES_MAX)


def _beginnings(event: Any) -> list[date]:
    """The dates on which the event begins, repetitions included."""
    from dateutil.rrule import rrulestr  # noqa: PLC0415 - slow to load

    start = _day(event["DTSTART"].dt)
    days = {start}
    for rule in _several(event.get("RRULE")):
        low, high = (datetime(year, 1, 1) for year in _FEED_YEARS)  # noqa: DTZ001 - dates only
        text = rule.to_ical().decode()
        first = datetime(start.year, start.month, start.day)  # noqa: DTZ001 - dates only
        parts = [part for part in text.split(";") if not part.upper().startswith("UNTIL=")]
        until = _day(rule["UNTIL"][0]) if rule.get("UNTIL") else None
        for found in rrulestr(";".join(parts), dtstart=first).xafter(low, count=FEED_DATES_MAX):
            if found >= high or (until is not None and found.date() > until):
                break
            days.add(found.date())
    days |= set(_listed(event, "RDATE"))
    return sorted(days - set(_listed(event, "EXDATE")))


def _listed(event: Any, name: str) -> list[date]:
    """The dates of a property that lists some."""
    values = [item.dt for listed in _several(event.get(name)) for item in listed.dts]
    return [_day(value) for value in values if isinstance(value, date)]


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
