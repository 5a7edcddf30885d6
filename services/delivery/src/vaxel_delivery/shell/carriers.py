"""The ways out: the relay, our own log, webhooks; each with the gate in front of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from vaxel_delivery.core.effects import HOOK, LOG, Outcome
from vaxel_delivery.shell.gate import Gate
from vaxel_delivery.shell.publish import Publisher
from vaxel_shared.contracts.commands import Command
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.errors import Poison, Retryable
from vaxel_shared.obs.logging import get_logger

LOG_UNREACHABLE = "log_unreachable"


class Sends(Protocol):
    """Whoever hands messages over; answers what is known, raises nothing of the far side's."""

    async def send(self, message: Any) -> Outcome:
        """Try once."""
        ...


@dataclass(frozen=True, slots=True)
class Way:
    """One way out."""

    sender: Sends
    gate: Gate


class Carriers:
    """The way out of each carrier; a webhook's gate is made when it is first used."""

    def __init__(self, *, mail: Way, log: Way, hooks: Callable[[str], Way]) -> None:
        self._mail = mail
        self._log = log
        self._make = hooks
        self._hooks: dict[str, Way] = {}

    def of(self, carrier: str) -> Way:
        """The way out of an effect with this carrier."""
        if carrier == LOG:
            return self._log
        if not carrier.startswith(HOOK):
            return self._mail
        return self._hooks.setdefault(carrier, self._make(carrier.removeprefix(HOOK)))


class LogSender:
    """Says something by appending it: on the log it is said, because whom it is for reads the log.

    A customer's widget does, and the router, for another pool.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def send(self, message: Interaction | Command) -> Outcome:
        """See :class:`Sends`; after a failed append nobody knows whether it is there."""
        try:
            if isinstance(message, Command):
                await self._publisher.ask(message)
            else:
                await self._publisher.say(message)
        except Poison as error:
            return Outcome("refused", error.code)
        except Retryable:
            return Outcome("lost", LOG_UNREACHABLE, trouble=True)
        return Outcome("done")


def log_way(publisher: Publisher) -> Way:
    """The way onto our own log."""
    return Way(LogSender(publisher), Gate(_told))


def _told(is_open: bool, outcome: Outcome | None, failures: int) -> None:
    if is_open:
        get_logger().info("log_back", attempt=failures)
    else:
        get_logger().warning("log_down", code=outcome.code if outcome else None)
