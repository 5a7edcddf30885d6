"""Where a reader of several partitions gets its records: one Kafka consumer, or single logs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.client import are_up, consumer_options
from vaxel_shared.kafka.log import (
    READ_TIMEOUT_MS,
    KafkaPartitionLog,
    OffsetGone,
    PartitionLog,
    RawRecord,
    read_one,
    stop_client,
)
from vaxel_shared.settings import Settings


class Source(Protocol):
    """Several partitions of one topic; every call raises ``Retryable`` without a broker."""

    async def start(self, partitions: list[int]) -> None:
        """Stand ready for these partitions."""
        ...

    async def seek(self, positions: Mapping[int, int]) -> None:
        """Read next from these offsets."""
        ...

    async def poll(self, timeout_ms: int, max_records: int) -> list[tuple[int, RawRecord]]:
        """Records with their partitions, in order within each. Raises :class:`OffsetGone`."""
        ...

    async def bounds(self) -> dict[int, tuple[int, int]]:
        """First offset and end of every partition."""
        ...

    async def read_one(self, partition: int, offset: int) -> bytes | None:
        """The value at an offset; None where it isn't there any more."""
        ...

    async def close(self) -> None:
        """Let go of the broker."""
        ...


class LogsSource:
    """Over one :class:`PartitionLog` a partition; polls them in turn."""

    def __init__(self, logs: Mapping[int, PartitionLog]) -> None:
        self._logs = dict(logs)
        self._positions: dict[int, int] = {}

    async def start(self, partitions: list[int]) -> None:
        """See :class:`Source`."""
        assert set(partitions) == set(self._logs), "a log for every partition"

    async def seek(self, positions: Mapping[int, int]) -> None:
        """See :class:`Source`."""
        self._positions.update(positions)

    async def poll(self, timeout_ms: int, max_records: int) -> list[tuple[int, RawRecord]]:
        """See :class:`Source`."""
        found: list[tuple[int, RawRecord]] = []
        for partition, position in self._positions.items():
            chunk = await self._logs[partition].read(position, timeout_ms)
            taken = chunk.records[: max_records - len(found)]
            found.extend((partition, record) for record in taken)
            if len(taken) == len(chunk.records):
                self._positions[partition] = chunk.next_offset
            elif taken:
                self._positions[partition] = taken[-1].offset + 1
        return found

    async def bounds(self) -> dict[int, tuple[int, int]]:
        """See :class:`Source`."""
        return {partition: await log.bounds() for partition, log in self._logs.items()}

    async def read_one(self, partition: int, offset: int) -> bytes | None:
        """See :class:`Source`."""
        return await read_one(self._logs[partition], offset)

    async def close(self) -> None:
        """See :class:`Source`."""
        for log in self._logs.values():
            await log.close()


class KafkaSource:
    """One consumer for all partitions, and one without assignment that asks for bounds."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._settings = settings
        self._topic_name = topic
        self._topic = settings.topic(topic)
        self._partitions: list[TopicPartition] = []
        self._reader: AIOKafkaConsumer | None = None
        self._asker: AIOKafkaConsumer | None = None

    async def start(self, partitions: list[int]) -> None:
        """See :class:`Source`."""
        assert partitions, "a consumer without partitions would read all of them"
        self._partitions = [TopicPartition(self._topic, partition) for partition in partitions]
        try:
            self._reader = await self._started()
            self._asker = await self._started()
        except Retryable:
            await self.close()
            raise

    async def _started(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(**consumer_options(self._settings))
        try:
            await self._bounded("start", consumer.start())
        except Retryable:
            await stop_client(consumer)
            raise
        return consumer

    async def seek(self, positions: Mapping[int, int]) -> None:
        """See :class:`Source`."""
        assert self._reader is not None
        self._reader.assign(self._partitions)
        for partition, offset in positions.items():
            self._reader.seek(TopicPartition(self._topic, partition), offset)

    async def poll(self, timeout_ms: int, max_records: int) -> list[tuple[int, RawRecord]]:
        """See :class:`Source`."""
        assert self._reader is not None
        fetching = self._reader.getmany(timeout_ms=timeout_ms, max_records=max_records)
        try:
            fetched = await self._bounded("read", fetching)
        except OffsetOutOfRangeError as error:
            raise OffsetGone(
                f"{self._topic}: an offset to read is gone ({error}); the log was trimmed or cut:"
                " fold again from a verified snapshot or an archive"
            ) from error
        return [
            (tp.partition, RawRecord(r.offset, r.timestamp, r.key, r.value or b""))
            for tp, records in fetched.items()
            for r in records
        ]

    async def bounds(self) -> dict[int, tuple[int, int]]:
        """See :class:`Source`."""
        assert self._asker is not None
        starts = await self._bounded("ask", self._asker.beginning_offsets(self._partitions))
        ends = await self._bounded("ask", self._asker.end_offsets(self._partitions))
        return {tp.partition: (starts[tp], ends[tp]) for tp in self._partitions}

    async def read_one(self, partition: int, offset: int) -> bytes | None:
        """See :class:`Source`."""
        log = KafkaPartitionLog(self._settings, self._topic_name, partition)
        try:
            return await read_one(log, offset)
        finally:
            await log.close()

    async def close(self) -> None:
        """See :class:`Source`."""
        reader, self._reader = self._reader, None
        asker, self._asker = self._asker, None
        for client in (reader, asker):
            await stop_client(client)

    async def _bounded(self, verb: str, call: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(READ_TIMEOUT_MS / 1000):
                return await call
        except OffsetOutOfRangeError:
            raise
        except (KafkaError, OSError, TimeoutError) as error:
            raise Retryable(
                f"{self._topic}: can't {verb}: {type(error).__name__}; {are_up(self._settings)}"
            ) from error
