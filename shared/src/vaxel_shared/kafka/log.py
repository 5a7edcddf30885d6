"""One partition of a topic, as the commit protocol sees it, and the real one on Apache Kafka.

The protocol needs little of a log: append one record and learn where it landed, read from an
offset, ask where the log begins and ends. :class:`PartitionLog` is that port; the simulated log of
``tests/simulation`` is the other implementation, and one test suite runs on both.

An append has one good outcome, an :class:`Acknowledged` offset, which the *caller* judges. All
else is :class:`AppendFailed`: the record may be in the log, may land later, or never. aiokafka
retries for ever where replicas are missing and doesn't withdraw a record whose sender gave up, so
every append has a deadline of ours, and after a failure the producer is abandoned, never
``stop()``ped (that hangs behind the record it can't send).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, OffsetOutOfRangeError

from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka.client import are_up, consumer_options, producer_options
from vaxel_shared.settings import Settings

Headers = Sequence[tuple[str, bytes]]

APPEND_TIMEOUT_MS = 5_000
"""Longer than an append ever takes on a healthy cluster, shorter than people wait for an answer."""
READ_TIMEOUT_MS = 10_000
"""One call to the broker that reads or asks; after it, the broker counts as away."""
EMPTY_READS_MAX = 50
"""Reads of 200 ms without progress although the log has more: the broker doesn't serve it."""
CHUNK_RECORDS = 1_000
"""Records held at a time when a log is folded."""


class AppendFailed(Retryable):
    """The outcome of an append is unknown; nothing may be assumed but what the log says."""


class OffsetGone(Fatal):
    """The offset to read from is not, or no longer, in the log."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Where the broker says a record landed; -1 where it only says that it did, once."""

    offset: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record as it stands in the log."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some records in order, and the offset to read from next (compaction leaves gaps)."""

    records: tuple[RawRecord, ...]
    next_offset: int


