"""Decisions as what delivery does about them: rows to write, in the order of the log.

Pure: one batch in, changes out. A decision whose ``data`` doesn't fit its model is reported as
:class:`Unreadable` and never guessed at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import ValidationError

from vaxel_delivery.core.effects import HOOK, Effect, Kind, hook_lane, lane_of
from vaxel_delivery.core.relays import relayed
from vaxel_delivery.core.routes import MAIL_ONLY, Routes, to_customer
from vaxel_shared import ids
from vaxel_shared.contracts import decisions as shapes
from vaxel_shared.contracts import people
from vaxel_shared.contracts.wire import Batch, Decision


@dataclass(frozen=True, slots=True)
class NewEffect:
    """A decision asks for something; its place in the log makes it unique."""

    effect: Effect
    place: tuple[str, int, int, int]
    """``(log_id, partition, seq, index)``."""


@dataclass(frozen=True, slots=True)
class CaseSeen:
    """What a case is about, as far as this decision says: absent fields keep what they were."""

    case_id: str
    pool: str
    at_ms: int
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OfferOpened:
    """An offer that its link may accept or decline."""

    offer_id: str
    pool: str
    case_id: str
    agent_id: str
    token: str
    number: str
    queue: str
    made_ms: int
    expires_ms: int
    explain: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OfferClosed:
    """An offer that nobody can accept any more."""

    offer_id: str
    outcome: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Reported:
    """The router knows what became of an effect; a sent offer lasts until ``expires_ms``."""

    effect_id: str
    state: str
    code: str | None
    offer_id: str | None = None
    expires_ms: int | None = None


@dataclass(frozen=True, slots=True)
class RosterSeen:
    """Where the names and addresses of a pool's agents stand."""

    pool: str
    directory_ref: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What the router said to a command; ``code`` is None unless it was refused."""

    command_id: str
    code: str | None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A decision whose data isn't what its type promises."""

    type: str
    index: int


Change = NewEffect | CaseSeen | OfferOpened | OfferClosed | Reported | RosterSeen | Unreadable


@dataclass(frozen=True, slots=True)
class Place:
    """Where a batch stands, and which way its effects go."""

    log_id: str
    partition: int
    seq: int
    routes: Routes = MAIL_ONLY


def changes(place: Place, batch: Batch) -> list[Change]:
    """All that one batch of decisions changes here, in order."""
    found: list[Change] = []
    for index, decision in enumerate(batch.decisions):
        handle = _HANDLERS.get(decision.type)
        try:
            found += handle(place, index, decision) if handle is not None else []
            if decision.type in _RELAYED:
                effect = relayed(_effect_id(place, index), decision)
                found += [_effect(place, index, effect)] if effect is not None else []
        except (ValidationError, _Absent):
            found.append(Unreadable(decision.type, index))
    return found


def answered(batch: Batch) -> Iterator[Answered]:
    """What the router said to the commands behind a batch, for whoever waits for it."""
    for decision in batch.decisions:
        refused = decision.type == "command.refused"
        code = str(decision.data.get("code")) if refused else None
        yield Answered(decision.cause, code, decision.type == "command.repeated")


class _Absent(Exception):
    """An id that the decision's type promises is missing."""


def _id(value: str | None) -> str:
    if value is None:
        raise _Absent
    return value


def _effect(place: Place, index: int, effect: Effect) -> NewEffect:
    return NewEffect(effect, (place.log_id, place.partition, place.seq, index))


def _effect_id(place: Place, index: int) -> str:
    return ids.effect_id(place.log_id, place.partition, place.seq, index)


def _contact(_place: Place, _index: int, decision: Decision) -> list[Change]:
    data = shapes.CaseContact.model_validate(decision.data)
    fields = {
        "number": data.number,
        "contact_id": data.contact_id,
        "language": data.language,
        "queue": data.queue,
        "priority": data.priority,
        "closed": False,
    }
    return [_case(decision, fields)]


