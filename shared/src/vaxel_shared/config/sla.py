"""``sla.yaml``: calendars, and what is promised to whom by when.

Policies are tried in order and the first that matches a case holds. A time is business time of the
calendar: ``2d`` is 48 open hours, not two working days.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from vaxel_shared.calendars.calendar import Boundary, BusinessCalendar
from vaxel_shared.calendars.holidays import FEED_BYTES_MAX, Dates, DaysOff, country, read_feed
from vaxel_shared.calendars.hours import ALWAYS, CLOSED, Hours, parse_hours
from vaxel_shared.calendars.zones import zone
from vaxel_shared.config import source
from vaxel_shared.config.base import ConfigModel, Duration, Located
from vaxel_shared.config.document import ConfigError, Document, Problem

FILE = "sla.yaml"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CLOCKS = ("first_response", "resolution")
TARGET_MS_MAX = 3650 * 86_400_000
"""Ten years of open time; a longer promise is a typing mistake."""


def _hours_texts(value: Any) -> Any:
    """Hours of one day: a list, a single text, or ``always``."""
    if value is None:
        return []
    if isinstance(value, str):
        return ["00:00-24:00"] if value == "always" else [value]
    return value


def _checked_hours(texts: list[str]) -> list[str]:
    parse_hours(texts)
    return texts


DayHours = Annotated[
    list[str],
    BeforeValidator(_hours_texts),
    AfterValidator(_checked_hours),
    Field(max_length=48),
]
"""The open stretches of a day, as written."""


def _checked_zone(name: str) -> str:
    zone(name)
    return name


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Words = Annotated[list[str], BeforeValidator(_listed)]


class Holiday(Located):
    """One source of days off: ``date``, ``country`` or ``ical``. A bare date stands for itself."""

    day: date | None = Field(default=None, alias="date")
    name: str = "day off"
    country: str | None = None
    subdivision: str | None = None
    categories: Words = Field(default_factory=list)
    ical: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, (date, str)):
            value = {"date": value}
        message = "a holiday is a whole date; write it like 2026-12-24"
        if isinstance(value, dict) and isinstance(value.get("date"), datetime):
            raise ValueError(message)  # noqa: TRY004 - pydantic takes ValueError
        if isinstance(value, dict) and value.get("country") is False:
            return value | {"country": "NO"}  # YAML takes Norway's code for "false"
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Holiday:
        given = [item for item in (self.day, self.country, self.ical) if item is not None]
        if len(given) != 1:
            raise ValueError("a holiday is a date, {country: DK} or {ical: FILE}, one of them")
        if self.country is not None:
            country(self.country, self.subdivision, self.categories)
        return self


class CalendarConfig(Located):
    """When somebody is there. A missing day is closed; ``hours: always`` is never closed."""

    name: str = Field(min_length=1, max_length=64)
    zone: Annotated[str, AfterValidator(_checked_zone)]
    hours: dict[str, DayHours] = Field(default_factory=dict)
    holidays: list[Holiday] = Field(default_factory=list)
    dates: dict[date, DayHours] = Field(default_factory=dict)
    boundary: Boundary = "close"

    @model_validator(mode="before")
    @classmethod
    def _always(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("hours") == "always":
            return value | {"hours": {"always": ["00:00-24:00"]}}
        return value

    @model_validator(mode="after")
    def _known_days(self) -> CalendarConfig:
        for key in self.hours:
            if key not in (*DAYS, "always"):
                known = source.hint(key, [*DAYS, "always"])
                raise ValueError(f"hours of {key!r}; {known}; a day is mon, tue, wed, …")
        return self

    def week(self) -> list[Hours]:
        """Monday to Sunday; ``always`` stands for every day that isn't named."""
        rest = self.hours.get("always", [])
        return [parse_hours(self.hours.get(day, rest)) for day in DAYS]


class When(ConfigModel):
    """Which cases a policy is for; what is left out matches all, lists match any of theirs."""

    pool: Words = Field(default_factory=list)
    queue: Words = Field(default_factory=list)
    channel: Words = Field(default_factory=list)
    account: Words = Field(default_factory=list)
    language: Words = Field(default_factory=list)
    label: Words = Field(default_factory=list)
    priority_at_least: int | None = None


class Alert(ConfigModel):
    """The state that an alert wants; the router takes care of it, once."""

    priority_at_least: int | None = None
    tier_at_least: int | None = Field(default=None, ge=1, le=10)


class Goal(Located):
    """So much time for cases of at least this priority."""

    target: Duration = Field(ge=0, le=TARGET_MS_MAX)
    priority_at_least: int | None = None


def _goals(value: Any) -> Any:
    """``1h`` alone stands for everything."""
    return [{"target": value}] if isinstance(value, (str, int)) else value


Goals = Annotated[list[Goal], BeforeValidator(_goals), Field(min_length=1, max_length=20)]
"""The first whose priority a case has."""

Waits = Literal["customer", "third_party", "internal"]


class Policy(Located):
    """A promise: clocks with targets, when to warn and what to ask for, pauses and reopening."""

    name: str = Field(min_length=1, max_length=64)
    when: When = Field(default_factory=When)
    calendar: str
    first_response: Goals | None = None
    resolution: Goals | None = None
    warn_at: list[Annotated[int, Field(gt=0, lt=100)]] = Field(default_factory=list, max_length=10)
    """Percent of the target."""
    on_warning: Alert = Field(default_factory=Alert)
    on_breach: Alert = Field(default_factory=Alert)
    pause_while_waiting_for: list[Waits] = Field(default=["customer"])
    """What stops the resolution clock; first response never stops."""
    reopen: Literal["continue", "restart", "ignore"] = "continue"
    """A resolved case that is opened again: the clock goes on, begins anew, or stays ended."""

    def goals(self, clock: str) -> list[Goal] | None:
        """The goals of a clock; None where it isn't kept."""
        return self.first_response if clock == "first_response" else self.resolution


