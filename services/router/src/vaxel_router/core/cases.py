"""What agents and supervisors do with a case."""

from __future__ import annotations

from typing import Any

from vaxel_router.core.ages import set_age
from vaxel_router.core.complaints import may_resolve, may_transfer
from vaxel_router.core.eligibility import choose
from vaxel_router.core.leases import hand_on
from vaxel_router.core.limits import ESCALATIONS_MAX, SUSPEND_MS_MAX
from vaxel_router.core.queueing import close_work, end_offer, match_agent, match_work, queue_work
from vaxel_router.core.reviews import draw
from vaxel_router.core.shifts import cool_down
from vaxel_router.core.state import Case, Work
from vaxel_router.core.step import Refused, Step
from vaxel_router.core.written.agents import AUTHORITY
from vaxel_router.core.written.common import all_merged
from vaxel_shared.contracts.wire import Command


def reply(step: Step, command: Command) -> None:
    """``case.reply``: accepted here, sent by delivery; ``then`` says what follows."""
    case, data = step.case(command), command.data
    require(data, "body_ref", "body_sha256", "body_size")
    if case.status == "resolved":
        raise Refused("wrong_state", {"status": case.status})
    if case.parent is not None:
        raise Refused("is_question", {"kind": case.parent.kind})
    work = step.owned_work(command, case)
    _may_grant(step, command, case)
    expected = data.get("expected_seq")
    if expected is not None and case.last_contact_seq > expected:
        raise Refused("newer_message", {"last_contact_seq": case.last_contact_seq})
    default = "waiting"
    if step.policy is not None:
        default = step.policy.after_reply.get(case.channel, "open")
    then = data.get("then") or default
    if then not in ("open", "waiting", "resolved"):
        raise Refused("invalid_data", {"then": then})
    if then == "resolved":
        may_resolve(case, explains=bool(data.get("explanation")))
    step.emit(
        "case.replied",
        case_id=case.id,
        work_id=work.id if work is not None else None,
        agent_id=command.agent_id,
        reply_id=command.id,
        body_ref=data["body_ref"],
        body_sha256=data["body_sha256"],
        body_size=data["body_size"],
        then=then,
        conversation_key=case.conversations[-1],
        channel=case.channel,
        account=case.account,
        answers_contact_id=case.last_contact_id,
        amount=data.get("amount"),
        explanation=data.get("explanation") or None,
    )
    if then == "waiting":
        step.emit("case.waiting", case_id=case.id, waits_for="customer", reason="replied")
        end_work(step, work, "replied")
    elif then == "resolved":
        resolve_case(step, case, work, "replied")


def _may_grant(step: Step, command: Command, case: Case) -> None:
    """Raises Refused where an agent grants more than they may, and than was approved."""
    amount, agent = command.data.get("amount"), step.pool.agents.get(command.agent_id or "")
    if amount is None or command.actor.kind != "agent":
        return
    most = max(case.approved, agent.skills.get(AUTHORITY, 0) if agent is not None else 0)
    if amount < 0 or amount > most:
        raise Refused("needs_approval", {"amount": amount, "most": most})


def note(step: Step, command: Command) -> None:
    """``case.note``: never seen by a customer."""
    case = step.case(command)
    require(command.data, "note_ref", "note_sha256", "note_size")
    noted(step, command, case)


def noted(step: Step, command: Command, case: Case) -> None:
    """The note that came with a command."""
    data = command.data
    step.emit(
        "case.noted",
        case_id=case.id,
        work_id=case.work_id,
        agent_id=command.agent_id,
        note_ref=data["note_ref"],
        note_sha256=data["note_sha256"],
        note_size=data["note_size"],
    )


def resolve(step: Step, command: Command) -> None:
    """``case.resolve``: done; a contact within ``reopen_within`` opens it again."""
    case = step.case(command)
    if case.status == "resolved":
        raise Refused("wrong_state", {"status": case.status})
    if case.work_id is not None:
        work = step.owned_work(command, case)
    elif command.actor.kind == "agent" and command.agent_id != case.last_agent:
        raise Refused("not_owner", {"status": case.status})
    else:
        work = None
    may_resolve(case)
    resolve_case(step, case, work, command.data.get("reason"), _follow_up(step, command, case))


