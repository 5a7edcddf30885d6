"""Cases become one, and two again; both numbers go on being known.

A case that was merged has no work and no conversations of its own any more: whatever is asked of
it is asked of the case that it went into, and its customer's next message joins that one. It can
be taken out again as long as neither is closed; they are closed together.
"""

from __future__ import annotations

from vaxel_router.core.limits import CONVERSATIONS_PER_CASE_MAX, MERGED_MAX
from vaxel_router.core.queueing import close_work, match_agent, match_work, queue_work
from vaxel_router.core.state import Case
from vaxel_router.core.step import Refused, Step
from vaxel_router.core.written.common import all_merged
from vaxel_shared.contracts.wire import Command


def merge(step: Step, command: Command) -> None:
    """``case.merge``: this case goes into ``target``."""
    case = step.case(command)
    target = _named(step, command)
    if target.id == case.id:
        raise Refused("invalid_data", {"target": target.id})
    if case.status == "closed" or target.status in ("resolved", "handed_over"):
        raise Refused("wrong_state", {"status": target.status})
    if case.parent is not None or target.parent is not None or case.children:
        raise Refused("has_questions", {"open": len(case.children)})
    both = len(case.conversations) + len(target.conversations)
    if len(target.merged) >= MERGED_MAX or both > CONVERSATIONS_PER_CASE_MAX:
        raise Refused("not_allowed", {"merged": len(target.merged), "conversations": both})
    freed = None
    work = step.owned_work(command, case) if case.work_id is not None else None
    if work is None and command.actor.kind == "agent" and command.agent_id != case.last_agent:
        raise Refused("not_owner", {"status": case.status})
    if work is not None:
        freed = close_work(step, work, "merged")
    step.emit(
        "case.merged",
        case_id=case.id,
        agent_id=command.agent_id,
        into=target.id,
        number=case.number,
        into_number=target.number,
        conversations=list(case.conversations),
        waiting_since_ms=_waiting_since_ms(step, case),
        reason=command.data.get("reason"),
    )
    if freed is not None:
        match_agent(step, freed)


def split(step: Step, command: Command) -> None:
    """``case.split``: ``target``, which was merged into this case, is a case again, and open."""
    case = step.case(command)
    target = step.pool.cases.get(command.data.get("target") or "")
    if target is None or target.id not in case.merged:
        raise Refused("unknown_case", {"target": command.data.get("target")})
    if command.actor.kind == "agent" and case.work_id is not None:
        step.owned_work(command, case)
    elif command.actor.kind == "agent" and command.agent_id != case.last_agent:
        raise Refused("not_owner", {"status": case.status})
    step.emit(
        "case.split",
        case_id=target.id,
        agent_id=command.agent_id,
        out_of=case.id,
        number=target.number,
        answered=target.answered or None,
        reason=command.data.get("reason"),
    )
    work = queue_work(
        step, target, reason="split", since_ms=target.opened_ms, prefer_agent=target.last_agent
    )
    match_work(step, work)


def _waiting_since_ms(step: Step, case: Case) -> int | None:
    """The first message, of the case and of what is in it, that nobody has answered yet."""
    if case.status == "resolved":
        return None
    names = [case.id, *all_merged(step.pool, case)]
    whole = [step.pool.cases[name] for name in names]
    came = [one.contact_ms for one in whole if one.contact_ms is not None and not one.answered]
    return min(came, default=None)


def _named(step: Step, command: Command) -> Case:
    """The case that a command names as its target, or the one that that went into."""
    found = step.living(step.pool.cases.get(command.data.get("target") or ""))
    if found is None:
        raise Refused("unknown_case", {"target": command.data.get("target")})
    return found
