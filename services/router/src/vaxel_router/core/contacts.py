"""What a contact becomes: a case, a part of one, or one that opens again."""

from __future__ import annotations

from typing import Any

from vaxel_router.core.cases import resolve_case
from vaxel_router.core.complaints import next_queue
from vaxel_router.core.detours import refuses
from vaxel_router.core.limits import HOPS_MAX, SUSPEND_MS_MAX
from vaxel_router.core.numbers import next_number
from vaxel_router.core.queueing import close_work, match_agent, match_work, queue_work
from vaxel_router.core.state import Case
from vaxel_router.core.step import Refused, Step
from vaxel_router.core.wants import fault
from vaxel_shared import ids
from vaxel_shared.contracts.wire import Command

REQUIRED = (
    "contact_id", "conversation_key", "customer_id", "channel", "account", "queue",
    "received_at_ms", "src",
)  # fmt: skip
_REQUIRED = frozenset(REQUIRED)


def add(step: Step, command: Command) -> None:
    """``contact.add``: join the conversation's case, reopen it, or open another."""
    data = command.data
    check(data)
    case = known_case(step, data)
    if case is not None and case.handed is not None and forward(step, data, case):
        return
    if case is None and data.get("forwarded") is not None and forward(step, data, None):
        return
    if case is None:
        case_id = ids.case_id(data["contact_id"])
        if case_id in step.pool.cases:
            step.emit("command.repeated", case_id=case_id)
        else:
            _open(step, case_id, data)
    elif case.status == "open":
        said = facts(case.number, data)
        step.emit("case.joined", case_id=case.id, work_id=case.work_id, **said)
    else:
        _reopen(step, case, data)


def check(data: dict[str, Any]) -> None:
    """Raises Refused where a contact lacks something, or asks for what no contact may."""
    if not data.keys() >= _REQUIRED:
        missing = [name for name in REQUIRED if name not in data]
        raise Refused("invalid_data", {"missing": missing})
    if (wrong := fault(data.get("requires", {}))) is not None:
        raise Refused("invalid_data", {"requires": wrong})


def forward(step: Step, data: dict[str, Any], case: Case | None) -> bool:
    """Pass a contact on to the pool where its case lives; without one, back to who sent it.

    False: it has come too far already, and is taken here.
    """
    before = data.get("forwarded")
    hops = before["hops"] + 1 if before is not None else 1
    if hops > HOPS_MAX:
        return False
    assert before is not None or case is not None, "what nobody forwarded has a case here"
    handed = case.handed if case is not None else None
    first = before["case_id"] if before is not None else case.id if case is not None else ""
    on = {"from_pool": step.pool.name, "case_id": first, "hops": hops}
    step.emit(
        "contact.forwarded",
        case_id=case.id if case is not None else None,
        contact_id=data["contact_id"],
        to_pool=handed.pool if handed is not None else before["from_pool"] if before else None,
        contact={name: it for name, it in data.items() if it is not None} | {"forwarded": on},
    )
    return True


def known_case(step: Step, data: dict[str, Any]) -> Case | None:
    """The conversation's case, unless it was resolved too long ago."""
    case = step.pool.cases.get(step.pool.conversations.get(data["conversation_key"], ""))
    if case is None or case.resolved_ms is None or step.policy is None:
        return case
    expired = case.resolved_ms + step.policy.reopen_within_ms < step.now_ms
    return None if expired else case


def facts(number: str, data: dict[str, Any]) -> dict[str, Any]:
    """What every decision about a contact says of it."""
    return {
        "number": number,
        "contact_id": data["contact_id"],
        "conversation_key": data["conversation_key"],
        "channel": data["channel"],
        "account": data["account"],
        "received_at_ms": data["received_at_ms"],
        "src": None if "forwarded" in data else data["src"],
        "automatic": data.get("automatic") or None,
    }


def _open(step: Step, case_id: str, data: dict[str, Any]) -> None:
    """A new case; where the conversation had one that is closed, linked to it."""
    pool, number = step.pool, next_number(step)
    key = data["conversation_key"]
    linked = pool.conversations.get(key) or pool.closed.get(key) or _claimed(step, data)
    step.emit(
        "case.opened",
        case_id=case_id,
        **facts(number, data),
        customer_id=data["customer_id"],
        language=data.get("language", "und"),
        queue=data["queue"],
        priority=data.get("priority", 0),
        requires=data.get("requires", {}),
        labels=data.get("labels") or None,
        linked_case_id=linked,
        missing=data.get("missing") or None,
        rule=data.get("rule"),
    )
    case = pool.cases[case_id]
    found = step.queue(case.queue)
    quiet_queue = found is not None and found.automatic
    silent = case.automatic or data.get("no_auto_response") or quiet_queue
    refused = not silent and refuses(step, case)
    if not silent:
        step.emit(
            "notice.due",
            case_id=case_id,
            kind="full" if refused else "received",
            number=number,
            contact_id=data["contact_id"],
            conversation_key=key,
            channel=data["channel"],
            account=data["account"],
            language=case.language,
        )
    if refused:
        resolve_case(step, case, None, "queue_full")
        return
    begin_ms = data.get("begin_ms")
    if begin_ms is not None and begin_ms > step.now_ms:
        wake_ms = min(begin_ms, step.now_ms + SUSPEND_MS_MAX)
        step.emit(
            "case.waiting",
            case_id=case_id,
            waits_for="internal",
            wake_ms=wake_ms,
            reason="scheduled",
        )
        return
    match_work(step, queue_work(step, case, reason="new", since_ms=step.now_ms))


def _claimed(step: Step, data: dict[str, Any]) -> str | None:
    """A conversation that an unproven sender says this continues: linked, never joined."""
    claims = data.get("claims")
    return step.pool.conversations.get(claims) if claims else None


def _reopen(step: Step, case: Case, data: dict[str, Any]) -> None:
    """The customer answered: new work of the case's age, first for whoever answered last."""
    freed, queue = None, next_queue(step, case, data["queue"])
    if case.work_id is not None:
        freed = close_work(step, step.pool.works[case.work_id], "customer_answered")
    step.emit(
        "case.reopened", case_id=case.id, **facts(case.number, data), reason="customer_answered"
    )
    wait_ms = step.policy.sticky_wait_ms if step.policy is not None else 0
    work = queue_work(
        step,
        case,
        reason="customer_answered",
        since_ms=case.opened_ms,
        queue=queue,
        prefer_agent=case.last_agent,
        prefer_ms=wait_ms,
    )
    if freed is not None:
        match_agent(step, freed)
    match_work(step, work)
