"""What happens when a deadline comes. Each timer that fires is cleared by what it decides."""

from __future__ import annotations

from vaxel_router.core import cases, offers, roster
from vaxel_router.core.queueing import match_work, stay
from vaxel_router.core.step import Step


def fire(step: Step, kind: str, name: str) -> None:
    """Fire the timer ``kind:name`` of the step's pool."""
    pool = step.pool
    match kind:
        case "offer":
            offers.expire(step, pool.offers[name])
        case "step":
            _widen(step, name, "wait")
        case "free":
            _widen(step, name, "bar_ended")
        case "owed":
            _widen(step, name, "matching")
        case "wrap":
            cases.end_wrap_up(step, pool.works[name])
        case "back":
            roster.come_back(step, pool.agents[name])
        case "wake":
            cases.take_up(step, pool.cases[name], "woken")
        case "close":
            cases.close(step, pool.cases[name])
        case "match":
            roster.go_on(step, pool.agents[name])
        case _:
            raise AssertionError(kind)


def _widen(step: Step, work_id: str, reason: str) -> None:
    """A waiting work moves on, or somebody is free for it again."""
    work = step.pool.works[work_id]
    if not offers.step_work(step, work, reason):
        stay(step, work, reason)
    match_work(step, work)
