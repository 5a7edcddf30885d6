"""Records of topics as changes of rows. Pure: a table of what each decision does to whom.

A decision always becomes an entry of the timeline; most also fold into the row of what they speak
of. Columns not named here are the business of :mod:`vaxel_register.shell.tables`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from vaxel_register.core.changes import change_of, pool_of
from vaxel_register.core.conversations import owned
from vaxel_register.core.rows import Change, Position
from vaxel_register.core.search import fold_text
from vaxel_shared import ids
from vaxel_shared.contracts.deadletters import DeadLetter
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.contracts.wire import Decision

RANK_INTERACTION = 0
RANK_DECISION = 1
RANK_SLA = 2
"""The order of topics within one millisecond: what was said stands before what was decided."""

WORK_STATES = {
    "work.scheduled": "scheduled",
    "work.suspended": "suspended",
    "work.resumed": "queued",
    "work.wrapping": "wrapping",
    "work.closed": "closed",
    "work.cancelled": "cancelled",
    "work.abandoned": "abandoned",
}
CONTACT_FACTS = (
    "number", "customer_id", "channel", "account", "language", "queue", "priority", "labels",
    "linked_case_id", "rule",
)  # fmt: skip
"""What a case takes over from the contact that opens or reopens it."""

ENDED = ("closed", "cancelled", "abandoned")
"""States of a work that nobody works on any more."""


def project(
    decision: Decision, *, partition: int, offset: int, seq: int, index: int
) -> list[Change]:
    """All that a valid decision changes. ``offset`` is its record's, ``index`` its place in it."""
    position = Position(partition, seq, index, decision.at_ms)
    changes = [_timeline(decision, position, offset), _told(decision, position)]
    handler = _HANDLERS.get(decision.type)
    if handler is not None:
        changes += handler(decision, position)
    return changes


def project_interaction(
    interaction: Interaction, *, partition: int, offset: int, timestamp_ms: int
) -> list[Change]:
    """A message or call event as a row; the first record of an id wins.

    ``timestamp_ms`` is the record's and stands in where ``received_at`` cannot be read. Who came or
    left wrote nothing: what it means is a decision.
    """
    if interaction.kind == "membership":
        return []
    sender = interaction.sender
    flags = interaction.flags.to_dict() if interaction.flags is not None else {}
    at_ms = instant_ms(interaction.received_at, timestamp_ms)
    values = {
        "id": interaction.id,
        "partition": partition,
        "offset": offset,
        "at_ms": at_ms,
        "conversation_key": interaction.conversation_key,
        "channel": interaction.channel,
        "account": interaction.account,
        "direction": interaction.direction,
        "kind": interaction.kind,
        "sender_id": sender.external_id,
        "sender_name": sender.name,
        "recipients": [item.to_dict() for item in interaction.recipients],
        "subject": interaction.subject,
        "text": interaction.text,
        "text_ref": interaction.text_ref,
        "reply_text": interaction.reply_text,
        "html_ref": interaction.html_ref,
        "language": interaction.language,
        "attachments": [item.to_dict() for item in interaction.attachments],
        "flags": sorted(name for name, flag in flags.items() if flag["value"]),
        "search": fold_text(interaction.subject, sender.name, sender.external_id, interaction.text),
    }
    key, came = interaction.conversation_key, interaction.direction == "inbound"
    told = change_of(
        (RANK_INTERACTION, partition, offset, 0),
        at_ms,
        "message.received" if came else "message.sent",
        pool_of(key),
        conversation_key=key,
    )
    return [Change("interactions", (interaction.id,), values, "insert"), told]


def project_deadletter(letter: DeadLetter, *, partition: int, offset: int) -> list[Change]:
    """A dead letter's particulars; the bytes stay on the topic, where ``vaxel dlq`` reads them."""
    values = {
        "id": letter.id,
        "service": letter.service,
        "topic": letter.topic,
        "source_partition": letter.partition,
        "source_offset": letter.offset,
        "at_ms": letter.timestamp_ms,
        "error_class": letter.error_class,
        "reason": letter.reason,
        "code_version": letter.code_version,
        "partition": partition,
        "offset": offset,
    }
    return [Change("deadletters", (letter.id,), values, "insert")]