def _follow_up(step: Step, command: Command, case: Case) -> dict[str, Any]:
    """When, and in which queue, somebody looks at a resolved case again; nothing: never."""
    data = command.data
    at_ms, queue = data.get("follow_up_ms"), data.get("queue")
    if at_ms is None and queue is None:
        return {}
    in_time = at_ms is not None and step.now_ms < at_ms <= step.now_ms + SUSPEND_MS_MAX
    if not in_time or case.parent is not None:
        raise Refused("invalid_data", {"follow_up_ms": at_ms})
    if queue is not None and step.queue(queue) is None:
        raise Refused("unknown_queue", {"queue": queue})
    return {"follow_up_ms": at_ms, "queue": queue}


def resolve_case(
    step: Step,
    case: Case,
    work: Work | None,
    reason: str | None,
    more: dict[str, Any] | None = None,
) -> None:
    """A case is done; a contact within ``reopen_within`` opens it again.

    What was asked of others about it is over with it, and whoever waits for it goes on. ``more``
    is what else the decision says: when somebody looks again, or that it ends without an answer.
    """
    for child in list(case.children):
        asked = step.pool.cases[child]
        resolve_case(step, asked, step.pool.works.get(asked.work_id or ""), PARENT_RESOLVED)
    reopen_ms = step.policy.reopen_within_ms if step.policy is not None else 0
    later = more or {}
    close_ms = max(step.now_ms + max(reopen_ms, 1), later.get("follow_up_ms", 0) + 1)
    step.emit("case.resolved", case_id=case.id, reason=reason, close_ms=close_ms, **later)
    end_work(step, work, "resolved")
    if "outcome" not in later:  # else nobody did anything that could be looked at
        draw(step, case)
    if case.parent is None or not case.parent.waits or reason == PARENT_RESOLVED:
        return
    above = step.living(step.pool.cases.get(case.parent.case_id))
    if above is not None and above.status == "waiting_internal" and not _is_awaited(step, above):
        take_up(step, above, f"{case.parent.kind}_ended", case.parent.agent)


PARENT_RESOLVED = "parent_resolved"
"""Why something that was asked is over without an answer."""


def _is_awaited(step: Step, case: Case) -> bool:
    """Whether a case waits for another answer still."""
    asked = [step.pool.cases[child].parent for child in case.children]
    return any(one is not None and one.waits for one in asked)


def end_work(step: Step, work: Work | None, reason: str) -> None:
    """Close work, after a wrap-up where the policy gives one; freed capacity is used at once."""
    if work is None:
        return
    wrap_ms = step.policy.wrap_up_ms if step.policy is not None else 0
    if work.state == "assigned" and wrap_ms:
        step.emit(
            "work.wrapping",
            case_id=work.case_id,
            work_id=work.id,
            agent_id=work.agent_id,
            until_ms=step.person_ms + wrap_ms,
            reason=reason,
        )
        return
    freed = close_work(step, work, reason)
    cool_down(step, freed, work)
    if freed is not None:
        match_agent(step, freed)


def end_wrap_up(step: Step, work: Work) -> None:
    """The wrap-up is over: capacity is free."""
    freed = close_work(step, work, "wrapped_up")
    cool_down(step, freed, work)
    if freed is not None:
        match_agent(step, freed)


def close(step: Step, case: Case, reason: str = "reopen_time_over") -> None:
    """The time to reopen is over; a wrap-up that lasts longer ends with it."""
    freed = None
    if case.work_id is not None:
        freed = close_work(step, step.pool.works[case.work_id], "case_closed")
    for merged in all_merged(step.pool, case):
        _closed(step, step.pool.cases[merged], "merged_case_closed")
    _closed(step, case, reason)
    if freed is not None:
        match_agent(step, freed)


def _closed(step: Step, case: Case, reason: str) -> None:
    """A case is over, which the pool that it came from is to hear."""
    origin = case.origin
    there = origin and {"pool": origin.pool, "case_id": origin.case_id, "hand_over": origin.id}
    step.emit("case.closed", case_id=case.id, reason=reason, handed=there)