def _queued(_place: Place, _index: int, decision: Decision) -> list[Change]:
    data = shapes.WorkQueued.model_validate(decision.data)
    fields = {
        "language": data.language,
        "queue": data.queue,
        "priority": data.priority,
        "since_ms": data.since_ms,
        "closed": False,
    }
    return [_case(decision, fields)]


def _closed(_place: Place, _index: int, decision: Decision) -> list[Change]:
    return [_case(decision, {"closed": True})]


def _case(decision: Decision, fields: dict[str, Any]) -> CaseSeen:
    known = {name: value for name, value in fields.items() if value is not None}
    return CaseSeen(_id(decision.case_id), decision.pool, decision.at_ms, known)


def _offer_made(place: Place, index: int, decision: Decision) -> list[Change]:
    data = shapes.OfferMade.model_validate(decision.data)
    offer_id, case_id = _id(decision.offer_id), _id(decision.case_id)
    agent_id = _id(decision.agent_id)
    opened = OfferOpened(
        offer_id=offer_id,
        pool=decision.pool,
        case_id=case_id,
        agent_id=agent_id,
        token=ids.token(place.seq, index),
        number=data.number,
        queue=data.queue,
        made_ms=decision.at_ms,
        expires_ms=data.expires_ms,
        explain=_own_reasons(data.explain),
    )
    effect = Effect(
        effect_id=_effect_id(place, index),
        kind="offer",
        pool=decision.pool,
        case_id=case_id,
        lane=lane_of("offer", case_id, agent_id),
        made_ms=decision.at_ms,
        offer_id=offer_id,
        agent_id=agent_id,
    )
    carriers = place.routes.of_offer(decision.pool, agent_id)
    return [opened, *(_effect(place, index, _carried(effect, carrier)) for carrier in carriers)]


def _carried(effect: Effect, carrier: str) -> Effect:
    """The effect as one of several carriers has it: an id and a lane of its own for a webhook."""
    if not carrier.startswith(HOOK):
        return replace(effect, carrier=carrier)
    name = carrier.removeprefix(HOOK)
    return replace(
        effect,
        carrier=carrier,
        effect_id=f"{effect.effect_id}:{name}",
        lane=hook_lane(name, effect.case_id),
    )


def _told(
    place: Place, index: int, decision: Decision, kind: Kind, carriers: list[str], **said: Any
) -> list[Change]:
    """``assigned`` or ``ended`` by each of these carriers."""
    case_id = _id(decision.case_id)
    effect = Effect(
        effect_id=_effect_id(place, index),
        kind=kind,
        pool=decision.pool,
        case_id=case_id,
        lane=lane_of("offer", case_id, _id(decision.agent_id)),
        made_ms=decision.at_ms,
        agent_id=decision.agent_id,
        data={
            "work_id": decision.work_id,
            "offer_id": decision.offer_id,
            "token": ids.token(place.seq, index),
            "outcome": decision.data.get("outcome"),
            "reason": decision.data.get("reason"),
            **said,
        },
    )
    return [_effect(place, index, _carried(effect, carrier)) for carrier in carriers]


def _work_assigned(place: Place, index: int, decision: Decision) -> list[Change]:
    via = shapes.WorkAssigned.model_validate(decision.data).via
    is_news, agent_id = via != "accept", _id(decision.agent_id)
    carriers = place.routes.of_assigned(decision.pool, agent_id, is_news=is_news)
    return _told(place, index, decision, "assigned", carriers, via=via)


def _work_ended(place: Place, index: int, decision: Decision) -> list[Change]:
    shapes.Reason.model_validate(decision.data)
    return _over(place, index, decision)


def _over(place: Place, index: int, decision: Decision) -> list[Change]:
    """Nobody hears of the end of work that nobody had."""
    if decision.agent_id is None:
        return []
    carriers = place.routes.of_event("ended", decision.pool, decision.agent_id)
    return _told(place, index, decision, "ended", carriers)


