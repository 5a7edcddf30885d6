"""Asking others: help with a case, or the approval of an amount, as a case of its own beside it.

What is asked is a case without a customer: it waits in a queue with the age of the work it is for,
is offered and accepted like any other, and ends with an answer. Whoever asks goes on meanwhile, or
lets the case wait. The answer comes back as a note that says what it answers; the case goes on with
whoever asked. What was asked ends with the case that it is for.
"""

from __future__ import annotations

from typing import Any

from vaxel_router.core.beside import open_beside
from vaxel_router.core.cases import end_work, require, resolve_case
from vaxel_router.core.limits import ASKED_DEPTH_MAX, ASKED_MAX, CHILDREN_MAX, SUSPEND_MS_MAX
from vaxel_router.core.queueing import match_work, queue_work
from vaxel_router.core.state import Case
from vaxel_router.core.step import Refused, Step
from vaxel_router.core.written.agents import AUTHORITY
from vaxel_shared import ids
from vaxel_shared.contracts.wire import Command

_VERDICTS = {
    "consult": ("answered",),
    "approve": ("approved", "refused"),
    "review": ("passed", "failed"),
}
"""What may be answered to what."""


def consult(step: Step, command: Command) -> None:
    """``case.consult``: ask another agent, queue or tier, perhaps for an amount."""
    case, data = step.case(command), command.data
    if case.status != "open":
        raise Refused("wrong_state", {"status": case.status})
    require(data, "note_ref", "note_sha256", "note_size")
    _check(step, command, case)
    work = step.owned_work(command, case)
    if work is None:
        raise Refused("wrong_state", {"status": case.status})
    kind, amount, waits = data.get("kind") or "consult", data.get("amount"), data.get("wait")
    child_id, since_ms = ids.case_id(command.id), work.since_ms
    child = open_beside(
        step,
        case,
        child_id,
        queue=data.get("to_queue") or case.queue,
        priority=work.priority,
        skills={} if amount is None else {AUTHORITY: amount},
        parent={
            "kind": kind, "agent_id": command.agent_id,
            "amount": amount, "waits": True if waits else None,
        },
    )  # fmt: skip
    asks = {"case_id": child_id, "number": child.number, "kind": kind, "amount": amount}
    _note(step, command, case, asks=asks)
    _note(step, command, child)
    if waits:
        step.emit("case.waiting", case_id=case.id, waits_for="internal", reason=f"{kind}_asked")
        end_work(step, work, f"{kind}_asked")
    asker = command.agent_id
    asked = queue_work(
        step,
        child,
        reason=kind,
        since_ms=since_ms,
        prefer_agent=data.get("to_agent"),
        prefer_ms=step.policy.sticky_wait_ms if step.policy is not None else 0,
        barred={asker: step.now_ms + SUSPEND_MS_MAX} if asker is not None else None,
        floor=data.get("tier") or _least_tier(step, asker, amount or 0),
    )
    match_work(step, asked)


def _least_tier(step: Step, asker: str | None, amount: int) -> int:
    """The lowest tier of whoever may answer: an approval needn't wait below for steps to open."""
    able = (
        agent.tier
        for agent in step.pool.agents.values()
        if agent.id != asker and agent.skills.get(AUTHORITY, 0) >= amount
    )
    return min(able, default=1) if amount else 1


def _check(step: Step, command: Command, case: Case) -> None:
    """Raises Refused where what is asked makes no sense, or there is too much of it."""
    data = command.data
    amount, to_agent, tier = data.get("amount"), data.get("to_agent"), data.get("tier")
    if ((data.get("kind") == "approve") != (amount is not None)) or (amount or 1) < 1:
        raise Refused("invalid_data", {"amount": amount})
    if to_agent is not None:
        agent = step.agent(to_agent)
        if agent.id == command.agent_id:
            raise Refused("invalid_data", {"to_agent": to_agent})
        if agent.skills.get(AUTHORITY, 0) < (amount or 0):
            raise Refused("no_authority", {"agent_id": to_agent, "amount": amount})
    if data.get("to_queue") is not None and step.queue(data["to_queue"]) is None:
        raise Refused("unknown_queue", {"queue": data["to_queue"]})
    tiers = step.matcher.tiers()
    if tier is not None and tier not in tiers:
        raise Refused("invalid_data", {"tier": tier, "tiers": tiers})
    depth, above = 1, case
    while above.parent is not None and above.parent.case_id in step.pool.cases:
        depth, above = depth + 1, step.pool.cases[above.parent.case_id]
    if depth > ASKED_DEPTH_MAX:
        raise Refused("too_many_questions", {"depth": depth, "max": ASKED_DEPTH_MAX})
    if len(case.children) >= CHILDREN_MAX or case.asked >= ASKED_MAX:
        open_ = {"open": len(case.children), "asked": case.asked}
        raise Refused("too_many_questions", open_)


def answer(step: Step, command: Command) -> None:
    """``case.answer``: whoever was asked answers; the case that it is for hears it."""
    case, data = step.case(command), command.data
    parent, verdict = case.parent, data["verdict"]
    if parent is None or verdict not in _VERDICTS[parent.kind]:
        kind = parent.kind if parent is not None else None
        raise Refused("invalid_data", {"verdict": verdict, "kind": kind})
    if case.status != "open":
        raise Refused("wrong_state", {"status": case.status})
    score = data.get("score")
    if score is not None and (parent.kind != "review" or not 0 <= score <= 100):
        raise Refused("invalid_data", {"score": score})
    work = step.owned_work(command, case)
    agent = step.pool.agents.get(command.agent_id or "")
    if verdict == "approved" and command.actor.kind == "agent":
        most = agent.skills.get(AUTHORITY, 0) if agent is not None else 0
        if most < parent.amount:
            raise Refused("no_authority", {"amount": parent.amount, "most": most})
    above = step.living(step.pool.cases.get(parent.case_id))
    said = {"case_id": case.id, "number": case.number, "kind": parent.kind, "verdict": verdict}
    _note(step, command, case)
    if above is not None:
        _note(step, command, above, answer=said | {"amount": parent.amount or None, "score": score})
    resolve_case(step, case, work, verdict)


def _note(step: Step, command: Command, case: Case, **what: dict[str, Any]) -> None:
    """The text of a question, or of an answer, on a case."""
    known: dict[str, Any] = {
        name: {key: it for key, it in said.items() if it is not None} for name, said in what.items()
    }
    step.emit(
        "case.noted",
        case_id=case.id,
        work_id=case.work_id,
        agent_id=command.agent_id,
        **known,
        **{name: command.data[name] for name in ("note_ref", "note_sha256", "note_size")},
    )