class PartitionLog(Protocol):
    """One partition of a topic."""

    async def append(self, key: bytes, value: bytes, headers: Headers) -> Acknowledged:
        """Append one record; raises :class:`AppendFailed` for every outcome but an offset."""
        ...

    async def abandon(self) -> None:
        """Let go of whatever append is under way: it may still land."""
        ...

    async def read(self, offset: int, timeout_ms: int = 200) -> Chunk:
        """Up to :data:`CHUNK_RECORDS` records from ``offset`` on; none where none came in time.

        Raises :class:`OffsetGone` for an offset outside the log, ``Retryable`` without a broker.
        """
        ...

    async def rest(self) -> None:
        """Reading is over for now."""
        ...

    async def bounds(self) -> tuple[int, int]:
        """The first offset in the log and the one that the next record gets."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...


class KafkaPartitionLog:
    """One partition on Apache Kafka, with a producer and consumers of its own.

    Three clients, each made when first needed: a producer, replaced after a failure; a consumer
    that reads, closed by :meth:`rest` once a log is folded; and one without assignment that asks
    for bounds in 1 to 2 ms (on a consumer that fetches it takes 500, behind the long poll).
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        partition: int,
        *,
        append_timeout_ms: int = APPEND_TIMEOUT_MS,
    ) -> None:
        self._settings = settings
        self._tp = TopicPartition(settings.topic(topic), partition)
        self._append_timeout_ms = append_timeout_ms
        self._producer: AIOKafkaProducer | None = None
        self._reader: AIOKafkaConsumer | None = None
        self._asker: AIOKafkaConsumer | None = None

    async def append(self, key: bytes, value: bytes, headers: Headers) -> Acknowledged:
        """See :class:`PartitionLog`."""
        try:
            async with asyncio.timeout(self._append_timeout_ms / 1000):
                if self._producer is None:
                    self._producer = AIOKafkaProducer(**producer_options(self._settings))
                    await self._producer.start()
                metadata = await self._producer.send_and_wait(
                    self._tp.topic,
                    key=key,
                    value=value,
                    headers=list(headers),
                    partition=self._tp.partition,
                )
        except MessageSizeTooLargeError as error:
            raise AppendFailed(
                f"{self._name}: a record of {len(value)} bytes is too large; raise the topic's"
                " max.message.bytes with `vaxel topics apply`"
            ) from error
        except TimeoutError as error:
            raise AppendFailed(
                f"{self._name}: no acknowledgement in {self._append_timeout_ms} ms; are enough"
                " brokers up?"
            ) from error
        except (KafkaError, OSError) as error:
            raise AppendFailed(f"{self._name}: {type(error).__name__} on append") from error
        return Acknowledged(metadata.offset, metadata.timestamp)

    async def abandon(self) -> None:
        """See :class:`PartitionLog`."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await discard(producer)

    async def read(self, offset: int, timeout_ms: int = 200) -> Chunk:
        """See :class:`PartitionLog`."""
        try:
            async with asyncio.timeout((READ_TIMEOUT_MS + timeout_ms) / 1000):
                reader = await self._reading_from(offset)
                fetched = await reader.getmany(
                    self._tp, timeout_ms=timeout_ms, max_records=CHUNK_RECORDS
                )
                position = await reader.position(self._tp)
        except OffsetOutOfRangeError as error:
            raise OffsetGone(f"{self._name}: offset {offset} is not in the log") from error
        except (KafkaError, OSError, TimeoutError) as error:
            await self.rest()
            raise Retryable(_away(self._settings, f"{self._name}: can't read", error)) from error
        records = tuple(
            RawRecord(r.offset, r.timestamp, r.key, r.value or b"")
            for r in fetched.get(self._tp, ())
        )
        return Chunk(records, position)

    async def bounds(self) -> tuple[int, int]:
        """See :class:`PartitionLog`."""
        try:
            async with asyncio.timeout(READ_TIMEOUT_MS / 1000):
                if self._asker is None:
                    self._asker = AIOKafkaConsumer(**consumer_options(self._settings))
                    await self._asker.start()
                start = await self._asker.beginning_offsets([self._tp])
                end = await self._asker.end_offsets([self._tp])
        except (KafkaError, OSError, TimeoutError) as error:
            asker, self._asker = self._asker, None
            await stop_client(asker)
            raise Retryable(_away(self._settings, f"{self._name}: can't ask", error)) from error
        return start[self._tp], end[self._tp]

    async def rest(self) -> None:
        """See :class:`PartitionLog`; a consumer that stays assigned would go on fetching."""
        reader, self._reader = self._reader, None
        await stop_client(reader)

    async def close(self) -> None:
        """See :class:`PartitionLog`."""
        await self.abandon()
        await self.rest()
        asker, self._asker = self._asker, None
        await stop_client(asker)

    @property
    def _name(self) -> str:
        return f"{self._tp.topic} partition {self._tp.partition}"

    async def _reading_from(self, offset: int) -> AIOKafkaConsumer:
        if self._reader is None:
            self._reader = AIOKafkaConsumer(**consumer_options(self._settings))
            await self._reader.start()
            self._reader.assign([self._tp])
            self._reader.seek(self._tp, offset)
        elif await self._reader.position(self._tp) != offset:
            self._reader.seek(self._tp, offset)
        return self._reader


async def scan(
    log: PartitionLog, offset: int, end: int, visit: Callable[[RawRecord], None]
) -> None:
    """Hand every record from ``offset`` to (at least) ``end`` to ``visit``, then rest.

    Raises ``Retryable`` where the log has more but nothing comes.
    """
    empty_reads = 0
    try:
        while offset < end:
            chunk = await log.read(offset)
            empty_reads = 0 if chunk.next_offset > offset else empty_reads + 1
            if empty_reads > EMPTY_READS_MAX:
                raise Retryable(f"nothing comes at offset {offset} of {end}; is the leader up?")
            for record in chunk.records:
                visit(record)
            offset = chunk.next_offset
    finally:
        await log.rest()


async def read_one(log: PartitionLog, offset: int) -> bytes | None:
    """The value at ``offset`` of a log; None where it isn't there (any more)."""
    start, end = await log.bounds()
    if not start <= offset < end:
        return None
    try:
        chunk = await log.read(offset, READ_TIMEOUT_MS)
    except OffsetGone:
        return None  # trimmed between the question and the read
    finally:
        await log.rest()
    if chunk.next_offset == offset:
        raise Retryable(f"nothing comes at offset {offset} of {end}; is the leader up?")
    return chunk.records[0].value if chunk.records and chunk.records[0].offset == offset else None


async def discard(producer: Any) -> None:
    """Throw a producer away without waiting for what it still holds.

    Its ``stop()`` would wait for records that can't be sent, for ever. Cancelling its sender and
    closing its connections ends its retries; a request already on the wire may still be served.
    """
    sender_task = producer._sender.sender_task  # noqa: SLF001 - there is no public way to stop now
    if sender_task is not None:
        sender_task.cancel()
    producer._closed = True  # noqa: SLF001 - else its destructor warns of a producer left open
    await _bounded(producer.client.close())


async def stop_client(consumer: Any | None) -> None:
    """Stop a consumer, if there is one; one that doesn't answer is let go."""
    if consumer is not None:
        await _bounded(consumer.stop())


async def _bounded(closing: Coroutine[Any, Any, None]) -> None:
    """Wait for a client to close, but not for long: what hangs here dies with the process.

    In a task of its own: aiokafka's ``stop()`` can end in a CancelledError that isn't ours (of a
    task that it cancelled before that had begun), and would take the caller along.
    """
    task = asyncio.ensure_future(closing)
    done, _ = await asyncio.wait({task}, timeout=READ_TIMEOUT_MS / 1000)
    if not done:
        task.cancel()
    elif not task.cancelled():
        error = task.exception()  # Kafka's own don't matter: it was to be thrown away
        if error is not None and not isinstance(error, KafkaError | OSError):
            raise error


def _away(settings: Settings, what: str, error: BaseException) -> str:
    return f"{what}: {type(error).__name__}; {are_up(settings)}"