def reopen(step: Step, command: Command) -> None:
    """``case.reopen``: somebody takes it up again without a new contact."""
    case = step.case(command)
    if case.status == "open" or case.parent is not None:
        raise Refused("wrong_state", {"status": case.status})
    take_up(step, case, command.data.get("reason") or "requested", command.agent_id)


def wake(step: Step, case: Case) -> None:
    """The time that a case waited for has come; its work goes where whoever let it wait said."""
    again = case.status == "resolved"
    take_up(step, case, "follow_up" if again else "woken", queue=case.wake_queue)


def take_up(
    step: Step, case: Case, reason: str, prefer: str | None = None, queue: str | None = None
) -> None:
    """Open a case again: new work of the case's age, first for ``prefer`` or who had it last."""
    freed = None
    if case.work_id is not None:
        freed = close_work(step, step.pool.works[case.work_id], reason)
    step.emit("case.reopened", case_id=case.id, number=case.number, reason=reason)
    wait_ms = step.policy.sticky_wait_ms if step.policy is not None else 0
    first = prefer or case.last_agent
    work = queue_work(
        step,
        case,
        reason=reason,
        # What was to begin in the future is as old as its beginning.
        since_ms=case.opened_ms if case.works and reason != "follow_up" else step.now_ms,
        queue=queue,
        prefer_agent=first,
        prefer_ms=wait_ms,
    )
    if freed is not None:
        match_agent(step, freed)
    match_work(step, work)


def wait(step: Step, command: Command) -> None:
    """``case.wait``: for the customer, a third party or somebody inside; frees capacity."""
    case, data = step.case(command), command.data
    if data.get("waits_for") not in ("customer", "third_party", "internal"):
        raise Refused("invalid_data", {"waits_for": data.get("waits_for")})
    if case.status != "open":
        raise Refused("wrong_state", {"status": case.status})
    wake_ms = data.get("wake_ms")
    if wake_ms is not None and (not isinstance(wake_ms, int) or wake_ms <= step.now_ms):
        raise Refused("invalid_data", {"wake_ms": wake_ms})
    queue = data.get("queue")
    if queue is not None and (wake_ms is None or step.queue(queue) is None):
        raise Refused("unknown_queue", {"queue": queue})
    work = step.owned_work(command, case)
    step.emit(
        "case.waiting",
        case_id=case.id,
        waits_for=data["waits_for"],
        wake_ms=wake_ms,
        queue=queue,
        reason=data.get("reason"),
    )
    end_work(step, work, "waiting")


def transfer(step: Step, command: Command) -> None:
    """``case.transfer``: with a note, to an agent or a queue; the work keeps its age."""
    case, data = step.case(command), command.data
    if case.status != "open":
        raise Refused("wrong_state", {"status": case.status})
    require(data, "note_ref", "note_sha256", "note_size")
    to_agent, to_queue = data.get("to_agent"), data.get("to_queue")
    if (to_agent is None) == (to_queue is None):
        raise Refused("invalid_data", {"one_of": ["to_agent", "to_queue"]})
    if to_agent is not None:
        step.agent(to_agent)
    elif not isinstance(to_queue, str) or step.queue(to_queue) is None:
        raise Refused("unknown_queue", {"queue": to_queue})
    work = step.owned_work(command, case)
    if work is None:
        raise Refused("wrong_state", {"status": case.status})
    if to_agent is not None and to_agent == work.agent_id:
        raise Refused("invalid_data", {"to_agent": to_agent})
    may_transfer(step, case, to_agent, to_queue)
    bounces = hand_on(step, work, command.actor.kind)
    noted(step, command, case)
    bar_ms = step.policy.offer.bar_after_decline_ms if step.policy is not None else 0
    wait_ms = step.policy.sticky_wait_ms if step.policy is not None else 0
    since_ms, holder = work.since_ms, work.agent_id
    freed = close_work(step, work, "transferred")
    moved = queue_work(
        step,
        case,
        reason="transferred",
        since_ms=since_ms,
        queue=to_queue,
        prefer_agent=to_agent,
        prefer_ms=wait_ms,
        barred={holder: step.person_ms + bar_ms} if holder is not None else None,
        escalations=work.escalations,
        bounces=bounces,
    )
    if freed is not None:
        match_agent(step, freed)
    match_work(step, moved)


