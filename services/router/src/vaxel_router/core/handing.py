"""Cases that go from one pool to another, which share nothing: a hand-over by events.

The pool that has a case ends its work with ``case.handed_over``, which carries all that the other
one needs. Delivery appends that there, under an id made of the decision's place, so that saying it
twice is saying it once. The other pool opens a case of its own with the same age, or refuses; what
it says comes back the same way as ``case.handed``, and what was refused waits here again. As long
as a case lives elsewhere, every contact of its conversations is passed on (``contact.forwarded``)
after it; when it is closed there, it is closed here.
"""

from __future__ import annotations

from typing import Any

from vaxel_router.core import cases, contacts, offers
from vaxel_router.core.cases import noted, require, take_up
from vaxel_router.core.complaints import undelivered
from vaxel_router.core.detours import refuses
from vaxel_router.core.leases import hand_on
from vaxel_router.core.numbers import next_number
from vaxel_router.core.queueing import close_work, match_agent, match_work, queue_work
from vaxel_router.core.state import Case
from vaxel_router.core.step import Refused, Step
from vaxel_shared import ids
from vaxel_shared.contracts.wire import Command

NO_SOURCE = [0, -1]
"""``src`` of a contact that stands for a whole case: no interaction is its source."""


def transfer(step: Step, command: Command) -> None:
    """``case.transfer``: within the pool, or to another."""
    if command.data.get("to_pool") is None:
        cases.transfer(step, command)
    else:
        hand_over(step, command)


def hand_over(step: Step, command: Command) -> None:
    """The case goes on in another pool; here nothing is left of it but the way there."""
    case, data = step.case(command), command.data
    if case.status != "open":
        raise Refused("wrong_state", {"status": case.status})
    if case.parent is not None or case.children:
        raise Refused("has_questions", {"open": len(case.children)})
    require(data, "note_ref", "note_sha256", "note_size")
    if data["to_pool"] == step.pool.name or data.get("to_agent") is not None:
        raise Refused("invalid_data", {"to_pool": data["to_pool"]})
    work = step.owned_work(command, case)
    if work is None:
        raise Refused("wrong_state", {"status": case.status})
    bounces = hand_on(step, work, command.actor.kind)
    noted(step, command, case)
    holder, since_ms = work.agent_id, work.since_ms
    freed = close_work(step, work, "handed_over")
    step.emit(
        "case.handed_over",
        case_id=case.id,
        agent_id=holder,
        to_pool=data["to_pool"],
        contacts=[case.last_contact_id],
        number=case.number,
        since_ms=since_ms,
        bounces=bounces or None,
        contact=_as_contact(step, case, data, since_ms, bounces),
    )
    if freed is not None:
        match_agent(step, freed)


def _as_contact(
    step: Step, case: Case, data: dict[str, Any], since_ms: int, bounces: int
) -> dict[str, Any]:
    """What the other pool is told, as a contact."""
    to_queue = data.get("to_queue")
    return {
        "contact_id": case.last_contact_id,
        "conversation_key": case.conversations[-1],
        "customer_id": case.customer_id,
        "channel": case.channel,
        "account": case.account,
        "language": case.language,
        "queue": to_queue or case.queue,
        "priority": case.priority,
        "requires": {"skills": dict(case.skills), "languages": list(case.languages)},
        # A promise that was kept here isn't broken there: a first answer counts from now then.
        "received_at_ms": step.now_ms if case.answered else case.contact_ms or case.opened_ms,
        "src": NO_SOURCE,
        "automatic": case.automatic,
        "handed": {
            "from_pool": step.pool.name,
            "case_id": case.id,
            "number": case.number,
            "opened_ms": case.opened_ms,
            "since_ms": since_ms,
            "bounces": bounces,
            **({"answered": True} if case.answered else {}),
            "conversations": list(case.conversations),
            **{name: data[name] for name in ("note_ref", "note_sha256", "note_size")},
            **({"to_queue": to_queue} if to_queue is not None else {}),
        },
    }


def add(step: Step, command: Command) -> None:
    """``contact.add``: a contact, or a case that another pool hands over."""
    handed = command.data.get("handed")
    if handed is None:
        contacts.add(step, command)
        return
    try:
        _take(step, command, handed)
    except Refused as refusal:
        back = {"pool": handed["from_pool"], "case_id": handed["case_id"]}
        back |= {"hand_over": handed.get("hand_over")}
        raise Refused(refusal.code, {**refusal.params, "handed": back}) from None


def _take(step: Step, command: Command, handed: dict[str, Any]) -> None:
    """Take a case over: as one of its own, or as the one that it once was here."""
    data = command.data
    contacts.check(data)
    if command.actor.kind != "system" or handed.get("hand_over") is None:
        raise Refused("not_allowed", {"actor": command.actor.kind})
    queue = _queue(step, data, handed)
    if not any(data["channel"] in agent.channels for agent in step.pool.agents.values()):
        raise Refused("channel_not_served", {"channel": data["channel"]})
    case = contacts.known_case(step, data)
    waits = case is None or case.status != "open"
    if case is None:
        case = _open(step, command, handed, queue)
    elif waits:
        _reopen(step, case, data)
    else:
        said = _facts(case.number, data)
        step.emit("case.joined", case_id=case.id, work_id=case.work_id, **said)
    step.emit(
        "case.noted",
        case_id=case.id,
        work_id=case.work_id,
        **{name: handed[name] for name in ("note_ref", "note_sha256", "note_size")},
    )
    if not waits:
        return
    work = queue_work(
        step,
        case,
        reason="handed_over",
        since_ms=min(handed["since_ms"], step.now_ms),
        queue=queue,
        bounces=handed.get("bounces", 0),
    )
    match_work(step, work)


