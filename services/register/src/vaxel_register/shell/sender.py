"""The register's way onto the log: one producer, which may come later than the API."""

from __future__ import annotations

import asyncio
from typing import Protocol

from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.deadletters import park
from vaxel_shared.kafka.producer import Ack, Producer
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.obs.logging import get_logger
from vaxel_shared.settings import Settings

SOURCE = "vaxel/register"


class Outlet(Protocol):
    """Where commands go."""

    async def send(self, topic: str, key: str, value: bytes, event: Event) -> Ack:
        """Answers once it is kept. Raises Retryable: then nobody knows whether it is."""
        ...


class Sender:
    """Connects in a task of its own, so that reading works while the broker is away."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: Producer | None = None

    @property
    def connected(self) -> bool:
        """Whether the broker was reached."""
        return self._producer is not None

    async def run(self, stop: asyncio.Event) -> None:
        """Connect, keep the producer until ``stop``, close it."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set() and self._producer is None:
                connecting = asyncio.ensure_future(Producer.start(self._settings, SOURCE))
                await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not connecting.done():
                    connecting.cancel()
                    await asyncio.wait({connecting})
                    return
                try:
                    self._producer = connecting.result()
                except Retryable as error:
                    get_logger().warning("connect_failed", error=str(error))
            await stopping
        finally:
            stopping.cancel()
            if self._producer is not None:
                await self._producer.close()

    async def send(self, topic: str, key: str, value: bytes, event: Event) -> Ack:
        """See :class:`Outlet`."""
        return await self._connected().send(topic, key, value, event)

    async def park(self, record: Record, reason: str) -> None:
        """Put a record that can't be read into the dead letters."""
        await park(
            self._connected(), self._settings, record,
            service="register", error_class="poison", reason=reason,
        )  # fmt: skip

    def _connected(self) -> Producer:
        if self._producer is None:
            raise Retryable(
                f"the log at {self._settings.broker} doesn't answer yet; try again in a moment"
            )
        return self._producer
