"""What pools say to each other, which share nothing: decisions of one as commands to another.

The command's id follows from the place of the decision, so saying it twice is saying it once. What
goes from one pool to another goes in the order of the log: whoever passes a contact on has handed
its case over before.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from vaxel_delivery.core.effects import LOG, Effect
from vaxel_shared.contracts import decisions as shapes
from vaxel_shared.contracts import ties
from vaxel_shared.contracts.commands import Actor, Command, ContactAdd
from vaxel_shared.contracts.ties import HandedFrom
from vaxel_shared.contracts.wire import Decision
from vaxel_shared.ids import event_id


def relayed(effect_id: str, decision: Decision) -> Effect | None:
    """The effect of a decision that another pool must hear of; None: none must.

    Raises ``ValidationError`` where its data isn't what its type promises.
    """
    if decision.type in ("case.handed_over", "contact.forwarded"):
        return _told(effect_id, decision)
    if decision.type == "case.closed":
        closed = shapes.CaseClosed.model_validate(decision.data).handed
        return None if closed is None else _answer(effect_id, decision, closed, state="closed")
    if decision.type == "command.refused":
        refused = shapes.CommandRefused.model_validate(decision.data)
        origin = _origin(refused.params.get("handed"))
        if origin is None:
            return None
        return _answer(effect_id, decision, origin, state="refused", code=refused.code)
    contact = shapes.CaseContact.model_validate(decision.data)
    taken = contact.handed
    if taken is None or taken.hand_over is None:
        return None
    origin = HandedFrom(pool=taken.from_pool, case_id=taken.case_id, hand_over=taken.hand_over)
    said = {"to_case_id": decision.case_id, "to_number": contact.number}
    return _answer(effect_id, decision, origin, state="taken", **said)


def _origin(said: Any) -> HandedFrom | None:
    """Where a refused case came from; None: it came from nowhere, or doesn't say."""
    try:
        return None if said is None else HandedFrom.model_validate(said)
    except ValidationError:
        return None


def _told(effect_id: str, decision: Decision) -> Effect | None:
    """The other pool hears of a case, or of a contact of one that it has."""
    said: shapes.CaseHandedOver | ties.ContactForwarded
    if decision.type == "case.handed_over":
        said = shapes.CaseHandedOver.model_validate(decision.data)
    else:
        said = ties.ContactForwarded.model_validate(decision.data)
    if said.contact is None:
        return None
    data = said.contact.to_dict()
    if said.contact.handed is not None:
        data["handed"]["hand_over"] = effect_id
    about = decision.case_id or _first_case(said.contact)
    command = {"type": "contact.add", "pool": said.to_pool, "case_id": None, "data": data}
    return _effect(effect_id, decision, about, command)


def _first_case(contact: ContactAdd) -> str:
    return contact.forwarded.case_id if contact.forwarded is not None else contact.contact_id


def _answer(effect_id: str, decision: Decision, origin: HandedFrom, **said: Any) -> Effect:
    """The pool that a case came from hears what became of it."""
    known = {name: value for name, value in said.items() if value is not None}
    data = {"hand_over": origin.hand_over, **known}
    there = {"pool": origin.pool, "case_id": origin.case_id}
    command = {"type": "case.handed", **there, "data": data}
    return _effect(effect_id, decision, decision.case_id or origin.case_id, command)


def _effect(effect_id: str, decision: Decision, about: str, command: dict[str, Any]) -> Effect:
    return Effect(
        effect_id=effect_id,
        kind="relay",
        pool=decision.pool,
        case_id=about,
        lane=f"relay|{decision.pool}|{command['pool']}",
        carrier=LOG,
        made_ms=decision.at_ms,
        data=command,
    )


def command_of(effect: Effect) -> Command:
    """The command that an effect is carried out by."""
    kind = str(effect.data["type"])
    return Command(
        id=event_id("relay", kind, effect.effect_id),
        type=kind,
        pool=effect.data["pool"],
        actor=Actor(kind="system", id="delivery"),
        via="delivery",
        case_id=effect.data["case_id"],
        data=effect.data["data"],
    )
