"""What is allowed in ``sla.yaml`` and yet can't be meant.

Errors keep the SLA monitor from using the file; warnings are for whoever writes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from vaxel_shared.calendars.arithmetic import due_ms
from vaxel_shared.calendars.calendar import BusinessCalendar, NeverOpen
from vaxel_shared.calendars.hours import overlapping
from vaxel_shared.config.document import Path_, Problem
from vaxel_shared.config.sla import CLOCKS, Goal, Policy, Sla, When

LONG_MS = 366 * 86_400_000
"""A promise that takes longer than a year of absolute time is questioned."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at; ``code`` is stable."""

    severity: Literal["error", "warning"]
    code: str
    problem: Problem


def lint(sla: Sla, now_ms: int, shifts: Collection[str] = ()) -> list[Finding]:
    """Everything that can't be meant; ``now_ms`` is when it would begin to hold."""
    return [*_calendars(sla, shifts), *_policies(sla), *_goals(sla, now_ms)]


def errors(sla: Sla, now_ms: int) -> list[Problem]:
    """Only what makes the file unusable."""
    return [item.problem for item in lint(sla, now_ms) if item.severity == "error"]


def _finding(
    sla: Sla, severity: Literal["error", "warning"], code: str, path: Path_, text: str
) -> Finding:
    return Finding(severity, code, sla.document.problem(path, text))


def _calendars(sla: Sla, shifts: Collection[str]) -> Iterator[Finding]:
    used = {policy.calendar for policy in sla.file.policies} | {*shifts}
    for index, config in enumerate(sla.file.calendars):
        path: Path_ = ("calendars", index)
        calendar = sla.calendars[config.name]
        if not calendar.ever_open:
            text = f"calendar {config.name!r} is never open; give it hours"
            yield _finding(sla, "error", "never_open", (*path, "hours"), text)
        if sla.file.policies and config.name not in used:
            text = f"no policy uses calendar {config.name!r}; name it in one or in a shift, or "
            text += "delete it"
            yield _finding(sla, "warning", "unused_calendar", (*path, "name"), text)
        for day, texts in config.hours.items():
            if overlapping(texts):
                text = f"hours of {day} overlap and are joined; write them apart"
                yield _finding(sla, "warning", "overlapping_hours", (*path, "hours", day), text)
        for special, texts in config.dates.items():
            if overlapping(texts):
                text = f"hours of {special} overlap and are joined; write them apart"
                place = (*path, "dates", str(special))
                yield _finding(sla, "warning", "overlapping_hours", place, text)


def _policies(sla: Sla) -> Iterator[Finding]:
    for index, policy in enumerate(sla.file.policies):
        path: Path_ = ("policies", index)
        for earlier in sla.file.policies[:index]:
            if _covers(earlier.when, policy.when):
                text = f"{earlier.name!r} above matches all that {policy.name!r} does; swap them"
                yield _finding(sla, "error", "shadowed_policy", (*path, "when"), text)
                break
        if policy.first_response is None and policy.resolution is None:
            text = f"policy {policy.name!r} keeps no clock; add first_response or resolution"
            yield _finding(sla, "warning", "no_clock", path, text)
        if len(set(policy.warn_at)) != len(policy.warn_at):
            text = "a share stands twice; keep one"
            yield _finding(sla, "warning", "doubled_warning", (*path, "warn_at"), text)
        if (
            policy.warn_at
            and policy.on_warning.model_fields_set == set()
            and not sla.file.notify.email
        ):
            text = "warnings ask the router for nothing and nobody gets mail; add on_warning"
            yield _finding(sla, "warning", "silent_warning", (*path, "warn_at"), text)


def _covers(wide: When, narrow: When) -> bool:
    """Whether whatever ``narrow`` matches is matched by ``wide``."""
    for name in ("pool", "queue", "channel", "account", "language", "label"):
        allowed, wanted = set(getattr(wide, name)), set(getattr(narrow, name))
        if allowed and not (wanted and wanted <= allowed):
            return False
    if wide.priority_at_least is None:
        return True
    return narrow.priority_at_least is not None and (
        narrow.priority_at_least >= wide.priority_at_least
    )


def _goals(sla: Sla, now_ms: int) -> Iterator[Finding]:
    for index, policy in enumerate(sla.file.policies):
        for clock in CLOCKS:
            goals = policy.goals(clock) or []
            for number, goal in enumerate(goals):
                path: Path_ = ("policies", index, clock, number)
                if any(_reaches(earlier, goal) for earlier in goals[:number]):
                    text = "a goal above is for all these priorities; order them highest first"
                    yield _finding(sla, "error", "shadowed_goal", path, text)
                yield from _lasts(sla, policy, goal, now_ms, path)


def _reaches(earlier: Goal, goal: Goal) -> bool:
    if earlier.priority_at_least is None:
        return True
    return (
        goal.priority_at_least is not None and goal.priority_at_least >= earlier.priority_at_least
    )


def _lasts(sla: Sla, policy: Policy, goal: Goal, now_ms: int, path: Path_) -> Iterator[Finding]:
    """How long a goal takes on the calendar, begun now."""
    calendar: BusinessCalendar = sla.calendars[policy.calendar]
    if not calendar.ever_open:
        return  # said at the calendar
    try:
        due = due_ms(calendar, now_ms, goal.target)
    except NeverOpen as error:
        yield _finding(sla, "error", "never_due", path, f"{error}; nothing would ever be due")
        return
    if due is not None and due - now_ms > LONG_MS:
        text = f"takes more than a year on calendar {policy.calendar!r}; a day of 8 h is 8h, not 1d"
        yield _finding(sla, "warning", "long_target", path, text)
