"""What happens when a deadline comes. Each timer that fires is cleared by what it decides."""

from __future__ import annotations

from collections.abc import Callable

from vaxel_router.core import (
    cases,
    cycle,
    leases,
    offers,
    presence,
    shifts,
    suspending,
    switches,
    tools,
)
from vaxel_router.core.queueing import match_work, stay
from vaxel_router.core.step import Step
from vaxel_router.core.stepping import step_work


def fire(step: Step, kind: str, name: str) -> None:
    """Fire the timer ``kind:name`` of the step's pool."""
    KINDS[kind](step, name)


def _widen(step: Step, work_id: str, reason: str) -> None:
    """A waiting work moves on, or somebody is free for it again."""
    work = step.pool.works[work_id]
    if not step_work(step, work, reason):
        stay(step, work, reason)
    match_work(step, work)


KINDS: dict[str, Callable[[Step, str], None]] = {
    "offer": lambda step, name: offers.expire(step, step.pool.offers[name]),
    "step": lambda step, name: _widen(step, name, "wait"),
    "free": lambda step, name: _widen(step, name, "bar_ended"),
    "owed": lambda step, name: _widen(step, name, "matching"),
    "wrap": lambda step, name: cases.end_wrap_up(step, step.pool.works[name]),
    "back": lambda step, name: presence.come_back(step, step.pool.agents[name]),
    "wake": lambda step, name: cases.wake(step, step.pool.cases[name]),
    "close": lambda step, name: cases.close(step, step.pool.cases[name]),
    "match": lambda step, name: presence.go_on(step, step.pool.agents[name]),
    "grace": lambda step, name: presence.end_grace(step, step.pool.agents[name]),
    "give": lambda step, name: presence.go_on_giving(step, step.pool.agents[name]),
    "open": lambda step, name: presence.open_channels(step, step.pool.agents[name]),
    "shift": lambda step, name: shifts.turn(step, step.pool.agents[name]),
    "share": lambda step, name: shifts.share_renewed(step, step.pool.agents[name]),
    "occupied": lambda step, name: shifts.occupied(step, step.pool.agents[name]),
    "elsewhere": lambda step, name: tools.unsaid(step, step.pool.agents[name]),
    "rest": lambda step, name: shifts.rested(step, step.pool.agents[name]),
    "lease": lambda step, name: leases.lapse(step, step.pool.works[name]),
    "resume": lambda step, name: suspending.wake(step, step.pool.works[name], "until"),
    "switch": switches.end,
    "look": switches.go_on,
    "window": lambda step, _name: cycle.match_all(step),
}
"""What each kind of timer does to what it is named after."""
