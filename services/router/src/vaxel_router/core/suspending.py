"""Waiting work is suspended for a time, and resumed: it keeps its age, and its steps rest.

Only what waits can be: work in hand waits with its case (``case.wait``). Promises to the customer
run on; whoever suspends something knows of them.
"""

from __future__ import annotations

from vaxel_router.core.limits import SUSPEND_MS_MAX
from vaxel_router.core.queueing import end_offer, match_agent, match_work
from vaxel_router.core.state import Work
from vaxel_router.core.step import Refused, Step
from vaxel_router.core.stepping import step_work
from vaxel_shared.contracts.wire import Command


def suspend(step: Step, command: Command) -> None:
    """``case.suspend``: what waits or is offered is offered to nobody until it is resumed."""
    case, until_ms = step.case(command), command.data.get("until_ms")
    work = step.pool.works.get(case.work_id or "")
    if work is None or work.state not in ("queued", "offered"):
        raise Refused("wrong_state", {"status": case.status})
    if until_ms is not None and not step.now_ms < until_ms <= step.now_ms + SUSPEND_MS_MAX:
        raise Refused("invalid_data", {"until_ms": until_ms})
    freed = None
    if work.offer_id is not None:
        freed = step.pool.agents[step.pool.offers[work.offer_id].agent_id]
        end_offer(step, work, "withdrawn", reason="suspended")
    step.emit(
        "work.suspended",
        case_id=case.id,
        work_id=work.id,
        until_ms=until_ms,
        reason=command.data.get("reason") or "requested",
    )
    if freed is not None:
        match_agent(step, freed)


def resume(step: Step, command: Command) -> None:
    """``case.resume``: it waits again, in its place."""
    case = step.case(command)
    work = step.pool.works.get(case.work_id or "")
    if work is None or work.state != "suspended":
        raise Refused("wrong_state", {"status": case.status})
    wake(step, work, command.data.get("reason") or "requested")


def wake(step: Step, work: Work, reason: str) -> None:
    """A suspended work waits again, at the step of its age."""
    step.emit("work.resumed", case_id=work.case_id, work_id=work.id, reason=reason)
    step_work(step, work, "resumed")
    match_work(step, work)
