"""A producer as services hold one, over the simulated broker."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from simulation.world.broker import Client

from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.kafka.producer import Ack, Outgoing


class WorldProducer:
    """See :class:`vaxel_shared.kafka.producer.Producer`; each topic has one partition here."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def send(
        self, topic: str, key: str, value: bytes, event: Event, *, partition: int | None = None
    ) -> Ack:
        """One record."""
        return (await self._append(topic, key, [value]))[0]

    async def send_many(self, records: Sequence[Outgoing]) -> list[Ack]:
        """In order; those of one topic that follow each other land together or not at all."""
        made: list[Ack] = []
        for topic, some in groupby(records, lambda item: item.topic):
            batch = list(some)
            made += await self._append(topic, batch[0].key, [item.value for item in batch])
        return made

    async def _append(self, topic: str, key: str, values: list[bytes]) -> list[Ack]:
        log = self._client.broker.partition(topic)
        given: Any = values
        last = await self._client.append(log, key.encode(), given)
        return [Ack(0, last.offset, last.timestamp_ms) for _ in values]