def instant_ms(text: str, otherwise_ms: int) -> int:
    """ISO 8601 with an offset as milliseconds UTC; ``otherwise_ms`` where it is none."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return otherwise_ms
    if instant.tzinfo is None:
        return otherwise_ms
    return round(instant.timestamp() * 1000)


def _timeline(decision: Decision, position: Position, offset: int) -> Change:
    values = {
        "topic_rank": RANK_DECISION,
        "partition": position.partition,
        "offset": offset,
        "index": position.index,
        "seq": position.seq,
        "at_ms": decision.at_ms,
        "type": decision.type,
        "pool": decision.pool,
        "cause": decision.cause,
        "policy": decision.policy,
        "case_id": decision.case_id,
        "work_id": decision.work_id,
        "offer_id": decision.offer_id,
        "agent_id": decision.agent_id,
        "data": decision.data,
    }
    key = (RANK_DECISION, position.partition, offset, position.index)
    return Change("timeline", key, values, "insert")


def _told(decision: Decision, position: Position) -> Change:
    return change_of(
        (RANK_DECISION, position.partition, position.seq, position.index),
        decision.at_ms,
        decision.type,
        decision.pool,
        case_id=decision.case_id,
        agent_id=decision.agent_id,
        offer_id=decision.offer_id,
    )


Handler = Callable[[Decision, Position], list[Change]]


def _case(decision: Decision, position: Position, **values: Any) -> list[Change]:
    """A change of the case that the decision names, if it names one."""
    if decision.case_id is None:
        return []
    values["updated_ms"] = decision.at_ms
    return [Change("cases", (decision.case_id,), values, "set", position)]


def _work(decision: Decision, position: Position, **values: Any) -> list[Change]:
    if decision.work_id is None:
        return []
    return [Change("works", (decision.work_id,), values, "set", position)]


def _given(data: dict[str, Any], *names: str) -> dict[str, Any]:
    """The named fields that are there: an absent one leaves the row's as it is."""
    return {name: data[name] for name in names if data.get(name) is not None}


def _contact(decision: Decision, position: Position) -> list[Change]:
    """``case.opened``, ``case.joined``, ``case.reopened``."""
    data, case_id = decision.data, decision.case_id
    if case_id is None:
        return []
    contact_id, conversation = data.get("contact_id"), data.get("conversation_key")
    facts: dict[str, Any] = {}
    if contact_id is not None:
        facts = {"last_contact_id": contact_id, "last_contact_seq": position.seq}
    if decision.type != "case.joined":
        # What a joining contact says of queue and urgency moves nothing: the case has its place.
        facts |= _given(data, *CONTACT_FACTS) | {"status": "open", "wake_ms": None}
    if decision.type == "case.opened":
        facts |= {"id": case_id, "pool": decision.pool, "first_contact_id": contact_id}
        facts |= {"opened_ms": data.get("received_at_ms", decision.at_ms)}
        facts |= {"updated_ms": decision.at_ms}
        changes = [Change("cases", (case_id,), facts, "put", position)]
    else:
        changes = _case(decision, position, **facts)
    if contact_id is not None:
        values = {"contact_id": contact_id, "case_id": case_id, "at_ms": decision.at_ms}
        changes.append(Change("contacts", (contact_id,), values, "insert"))
    brought = (data.get("handed") or {}).get("conversations") or []
    if mine := list(dict.fromkeys([*brought, *([conversation] if conversation else [])])):
        changes.append(owned(case_id, position, mine))
    return changes


def _touched(decision: Decision, position: Position) -> list[Change]:
    return _case(decision, position)


def _waiting(decision: Decision, position: Position) -> list[Change]:
    status = f"waiting_{decision.data.get('waits_for', 'customer')}"
    return _case(decision, position, status=status, wake_ms=decision.data.get("wake_ms"))


def _status(status: str) -> Handler:
    def change(decision: Decision, position: Position) -> list[Change]:
        later = decision.data.get("follow_up_ms")
        changes = _case(decision, position, status=status, wake_ms=later)
        if status == "closed" and decision.case_id is not None:
            changes.append(Change("drafts", (decision.case_id,), {}, "drop"))
        return changes

    return change