def _drifted(place: Place, index: int, decision: Decision) -> list[Change]:
    """The tool that differs is told again what holds, if it hears of such things."""
    data = people.ToolDrifted.model_validate(decision.data)
    kind: Literal["assigned", "ended"] = "assigned" if data.drift == "missing" else "ended"
    told = place.routes.of_event(kind, decision.pool, _id(decision.agent_id))
    carriers = [carrier for carrier in told if carrier == f"{HOOK}{data.source}"]
    if kind == "assigned":
        return _told(place, index, decision, kind, carriers, token=data.token)
    return _told(place, index, decision, kind, carriers, reason="not_yours")


def _own_reasons(explain: shapes.Explain) -> dict[str, Any]:
    """What an agent may see of why: never who else was looked at, nor what ruled them out."""
    return {
        "candidates": explain.candidates,
        "eligible": explain.eligible,
        "terms": [term.to_dict() for term in explain.terms],
        "tie_break": explain.tie_break,
    }


def _offer_ended(place: Place, index: int, decision: Decision) -> list[Change]:
    data = shapes.OfferEnded.model_validate(decision.data)
    closed = OfferClosed(_id(decision.offer_id), data.outcome, decision.at_ms)
    return [closed, *_over(place, index, decision)]


def _replied(place: Place, index: int, decision: Decision) -> list[Change]:
    data = shapes.CaseReplied.model_validate(decision.data)
    effect = Effect(
        effect_id=_effect_id(place, index),
        kind="reply",
        pool=decision.pool,
        case_id=_id(decision.case_id),
        lane=lane_of("reply", data.conversation_key, "customer"),
        carrier=to_customer(data.channel),
        made_ms=decision.at_ms,
        agent_id=decision.agent_id,
        data=data.to_dict(),
    )
    return [_effect(place, index, effect)]


def _notice(place: Place, index: int, decision: Decision) -> list[Change]:
    data = shapes.NoticeDue.model_validate(decision.data)
    effect = Effect(
        effect_id=_effect_id(place, index),
        kind="notice",
        pool=decision.pool,
        case_id=_id(decision.case_id),
        lane=lane_of("notice", data.conversation_key, "customer"),
        carrier=to_customer(data.channel),
        made_ms=decision.at_ms,
        data=data.to_dict(),
    )
    return [_effect(place, index, effect)]


def _reported(_place: Place, _index: int, decision: Decision) -> list[Change]:
    data = shapes.EffectReported.model_validate(decision.data)
    return [
        Reported(data.effect_id, data.state, data.code, decision.offer_id, data.expires_ms),
    ]


def _roster(_place: Place, _index: int, decision: Decision) -> list[Change]:
    data = shapes.RosterAdopted.model_validate(decision.data)
    return [RosterSeen(decision.pool, data.directory_ref)]


_HANDLERS: dict[str, Callable[[Place, int, Decision], list[Change]]] = {
    "case.opened": _contact,
    "case.joined": _contact,
    "case.reopened": _contact,
    "case.closed": _closed,
    "case.merged": _closed,
    "case.handed_over": _closed,
    "case.replied": _replied,
    "work.queued": _queued,
    "offer.made": _offer_made,
    "offer.ended": _offer_ended,
    "notice.due": _notice,
    "effect.reported": _reported,
    "roster.adopted": _roster,
    "work.assigned": _work_assigned,
    "tool.drifted": _drifted,
    "work.closed": _work_ended,
    "work.cancelled": _work_ended,
    "work.abandoned": _work_ended,
}

_RELAYED = frozenset(
    {
        "case.handed_over",
        "contact.forwarded",
        "case.opened",
        "case.joined",
        "case.reopened",
        "case.closed",
        "command.refused",
    }
)
"""What another pool may have to hear of."""
