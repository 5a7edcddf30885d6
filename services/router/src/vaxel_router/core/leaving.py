"""Nobody waits any more: the customer left, or it turned out that there is nothing to do.

Whoever left (``contact.end``) may come back, so it is only told, unless the policy says for that
channel that what nobody has is given up then. A case that needs nobody (``case.cancel``: spam, a
test, a mistake) is over without an answer. Either way a later message opens it again, as it does
any that is resolved.
"""

from __future__ import annotations

from vaxel_router.core.cases import end_work, resolve_case
from vaxel_router.core.complaints import may_resolve
from vaxel_router.core.queueing import close_work, match_agent
from vaxel_router.core.state import Case, Work
from vaxel_router.core.step import Refused, Step
from vaxel_shared.contracts.wire import Command


def end(step: Step, command: Command) -> None:
    """``contact.end``: the customer left the conversation, or hung up."""
    key, reason = command.data.get("conversation_key"), command.data.get("reason")
    if not key or reason not in ("left", "hung_up"):
        raise Refused("invalid_data", {"reason": reason})
    case = step.living(step.pool.cases.get(step.pool.conversations.get(key, "")))
    if case is None:
        raise Refused("unknown_case")
    if case.status != "open":
        raise Refused("wrong_state", {"status": case.status})
    step.emit(
        "contact.ended", case_id=case.id, work_id=case.work_id, conversation_key=key, reason=reason
    )
    work = step.pool.works.get(case.work_id or "")
    gives_up = step.policy is not None and case.channel in step.policy.give_up_after_leaving
    if work is None or not gives_up or key != case.conversations[-1]:
        return  # where they wrote last, somebody may be there still
    if work.agent_id is not None:
        step.emit("case.waiting", case_id=case.id, waits_for="customer", reason=reason)
        end_work(step, work, reason)
    elif not case.stage or case.explanation is not None:  # else it is owed one
        _give_up(step, case, work, "abandoned", reason)


def cancel(step: Step, command: Command) -> None:
    """``case.cancel``: there is nothing to do; says why."""
    case, reason = step.case(command), command.data.get("reason")
    if case.status == "resolved":
        raise Refused("wrong_state", {"status": case.status})
    if not reason:
        raise Refused("invalid_data", {"missing": ["reason"]})
    is_agent = command.actor.kind == "agent"
    asked = is_agent and case.parent is not None and case.parent.agent == command.agent_id
    if case.work_id is not None and not asked:
        step.owned_work(command, case)
    elif is_agent and not asked and command.agent_id != case.last_agent:
        raise Refused("not_owner", {"status": case.status})
    if is_agent:
        may_resolve(case)
    _give_up(step, case, step.pool.works.get(case.work_id or ""), "cancelled", reason)


def _give_up(step: Step, case: Case, work: Work | None, outcome: str, reason: str) -> None:
    """End a case without an answer; whoever was asked, or had it, has room again."""
    freed = close_work(step, work, reason, f"work.{outcome}") if work is not None else None
    resolve_case(step, case, None, reason, {"outcome": outcome})
    if freed is not None:
        match_agent(step, freed)
