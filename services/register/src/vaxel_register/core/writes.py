"""Requests as commands: what each write of the API asks the router for. Pure.

Text never travels in a command: the shell stores it as a blob first and hands its reference in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from vaxel_register.core import requests
from vaxel_register.core.access import Principal, Role
from vaxel_shared.contracts.commands import DATA, Actor, ActorKind, Command

ACTOR_KINDS: dict[Role, ActorKind] = {
    Role.ADMIN: "system",
    Role.SUPERVISOR: "supervisor",
    Role.SENIOR: "agent",
    Role.AGENT: "agent",
}
"""What the router is told of who asks; it authorises by this. Read-only tokens ask nothing."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A text in the blob store; ``size`` in bytes."""

    ref: str
    sha256: str
    size: int


def text_of(request: requests.Request) -> tuple[Literal["body", "note"], str] | None:
    """The text that must be stored before the command is sent, and the kind of its blob."""
    match request:
        case requests.Reply(text=text):
            return "body", text
        case requests.Note(text=text) | requests.Transfer(note=text):
            return "note", text
        case requests.Consult(note=text) | requests.Verdict(note=text):
            return "note", text
        case _:
            return None


def data_of(request: requests.Request, stored: Stored | None) -> tuple[str, dict[str, Any]]:
    """The type and data of the command that a write to a case, or a presence, asks for."""
    data: dict[str, Any]
    match request:
        case requests.Reply():
            kind = "case.reply"
            data = request.model_dump(include={"then", "expected_seq", "amount", "explanation"})
            data |= _named("body", stored)
        case requests.Note():
            kind, data = "case.note", _named("note", stored)
        case requests.Resolve():
            kind, data = "case.resolve", {"reason": request.reason, "queue": request.queue}
            data["follow_up_ms"] = _ms(request.follow_up_at)
        case requests.Cancel():
            kind, data = "case.cancel", {"reason": request.reason}
        case requests.Wait():
            kind, data = "case.wait", {"waits_for": request.waits_for, "reason": request.reason}
            data |= {"wake_ms": _ms(request.wake_at), "queue": request.queue}
        case requests.Transfer():
            kind, data = "case.transfer", _named("note", stored)
            data |= request.model_dump(include={"to_agent", "to_queue", "to_pool"})
        case requests.Consult():
            kind, data = "case.consult", _named("note", stored)
            data |= request.model_dump(include={"to_agent", "to_queue", "tier", "wait", "amount"})
            data["kind"] = "approve" if isinstance(request, requests.Approve) else "consult"
        case requests.Verdict():
            kind, data = "case.answer", _named("note", stored) | {"verdict": request.verdict}
            data["score"] = request.score
        case requests.Escalate():
            kind, data = "case.escalate", {"tier": request.tier, "reason": request.reason}
            data["since_ms"] = _ms(request.since)
        case _:
            kind, data = _of_managers(request)
    return kind, DATA[kind].model_validate(data).to_dict()


def _of_managers(request: requests.Request) -> tuple[str, dict[str, Any]]:
    """The same of what is done to no work in hand."""
    data: dict[str, Any]
    match request:
        case requests.Merge(reason=reason):
            kind, data = "case.merge", {"reason": reason}
        case requests.Split(reason=reason):
            kind, data = "case.split", {"reason": reason}
        case requests.Suspend():
            kind, data = "case.suspend", {"until_ms": _ms(request.until), "reason": request.reason}
        case requests.Resume():
            kind, data = "case.resume", {"reason": request.reason}
        case requests.Presence():
            kind, data = "agent.presence", {"presence": request.presence, "mode": request.mode}
            data |= {"until_ms": _ms(request.until), "reason": request.reason}
            data |= {"name": request.name, "channels": request.channels, "lost": request.lost}
        case requests.Elsewhere():
            kind, data = "agent.elsewhere", request.model_dump(include={"source", "channels"})
            data["until_ms"] = _ms(request.until)
        case requests.Switch():
            kind, data = "switch.set", {"switch": request.switch, "queue": request.queue}
            data |= {"value": request.to, "on": request.on}
            data |= {"until_ms": _ms(request.until), "reason": request.reason}
        case _:
            raise TypeError(f"no command is made of {type(request).__name__}")
    return kind, data


def make_command(
    principal: Principal,
    *,
    id_: str,
    type_: str,
    pool: str,
    data: dict[str, Any],
    case_id: str | None = None,
    agent_id: str | None = None,
    token: str | None = None,
) -> Command:
    """The command of somebody who asks through this API."""
    return Command(
        id=id_,
        type=type_,
        pool=pool,
        actor=Actor(kind=ACTOR_KINDS[principal.role], id=principal.subject),
        via="api",
        case_id=case_id,
        agent_id=agent_id,
        token=token,
        data=data,
    )


def body_sha256(request: requests.Request) -> str:
    """What tells whether a repeated Idempotency-Key brings the same body."""
    plain = request.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def outcome(decisions: Sequence[dict[str, Any]]) -> tuple[str, str | None, dict[str, Any]]:
    """What became of a command: (done, refused or pending; code of a refusal; its parameters).

    ``command.repeated`` beside what the first one led to says nothing new.
    """
    if not decisions:
        return "pending", None, {}
    told = [item for item in decisions if item["type"] != "command.repeated"]
    for item in told:
        data = item["data"] or {}
        if item["type"] == "command.refused":
            return "refused", str(data.get("code", "refused")), dict(data.get("params") or {})
        if item["type"] == "input.rejected":
            return "refused", "input_rejected", {}
    return "done", None, {}


def _named(what: Literal["body", "note"], stored: Stored | None) -> dict[str, Any]:
    assert stored is not None, "the text of a command is stored before the command is made"
    return {
        f"{what}_ref": stored.ref,
        f"{what}_sha256": stored.sha256,
        f"{what}_size": stored.size,
    }


def answer_data(request: requests.Answer, verb: str, offer_id: str) -> dict[str, Any]:
    """The data of the command that an answer to an offer asks for."""
    retry_ms = _ms(request.retry_at) if verb == "offer.decline" else None
    data = {"offer_id": offer_id, "reason": request.reason, "retry_at_ms": retry_ms}
    return DATA[verb].model_validate(data).to_dict()


def _ms(instant: datetime | None) -> int | None:
    return None if instant is None else round(instant.timestamp() * 1000)