def _merged(decision: Decision, position: Position) -> list[Change]:
    """Its number leads to the case that it went into, and so do its conversations."""
    into, values = (
        decision.data.get("into"),
        {"status": "merged", "agent_id": None, "wake_ms": None},
    )
    changes = _case(decision, position, linked_case_id=into, **values)
    keys = decision.data.get("conversations") or []
    if into is not None and keys:
        changes.append(owned(into, position, keys, decision.case_id))
    return changes


def _handed_over(decision: Decision, position: Position) -> list[Change]:
    """It lives in another pool; its number leads to the case there, once that is known."""
    there = _given({"linked_case_id": decision.data.get("to_case_id")}, "linked_case_id")
    values = {"status": "handed_over", "agent_id": None, "wake_ms": None}
    return _case(decision, position, **values, **there)


def _split(decision: Decision, position: Position) -> list[Change]:
    """It is a case by itself again, with the conversations that it had gone away with."""
    changes = _case(decision, position, status="open", wake_ms=None, linked_case_id=None)
    out_of = decision.data.get("out_of")
    if decision.case_id is not None and out_of is not None:
        changes.append(owned(decision.case_id, position, None, out_of))
    return changes


def _replied(decision: Decision, position: Position) -> list[Change]:
    """What was sent is no draft any more; a draft that says something else stays."""
    changes = _case(decision, position)
    sent = decision.data.get("body_sha256")
    if decision.case_id is not None and sent is not None:
        changes.append(Change("drafts", (decision.case_id,), {"text_sha256": sent}, "drop"))
    return changes


def _queued(decision: Decision, position: Position) -> list[Change]:
    """New work, or the same work again with the age it had."""
    data = decision.data
    wanted = _given(data, "queue", "priority", "language")
    tier = {"tier": max(data["tiers"])} if data.get("tiers") else {}
    freed = {"status": "open", "agent_id": None, "wake_ms": None}
    changes = _case(decision, position, **freed, **wanted, **tier, **_given(data, "stage"))
    if decision.work_id is not None:
        values = wanted | _given(data, "number", "requires", "tiers", "since_ms", "step", "step_at")
        values |= {"id": decision.work_id, "case_id": decision.case_id, "pool": decision.pool}
        values |= {"state": "queued", "agent_id": None, "token": None, "ended_ms": None}
        values |= {"prefer_agent": data.get("prefer_agent"), "reason": data.get("reason")}
        changes.append(Change("works", (decision.work_id,), values, "put", position))
    return changes


def _stepped(decision: Decision, position: Position) -> list[Change]:
    values = _given(decision.data, "queue", "tiers", "requires", "step", "step_at")
    tier = {"tier": max(values["tiers"])} if values.get("tiers") else {}
    moved = _given(values, "queue")
    return _work(decision, position, **values) + _case(decision, position, **tier, **moved)


def _escalated(decision: Decision, position: Position) -> list[Change]:
    tiers, priority = decision.data.get("to_tiers") or [], decision.data.get("to_priority")
    more = {"priority": priority} if priority is not None else {}
    tier = {"tier": max(tiers)} if tiers else {}
    work = more | ({"tiers": tiers} if tiers else {}) | _given(decision.data, "since_ms")
    return _work(decision, position, **work) + _case(decision, position, **more, **tier)


def _offered(decision: Decision, position: Position) -> list[Change]:
    if decision.offer_id is None:
        return []
    values = _given(decision.data, "queue", "attempt", "limit_ms", "expires_ms")
    values |= {"id": decision.offer_id, "case_id": decision.case_id, "work_id": decision.work_id}
    values |= {"agent_id": decision.agent_id, "pool": decision.pool, "state": "pending"}
    values |= {"token": ids.token(position.seq, position.index), "made_ms": decision.at_ms}
    return [
        Change("offers", (decision.offer_id,), values, "put", position),
        *_work(decision, position, state="offered"),
    ]


def _offer_ended(decision: Decision, position: Position) -> list[Change]:
    if decision.offer_id is None:
        return []
    outcome = decision.data.get("outcome", "withdrawn")
    values = {"state": outcome, "ended_ms": decision.at_ms, "reason": decision.data.get("reason")}
    changes = [Change("offers", (decision.offer_id,), values, "set", position)]
    still = decision.data.get("still_open")
    if outcome != "accepted" and decision.work_id is not None and not still:
        # A sibling's end must not take an assigned work back into the queue.
        offered = ("state", ("offered",))
        back = Change("works", (decision.work_id,), {"state": "queued"}, "set", position, offered)
        changes.append(back)
    return changes


