"""Reading stretches of a topic once: exports, replays, looking for one record.

No cursor and no promise to come back: whoever acts on what it reads wants ``topic_reader``. A gap
is still an error, except where the topic is compacted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from vaxel_shared.errors import Fatal
from vaxel_shared.kafka.admin import Offsets
from vaxel_shared.kafka.client import REQUEST_TIMEOUT_MS, consumer_options, unreachable
from vaxel_shared.kafka.log import OffsetGone, stop_client
from vaxel_shared.kafka.topic_reader import Record, to_record
from vaxel_shared.kafka.topics import declared, partition_count
from vaxel_shared.settings import Settings

POLL_MS = 500
POLL_RECORDS = 1_000


@dataclass(frozen=True, slots=True)
class Bounds:
    """A stretch of a partition: from offset ``begin`` to before ``end``."""

    begin: int
    end: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return self.begin >= self.end


async def bounds(settings: Settings, topic: str) -> dict[int, Bounds]:
    """What each partition holds now. Raises Retryable without a broker, Fatal without the topic."""
    partitions = range(await partition_count(settings, topic))
    offsets = Offsets(settings)
    try:
        begins = await offsets.begins(topic, partitions)
        ends = await offsets.ends(topic, partitions)
    finally:
        await offsets.close()
    return {number: Bounds(begins[number], ends[number]) for number in partitions}


async def scan(
    settings: Settings, topic: str, within: Mapping[int, Bounds]
) -> AsyncGenerator[Record, None]:
    """The records of these stretches, in order within each partition.

    Raises Fatal where records are missing, Retryable without a broker.
    """
    left = {number: one for number, one in within.items() if not one.is_empty}
    if not left:
        return
    consumer = AIOKafkaConsumer(**consumer_options(settings))
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_MS / 1000):
            await consumer.start()
        tps = {number: TopicPartition(settings.topic(topic), number) for number in left}
        consumer.assign(list(tps.values()))
        for number, one in left.items():
            consumer.seek(tps[number], one.begin)
        walk = _Walk(topic, left)
        while walk.left:
            async with asyncio.timeout((REQUEST_TIMEOUT_MS + POLL_MS) / 1000):
                fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
            for rows in fetched.values():
                for raw in rows:
                    if walk.takes(raw.partition, raw.offset):
                        yield to_record(topic, raw)
            for number in list(walk.left):
                # Past what compaction took at the end, only the position shows that it is the end.
                walk.reached(number, await consumer.position(tps[number]))
    except OffsetOutOfRangeError as error:
        raise OffsetGone(
            f"{topic}: records to read are gone; the log was trimmed or cut"
        ) from error
    except (KafkaError, OSError) as error:
        raise unreachable(settings) from error
    finally:
        await stop_client(consumer)


class _Walk:
    """How far each stretch has been read; ``left`` are those not at their end."""

    def __init__(self, topic: str, within: Mapping[int, Bounds]) -> None:
        self.left = dict(within)
        self._topic = topic
        self._next = {number: one.begin for number, one in within.items()}
        self._gaps_allowed = declared(topic).cleanup == "compact"

    def takes(self, partition: int, offset: int) -> bool:
        """Whether the record belongs to the stretch. Raises Fatal where some are missing."""
        if partition not in self.left or offset >= self.left[partition].end:
            return False
        if offset != self._next[partition] and not self._gaps_allowed:
            raise Fatal(
                f"{self._topic} partition {partition}: expected offset {self._next[partition]}, got"
                f" {offset}: records are missing; restore the log from an archive"
            )
        self._next[partition] = offset + 1
        return True

    def reached(self, partition: int, position: int) -> None:
        """The consumer reads next from ``position``."""
        if position >= self.left[partition].end:
            del self.left[partition]
