"""One question about business time and its answer, from options or from a line of a batch."""

from __future__ import annotations

from typing import Any

from vaxel_shared.calendars.arithmetic import Pause, due_ms, elapsed_ms, segments
from vaxel_shared.calendars.calendar import Boundary, BusinessCalendar
from vaxel_shared.calendars.instants import (
    parse_instant,
    parse_seconds,
    show_instant,
    show_seconds,
)
from vaxel_shared.config.sla import Sla
from vaxel_shared.config.source import hint

Question = dict[str, Any]
"""Fields as in design: from, target or to, perhaps paused, calendar."""


class Sheet:
    """A policy file with the calendar that holds where a question names none."""

    def __init__(self, sla: Sla, default: str | None, boundary: Boundary | None) -> None:
        self._sla = sla
        self._default = default
        self._boundary = boundary
        self._made: dict[str, BusinessCalendar] = {}

    def calendar(self, name: str | None) -> BusinessCalendar:
        """By name, or the default. Raises ``ValueError`` where there is none of that name."""
        known = list(self._sla.calendars)
        wanted = name or self._default or (known[0] if len(known) == 1 else None)
        if wanted is None:
            raise ValueError(f"which calendar? say --calendar; known are {', '.join(known)}")
        if wanted not in self._sla.calendars:
            raise ValueError(f"no calendar {wanted!r} there; {hint(wanted, known)}")
        if wanted not in self._made:
            found = self._sla.calendars[wanted]
            if self._boundary is not None:
                fields = (found.name, found.zone, found.week, found.days_off, found.dates)
                found = BusinessCalendar(*fields, boundary=self._boundary)
            self._made[wanted] = found
        return self._made[wanted]


def due(sheet: Sheet, question: Question) -> dict[str, Any]:
    """``{"due": …}``; null where a pause without an end holds it up. Raises ``ValueError``."""
    calendar = sheet.calendar(_name(question))
    found = due_ms(calendar, _instant(question, "from"), _target(question), _paused(question))
    return {"due": None if found is None else show_instant(found)}


def elapsed(sheet: Sheet, question: Question) -> dict[str, Any]:
    """``{"seconds": …}``. Raises ``ValueError``."""
    calendar = sheet.calendar(_name(question))
    begin, end = _instant(question, "from"), _instant(question, "to")
    return {"seconds": show_seconds(elapsed_ms(calendar, begin, end, _paused(question)))}


def explain(sheet: Sheet, question: Question) -> dict[str, Any]:
    """``{"from", "to", "seconds", "segments"}``: no gaps, and seconds that add up."""
    calendar, begin = sheet.calendar(_name(question)), _instant(question, "from")
    paused = _paused(question)
    if "to" in question:
        end: int | None = _instant(question, "to")
    else:
        end = due_ms(calendar, begin, _target(question), paused)
    if end is None:
        raise ValueError("never due: a pause without an end holds it up")
    made = segments(calendar, begin, end, paused)
    return {
        "from": show_instant(begin),
        "to": show_instant(end),
        "seconds": show_seconds(sum(segment.counted_ms for segment in made)),
        "segments": [
            {
                "from": show_instant(segment.from_ms),
                "to": show_instant(segment.to_ms),
                "kind": segment.kind,
                "why": segment.why,
                "seconds": show_seconds(segment.counted_ms),
                **({"name": segment.name} if segment.name else {}),
                **({"shift": show_seconds(segment.shift_ms)} if segment.shift_ms else {}),
            }
            for segment in made
        ],
    }


def _name(question: Question) -> str | None:
    name = question.get("calendar")
    if name is not None and not isinstance(name, str):
        raise ValueError("calendar is a name")
    return name


def _instant(question: Question, key: str) -> int:
    value = question.get(key)
    if not isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - a fault of the question, not of the code
            f"{key!r} is missing; it is an instant like 2026-12-23T09:30:00+01:00"
        )
    return parse_instant(value)


def _target(question: Question) -> int:
    value = question.get("target")
    if value is None or isinstance(value, (list, dict)):
        raise ValueError("'target' is missing; it is a number of seconds")
    return parse_seconds(value)


def _paused(question: Question) -> list[Pause]:
    """Pauses; an end of null is none yet."""
    value = question.get("paused") or []
    if not isinstance(value, list) or not all(_is_pair(pair) for pair in value):
        raise ValueError("'paused' is a list of [FROM, TO]")
    return [
        (parse_instant(begin), None if end is None else parse_instant(end)) for begin, end in value
    ]


def _is_pair(pair: Any) -> bool:
    if not isinstance(pair, list) or len(pair) != 2:
        return False
    return isinstance(pair[0], str) and (pair[1] is None or isinstance(pair[1], str))
