"""What delivery says on the log: what it sent, what came of an effect, what an agent answered."""

from __future__ import annotations

from typing import Any, Protocol

from vaxel_delivery.core.effects import Effect
from vaxel_delivery.core.links import Link
from vaxel_shared.clock import Clock
from vaxel_shared.contracts.cloudevents import Event, iso_ms
from vaxel_shared.contracts.commands import Actor, Command, DeliveryResult, OfferAnswer, event_type
from vaxel_shared.contracts.interaction import INTERACTION_TYPE, Interaction
from vaxel_shared.ids import event_id

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
        event = Event(said.id, INTERACTION_TYPE, SOURCE, self._at_ms(effect), effect.case_id)
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
        await self._command(command, self._at_ms(effect))

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
        await self._command(command, self._clock.wall_ms())

    async def _command(self, command: Command, at_ms: int) -> None:
        event = Event(command.id, event_type(command.type), SOURCE, at_ms, command.case_id)
        await self._producer.send(WORK, command.pool, command.to_json(), event)

    def _at_ms(self, effect: Effect) -> int:
        return effect.finished_ms if effect.finished_ms is not None else self._clock.wall_ms()


def answer_id(link: Link, verb: str) -> str:
    """The id of an agent's answer: answering twice is answering once."""
    return event_id(f"offer.{verb}", link.token, link.offer_id, link.agent_id)
