"""Waiting work moves on: to the step of its age, past steps that nobody is there for, elsewhere."""

from __future__ import annotations

from typing import Any

from vaxel_router.core import detours
from vaxel_router.core.policy import Plan
from vaxel_router.core.state import Work
from vaxel_router.core.step import Step
from vaxel_router.core.wants import plain


def step_work(step: Step, work: Work, reason: str) -> bool:
    """Bring a waiting work to the step of its age; says whether that changed what it asks for."""
    onward = detours.moved(step, work)
    if onward is not None:
        move_work(step, work, *onward)
        return True
    if reason == "wait" and work.rules is not None and _is_due(step):
        _stepped(step, work, step.plan(work, by=step.policy), reason, rules="new")
        return True
    now = step.plan(work)
    same = (
        now.step_at == work.step_at
        and now.tiers == work.tiers
        and now.skills == work.needs
        and now.languages == work.speaks
        and now.wants == work.wants
        and now.next_ms == work.next_ms
        and now.ahead_ms == work.ahead_ms
        and step.place(work) == work.place_ms
    )
    if same:
        return False
    before = work.tiers
    _stepped(step, work, now, reason)
    if reason == "wait" and max(now.tiers, default=0) > max(before, default=0):
        step.emit(
            "work.escalated",
            case_id=work.case_id,
            work_id=work.id,
            from_tiers=before,
            to_tiers=now.tiers,
            floor=work.floor,
            reason="wait",
        )
    return True


def _is_due(step: Step) -> bool:
    """Whether work that came under an older policy follows the present one from its next step."""
    return step.policy is not None and step.policy.in_flight == "next_step"


def move_work(step: Step, work: Work, queue: str, reason: str) -> None:
    """Let a waiting work wait in another queue: it keeps its age, and begins that queue's steps."""
    clock_ms = step.now_ms
    now = step.plan_in(queue, work, work.floor, clock_ms)
    _stepped(step, work, now, reason, queue=queue, clock_ms=clock_ms)


def _stepped(step: Step, work: Work, now: Plan, reason: str, **moved: Any) -> None:
    step.emit(
        "work.stepped",
        case_id=work.case_id,
        work_id=work.id,
        step=now.step,
        step_at=now.step_at,
        tiers=now.tiers,
        requires={"skills": now.skills, "languages": now.languages, **plain(now.wants)},
        next_ms=now.next_ms,
        ahead_ms=now.ahead_ms or None,
        place_ms=step.place(work, moved.get("queue")),
        reason=reason,
        **moved,
    )
