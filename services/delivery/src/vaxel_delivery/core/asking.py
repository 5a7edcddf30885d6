"""An answer from a tool as the command it asks for; who may ask for what is judged before."""

from __future__ import annotations

from dataclasses import dataclass

from vaxel_shared.connectors.webhook import Answer, Text, asked
from vaxel_shared.contracts.commands import Actor, Command
from vaxel_shared.ids import event_id

VIA = "webhook:"


@dataclass(frozen=True, slots=True)
class Subject:
    """What an answer is about. ``agent_id``: whose offer it is, where it is about one."""

    pool: str
    case_id: str | None = None
    agent_id: str | None = None


def command_id(connector: str, webhook_id: str, answer: Answer) -> str:
    """An offer is answered once, whatever way; everything else is known by its webhook-id."""
    if answer.verb in ("accept", "decline"):
        offer = f"offer.{answer.verb}"
        return event_id(offer, answer.token or "", answer.offer_id or "", answer.agent)
    return event_id("webhook", connector, webhook_id)


def command(
    connector: str, webhook_id: str, answer: Answer, subject: Subject, text: Text | None
) -> Command:
    """The command; ``text`` is the answer's text, stored."""
    kind, data = asked(connector, answer, text)
    return Command(
        id=command_id(connector, webhook_id, answer),
        type=kind,
        pool=subject.pool,
        actor=Actor(kind="agent", id=answer.agent),
        via=f"{VIA}{connector}",
        case_id=subject.case_id,
        agent_id=answer.agent,
        token=answer.token,
        data=data,
    )