def _reopen(step: Step, case: Case, data: dict[str, Any]) -> None:
    """The case that it was here goes on."""
    freed = None
    if case.work_id is not None:  # a wrap-up
        freed = close_work(step, step.pool.works[case.work_id], "handed_back")
    said = _facts(case.number, data)
    step.emit("case.reopened", case_id=case.id, **said, reason="handed_back")
    if freed is not None:
        match_agent(step, freed)


def _facts(number: str, data: dict[str, Any]) -> dict[str, Any]:
    """What a decision says of a case that was taken over."""
    handed = {name: it for name, it in data["handed"].items() if it is not None}
    return {**contacts.facts(number, data), "src": None, "handed": handed}


def _queue(step: Step, data: dict[str, Any], handed: dict[str, Any]) -> str:
    """Where it is to wait: what was named, what it waited in before, else the first queue."""
    named = handed.get("to_queue")
    if step.policy is None or not step.policy.queues:
        raise Refused("unknown_pool", {"pool": step.pool.name})
    if named is not None and step.queue(named) is None:
        raise Refused("unknown_queue", {"queue": named})
    known = named or data["queue"]
    return known if step.queue(known) is not None else step.policy.queues[0].name


def _open(step: Step, command: Command, handed: dict[str, Any], queue: str) -> Case:
    """A case of our own, linked to the other; what nobody here brings isn't asked for."""
    data, number, case_id = command.data, next_number(step), ids.case_id(command.id)
    asked = data.get("requires", {})
    agents = step.pool.agents.values()
    skills = {
        name: level
        for name, level in sorted(asked.get("skills", {}).items())
        if any(name in agent.skills for agent in agents)
    }
    languages = list(asked.get("languages", []))
    draft = Case(
        id=case_id,
        number=number,
        status="open",
        conversations=[],
        channel=data["channel"],
        account=data["account"],
        customer_id=data["customer_id"],
        language=data.get("language", "und"),
        queue=queue,
        priority=data.get("priority", 0),
        skills=skills,
        languages=languages,
        opened_ms=step.now_ms,
        last_contact_id=data["contact_id"],
        last_contact_seq=step.seq,
    )
    if refuses(step, draft, beside=1):
        raise Refused("queue_full", {"queue": queue})
    step.emit(
        "case.opened",
        case_id=case_id,
        **_facts(number, data),
        customer_id=draft.customer_id,
        language=draft.language,
        queue=queue,
        priority=draft.priority,
        requires={"skills": skills, "languages": languages},
        linked_case_id=handed["case_id"],
        reason="handed_over",
    )
    return step.pool.cases[case_id]


def answered(step: Step, command: Command) -> None:
    """``case.handed``: the other pool has taken a case, or refuses it, or has closed it."""
    case, data = step.pool.cases.get(command.case_id or ""), command.data
    handed = case.handed if case is not None else None
    if case is None or handed is None or handed.id != data["hand_over"]:
        raise Refused("wrong_state", {"hand_over": data["hand_over"]})
    if data["state"] == "closed":
        cases.close(step, case, "closed_elsewhere")
    elif handed.case_id is not None:
        raise Refused("wrong_state", {"hand_over": data["hand_over"]})
    elif data["state"] == "refused":
        _come_back(step, case, data.get("code") or "refused")
    elif data.get("to_case_id") is None or data.get("to_number") is None:
        raise Refused("invalid_data", {"missing": ["to_case_id", "to_number"]})
    else:
        step.emit(
            "case.handed_over",
            case_id=case.id,
            to_pool=handed.pool,
            contacts=[],
            to_case_id=data["to_case_id"],
            to_number=data["to_number"],
        )


def delivery_result(step: Step, command: Command) -> None:
    """``delivery.result``: what can never reach the other pool waits here again.

    So does a complaint that was resolved with an explanation that never arrived.
    """
    case, data = step.pool.cases.get(command.case_id or ""), command.data
    explained = step.living(case)
    lost = undelivered(explained, data)
    offers.delivery_result(step, command)
    if explained is not None and lost and explained.status == "resolved":
        take_up(step, explained, "explanation_undelivered")
    handed = case.handed if case is not None else None
    if data["state"] != "failed" or case is None or handed is None or handed.case_id is not None:
        return
    if handed.id == data["effect_id"]:
        _come_back(step, case, data.get("code") or "undeliverable")


def _come_back(step: Step, case: Case, code: str) -> None:
    """Nobody took it: it waits here again with its age, first for whoever had it."""
    handed = case.handed
    assert handed is not None, "only what was handed over comes back"
    since_ms, bounces, holder = handed.since_ms, handed.bounces, handed.agent
    step.emit(
        "case.reopened",
        case_id=case.id,
        number=case.number,
        reason="hand_over_refused",
        code=code,
    )
    work = queue_work(
        step,
        case,
        reason="hand_over_refused",
        since_ms=since_ms,
        prefer_agent=holder,
        prefer_ms=step.policy.sticky_wait_ms if step.policy is not None else 0,
        bounces=bounces,
    )
    match_work(step, work)