class Webhook(Located):
    """Where alerts are POSTed, in the shape of Alertmanager's webhook (version 4)."""

    url: str = Field(pattern=r"^https?://[^\s]+$")
    secret_file: str | None = None
    """Name of a file in the secrets folder: signs each request (Standard Webhooks)."""


class Notify(ConfigModel):
    """Who is told, besides the router."""

    stages: list[Literal["warning", "breach"]] = Field(default=["warning", "breach"])
    webhooks: list[Webhook] = Field(default_factory=list, max_length=10)
    email: list[str] = Field(default_factory=list, max_length=50)


class SlaFile(ConfigModel):
    """The whole file."""

    calendars: list[CalendarConfig] = Field(default_factory=list)
    policies: list[Policy] = Field(default_factory=list)
    notify: Notify = Field(default_factory=Notify)

    @model_validator(mode="after")
    def _one_of_each_name(self) -> SlaFile:
        for items in (self.calendars, self.policies):
            names = [item.name for item in items]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{twice[0]!r} is the name of two; change one")
        return self

    def policy(self, name: str) -> Policy | None:
        """By name."""
        return next((item for item in self.policies if item.name == name), None)


@dataclass(frozen=True, slots=True)
class Sla:
    """A checked file with its calendars made; ``version`` is the SHA-256 of all that it is of."""

    file: SlaFile
    calendars: Mapping[str, BusinessCalendar]
    version: str
    document: Document = field(compare=False, repr=False)


EMPTY = Sla(SlaFile(), {}, hashlib.sha256(b"").hexdigest(), Document(FILE, {}, {}, b""))
"""No file: no clocks."""


OPENING_YEARS = (2020, 2045)
"""The holidays of these years stand in a policy whose queues have hours."""


def opening(calendar: BusinessCalendar) -> dict[str, Any]:
    """A calendar as it stands in a router's policy: a week, and the dates that differ from it."""
    first, last = (date(year, 1, 1) for year in OPENING_YEARS)
    dates = {}
    for number in range((last - first).days):
        day = first + timedelta(days=number)
        hours = calendar.hours(day)
        if hours != calendar.week[day.weekday()]:
            dates[day.isoformat()] = [list(stretch) for stretch in hours]
    week = [[list(stretch) for stretch in hours] for hours in calendar.week]
    return {"zone": calendar.zone.key, "week": week, "dates": dates}


def load(path: Path) -> Sla:
    """Read and check a file, feeds beside it. Raises :class:`ConfigError` with every problem."""
    return checked(source.read(path), path.parent)


def checked(document: Document, folder: Path) -> Sla:
    """What a document says, holiday feeds read from ``folder``. Raises as :func:`load` does."""
    problems = [
        problem
        for key in ("calendars", "policies")
        for problem in source.duplicates(document, (key,), "name")
    ]
    if problems:
        raise ConfigError(problems)
    file = source.validate(SlaFile, document)
    digest = hashlib.sha256(document.raw)
    calendars: dict[str, BusinessCalendar] = {}
    for index, config in enumerate(file.calendars):
        try:
            calendars[config.name] = _make(config, index, document, folder, digest)
        except ConfigError as error:
            problems += error.problems
    problems += _unknown_calendars(file, document)
    if problems:
        raise ConfigError(problems)
    return Sla(file, calendars, digest.hexdigest(), document)


def _make(
    config: CalendarConfig, index: int, document: Document, folder: Path, digest: Any
) -> BusinessCalendar:
    single = {item.day: item.name for item in config.holidays if item.day is not None}
    days_off: list[DaysOff] = [Dates(single)] if single else []
    for number, item in enumerate(config.holidays):
        if item.country is not None:
            days_off.append(country(item.country, item.subdivision, item.categories))
        elif item.ical is not None:
            place = document.problem(("calendars", index, "holidays", number), "")
            raw = _feed(folder / item.ical, place)
            digest.update(raw)
            days_off.append(_parsed(raw, item.ical, place))
    return BusinessCalendar(
        name=config.name,
        zone=zone(config.zone),
        week=config.week(),
        days_off=tuple(days_off),
        dates={day: parse_hours(texts) for day, texts in config.dates.items()},
        boundary=config.boundary,
    )


def _feed(path: Path, place: Problem) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(FEED_BYTES_MAX + 1)
    except OSError as error:
        message = f"{path.name}: {error.strerror}; put the feed beside this file"
        raise ConfigError([Problem(place.file, place.line, message)]) from error


def _parsed(raw: bytes, name: str, place: Problem) -> Dates:
    try:
        return read_feed(raw)
    except ValueError as error:
        raise ConfigError([Problem(place.file, place.line, f"{name}: {error}")]) from error


def _unknown_calendars(file: SlaFile, document: Document) -> list[Problem]:
    names = [item.name for item in file.calendars]
    return [
        document.problem(
            ("policies", index, "calendar"),
            f"no calendar {policy.calendar!r} here; {source.hint(policy.calendar, names)}",
        )
        for index, policy in enumerate(file.policies)
        if policy.calendar not in names
    ]


__all__ = ["ALWAYS", "CLOSED", "EMPTY", "Sla", "SlaFile", "load"]