def _assigned(decision: Decision, position: Position) -> list[Change]:
    work = {
        "state": "assigned",
        "agent_id": decision.agent_id,
        "token": ids.token(position.seq, position.index),
        "assigned_ms": decision.at_ms,
    }
    case = _case(decision, position, agent_id=decision.agent_id)
    return _work(decision, position, **work) + case


def _work_state(decision: Decision, position: Position) -> list[Change]:
    state = WORK_STATES[decision.type]
    if decision.type == "work.resumed" and decision.agent_id is not None:
        state = "assigned"  # it was in hand, and stays there
    values: dict[str, Any] = {"state": state}
    if state in ENDED:
        values["ended_ms"] = decision.at_ms
    elif state == "wrapping":
        values["until_ms"] = decision.data.get("until_ms")
    return _work(decision, position, **values) + _touched(decision, position)


def _agent(decision: Decision, position: Position) -> list[Change]:
    if decision.agent_id is None:
        return []
    data = decision.data
    values: dict[str, Any] = {"id": decision.agent_id, "pool": decision.pool, "removed": False}
    profile = data.get("profile") or {}
    values |= _given(profile, "tier", "skills", "languages", "capacity", "channels")
    if data.get("presence") is not None:
        values |= {"presence": data["presence"], "mode": data.get("mode")}
        values |= {"until_ms": data.get("until_ms"), "presence_ms": decision.at_ms}
        values |= {"grace_ms": data.get("grace_ms")}
    values |= _given(data, "closed", "occupied")
    if data.get("on_shift") is not None:
        values |= {"off_shift": not data["on_shift"], "shift_ms": data.get("shift_ms")}
    if data.get("rest_ms") is not None:
        values |= {"rest_ms": data["rest_ms"] or None}
    changes = [Change("agents", (decision.agent_id,), values, "put", position)]
    if said := data.get("elsewhere"):
        tool = {"id": f"{decision.agent_id}/{said['source']}", "agent_id": decision.agent_id}
        tool |= _given(said, "source", "works", "until_ms")
        changes.append(Change("agent_tools", (tool["id"],), tool, "put", position))
    return changes


def _agent_removed(decision: Decision, position: Position) -> list[Change]:
    if decision.agent_id is None:
        return []
    values = {"removed": True, "presence": "offline", "presence_ms": decision.at_ms}
    values |= {"left_ms": decision.at_ms}
    return [Change("agents", (decision.agent_id,), values, "set", position)]


def _roster(decision: Decision, position: Position) -> list[Change]:
    ref = _given(decision.data, "directory_ref", "source")
    ref |= {"pool": decision.pool, "version": decision.data.get("version")}
    return [Change("rosters", (decision.pool,), ref, "put", position)]


def _policy(decision: Decision, position: Position) -> list[Change]:
    if decision.data.get("kind") != "routing":
        return []  # a second one isn't in force
    ref = _given(decision.data, "ref", "kind", "version") | {"pool": decision.pool}
    return [Change("policies", (decision.pool,), ref, "put", position)]


_HANDLERS: dict[str, Handler] = {
    "policy.adopted": _policy,
    "roster.adopted": _roster,
    "agent.changed": _agent,
    "agent.removed": _agent_removed,
    "case.opened": _contact,
    "case.joined": _contact,
    "case.reopened": _contact,
    "case.replied": _replied,
    "case.noted": _touched,
    "contact.ended": _touched,
    "case.waiting": _waiting,
    "case.resolved": _status("resolved"),
    "case.closed": _status("closed"),
    "case.handed_over": _handed_over,
    "case.merged": _merged,
    "case.split": _split,
    "work.queued": _queued,
    "work.stepped": _stepped,
    "work.escalated": _escalated,
    "work.assigned": _assigned,
    "offer.made": _offered,
    "offer.ended": _offer_ended,
    **dict.fromkeys(WORK_STATES, _work_state),
}
