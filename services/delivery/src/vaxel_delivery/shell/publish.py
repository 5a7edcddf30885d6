"""What delivery says on the log: what it sent, what came of an effect, what an agent answered."""

from __future__ import annotations

import time
from typing import Any, Protocol

from vaxel_delivery.core.effects import Effect
from vaxel_delivery.core.links import Link
from vaxel_shared.clock import Clock
from vaxel_shared.contracts.cloudevents import Event, iso_ms
from vaxel_shared.contracts.commands import Actor, Command, DeliveryResult, OfferAnswer, event_type
from vaxel_shared.contracts.interaction import INTERACTION_TYPE, Interaction
from vaxel_shared.ids import event_id
from vaxel_shared.obs import tracing

SOURCE = "vaxel/delivery"
WORK = "vaxel.work"
INTERACTIONS = "vaxel.interactions"


class Sends(Protocol):
    """The producer: returns once the broker has acknowledged, raises ``Retryable`` otherwise."""

    async def send(self, topic: str, key: str, value: bytes, event: Event) -> Any:
        """Append one record."""
        ...


class Publisher:
    """Appends records with deterministic ids: saying something twice is saying it once."""

    def __init__(self, producer: Sends, clock: Clock) -> None:
        self._producer = producer
        self._clock = clock

    async def outbound(self, effect: Effect) -> None:
        """The interaction of a mail that was sent, at the instant at which it was."""
        if effect.outbound is None:
            return
        at = iso_ms(self._at_ms(effect))
        stored = Interaction.model_validate_json(effect.outbound)
        said = stored.model_copy(update={"occurred_at": at, "received_at": at})
        at_ms, trace = self._at_ms(effect), _place(effect).traceparent
        event = Event(said.id, INTERACTION_TYPE, SOURCE, at_ms, effect.case_id, trace)
        await self._producer.send(INTERACTIONS, said.conversation_key, said.to_json(), event)

    async def say(self, said: Interaction) -> None:
        """A message in a live chat: appending it is delivering it."""
        event = Event(said.id, INTERACTION_TYPE, SOURCE, self._clock.wall_ms(), None)
        await self._producer.send(INTERACTIONS, said.conversation_key, said.to_json(), event)

    async def result(self, effect: Effect, *, decisive: bool = True) -> None:
        """What came of an effect, to the router.

        A result that isn't ``decisive`` names no offer: another carrier's speaks for that.
        """
        result = DeliveryResult.model_validate(
            {
                "effect_id": effect.effect_id,
                "effect": effect.kind,
                "state": effect.state,
                "code": effect.code,
                "offer_id": effect.offer_id if decisive else None,
            }
        )
        command = Command(
            id=event_id("delivery.result", effect.effect_id, effect.state),
            type="delivery.result",
            pool=effect.pool,
            actor=Actor(kind="system", id="delivery"),
            via="delivery",
            case_id=effect.case_id,
            agent_id=effect.agent_id,
            data=result.to_dict(),
        )
        await self._command(command, self._at_ms(effect), _place(effect))

    async def answer(self, link: Link, verb: str, reason: str | None) -> str:
        """An agent's ``accept`` or ``decline`` by link; answers the command's id."""
        kind = f"offer.{verb}"
        command = Command(
            id=answer_id(link, verb),
            type=kind,
            pool=link.pool,
            actor=Actor(kind="agent", id=link.agent_id),
            via="link",
            case_id=link.case_id,
            agent_id=link.agent_id,
            token=link.token,
            data=OfferAnswer(offer_id=link.offer_id, reason=reason).to_dict(),
        )
        await self.ask(command)
        return command.id

    async def ask(self, command: Command) -> None:
        """A command; returns once the broker has it."""
        at = tracing.command(command.case_id or command.id, command.id)
        started_ns = time.time_ns()
        await self._command(command, self._clock.wall_ms(), at)
        tracing.record(
            "delivery.command",
            at,
            start_ns=started_ns,
            end_ns=time.time_ns(),
            parents=[tracing.by_token(command.case_id or command.id, command.token)],
            command_id=command.id,
            type=command.type,
            case_id=command.case_id,
            agent_id=command.agent_id,
            pool=command.pool,
        )

    async def _command(self, command: Command, at_ms: int, at: tracing.Place) -> None:
        kind = event_type(command.type)
        event = Event(command.id, kind, SOURCE, at_ms, command.case_id, at.traceparent)
        await self._producer.send(WORK, command.pool, command.to_json(), event)

    def _at_ms(self, effect: Effect) -> int:
        return effect.finished_ms if effect.finished_ms is not None else self._clock.wall_ms()


def _place(effect: Effect) -> tracing.Place:
    return tracing.effect(effect.case_id, effect.effect_id, effect.attempt)


def answer_id(link: Link, verb: str) -> str:
    """The id of an agent's answer: answering twice is answering once."""
    return event_id(f"offer.{verb}", link.token, link.offer_id, link.agent_id)
