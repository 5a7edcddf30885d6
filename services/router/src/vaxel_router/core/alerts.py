"""What a clock's alert does to work: it names the state that it wants, and gets it, visibly.

An alert never takes work out of somebody's hands and never makes anybody's target later. Waiting
work is raised at once; offered and assigned work is raised for what comes after.
"""

from __future__ import annotations

from vaxel_router.core.limits import ESCALATIONS_MAX
from vaxel_router.core.queueing import match_work
from vaxel_router.core.step import Refused, Step
from vaxel_shared.contracts.wire import Command


def sla_alert(step: Step, command: Command) -> None:
    """``sla.alert``: raise tier and priority to at least what it names; applied once per id."""
    case, data = step.case(command), command.data
    work = step.pool.works.get(case.work_id or "")
    if work is None or work.state == "wrapping" or data.get("retracted"):
        raise Refused("wrong_state", {"status": case.status})
    if work.escalations >= ESCALATIONS_MAX:
        raise Refused("not_allowed", {"escalations": work.escalations, "max": ESCALATIONS_MAX})
    floor = max(work.floor, data.get("tier_at_least") or 1)
    priority = max(work.priority, data.get("priority_at_least", work.priority))
    due_ms = data["due_ms"] if work.due_ms is None else min(work.due_ms, data["due_ms"])
    step.emit(
        "work.escalated",
        case_id=case.id,
        work_id=work.id,
        agent_id=work.agent_id,
        from_tiers=list(work.tiers),
        to_tiers=step.plan(work, floor).tiers,
        floor=floor,
        from_priority=work.priority,
        to_priority=priority,
        clock=data["clock"],
        due_ms=data["due_ms"],
        place_ms=step.place_in(work.queue, priority, work.since_ms, due_ms),
        reason=f"sla_{data['stage']}",
    )
    match_work(step, work)