def escalate(step: Step, command: Command) -> None:
    """``case.escalate``: to a tier, the one above, or an age; at most so many times a work."""
    case, data = step.case(command), command.data
    work = step.pool.works.get(case.work_id or "")
    if work is None or work.state == "wrapping":
        raise Refused("wrong_state", {"status": case.status})
    if work.agent_id is not None:
        step.owned_work(command, case)
    if work.escalations >= ESCALATIONS_MAX:
        raise Refused("not_allowed", {"escalations": work.escalations, "max": ESCALATIONS_MAX})
    if data.get("since_ms") is not None:
        set_age(step, command, case, work)
        return
    tiers = step.matcher.tiers()
    holder = step.pool.agents.get(work.agent_id or "")
    present = holder.tier if holder is not None else max(work.tiers, default=1)
    wanted = data.get("tier")
    floor = wanted if wanted is not None else min((t for t in tiers if t > present), default=None)
    if floor not in tiers or (wanted is None and floor is None):
        raise Refused("invalid_data", {"tier": wanted, "tiers": tiers})
    assert isinstance(floor, int)
    _raise_tier(step, work, floor, data.get("reason") or "requested")


def _raise_tier(step: Step, work: Work, floor: int, reason: str) -> None:
    """Give work to higher tiers: taken from whoever has it, with its age."""
    before, freed = list(work.tiers), None
    if work.agent_id is not None:
        since_ms, clock_ms, count = work.since_ms, work.clock_ms, work.escalations
        bounces = work.bounces
        freed = close_work(step, work, "escalated")
        work = queue_work(
            step,
            step.pool.cases[work.case_id],
            reason="escalated",
            since_ms=since_ms,
            clock_ms=clock_ms,
            queue=work.queue,
            floor=floor,
            escalations=count,
            bounces=bounces,
            settled=True,
        )
    elif work.offer_id is not None:
        freed = step.pool.agents[step.pool.offers[work.offer_id].agent_id]
        end_offer(step, work, "withdrawn", reason="escalated")
    step.emit(
        "work.escalated",
        case_id=work.case_id,
        work_id=work.id,
        from_tiers=before,
        to_tiers=step.plan(work, floor).tiers,
        floor=floor,
        reason=reason,
    )
    if freed is not None:
        match_agent(step, freed)
    match_work(step, work)


def assign(step: Step, command: Command) -> None:
    """``case.assign``: a supervisor's typed override, skills and capacity notwithstanding."""
    case, data = step.case(command), command.data
    agent = step.agent(data.get("to_agent"))
    work = step.pool.works.get(case.work_id or "")
    if work is not None and work.agent_id == agent.id:
        raise Refused("wrong_state", {"agent_id": agent.id})
    if case.status != "open" and case.parent is not None:
        raise Refused("wrong_state", {"status": case.status})
    if case.status != "open":
        step.emit("case.reopened", case_id=case.id, number=case.number, reason="override")
    since_ms, freed = case.opened_ms, None
    if work is not None and work.offer_id is not None:
        freed = step.pool.agents[step.pool.offers[work.offer_id].agent_id]
        end_offer(step, work, "withdrawn", reason="override")
    elif work is not None and work.agent_id is not None:
        since_ms = work.since_ms
        freed, work = close_work(step, work, "override"), None
    if work is None:
        work = queue_work(step, case, reason="override", since_ms=since_ms, settled=True)
    step.emit(
        "work.assigned",
        case_id=case.id,
        work_id=work.id,
        agent_id=agent.id,
        via="override",
        channel=work.channel,
        cost=agent.channels.get(work.channel, (1, 0))[0],
        explain=choose(step.pool, work, step.now_ms).explain,
        lease_until_ms=step.lease_until(work),
    )
    if freed is not None:
        match_agent(step, freed)


def require(data: dict[str, object], *names: str) -> None:
    """Raises Refused where one of these isn't said."""
    missing = [name for name in names if data.get(name) is None]
    if missing:
        raise Refused("invalid_data", {"missing": missing})
