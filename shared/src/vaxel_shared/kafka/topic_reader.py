"""Reading plain topics with cursors of one's own: delivery, register, the CLI.

A cursor is (offset, sha256 of key and value) of the last record read, kept by the caller in the
transaction that keeps its effects. Before reading on, the record at the cursor is read again and
compared: a log that lost its tail and grew a new one has plausible offsets and other records.
Nobody begins at a log's start or end unasked, and no gap goes unseen.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka.admin import Offsets
from vaxel_shared.kafka.client import REQUEST_TIMEOUT_MS, consumer_options, unreachable
from vaxel_shared.kafka.leaders import Leaders
from vaxel_shared.kafka.log import OffsetGone, stop_client
from vaxel_shared.kafka.topics import declared, partition_count
from vaxel_shared.obs import metrics
from vaxel_shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Record:
    """A record as read; ``topic`` without prefix, ``value`` empty for a tombstone."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class TopicCursor:
    """Where a reader of a plain topic stands.

    ``offset`` is that of the last record read, -1 before the first; ``sha256`` is
    :func:`record_sha256` of it in hexadecimal, "" before the first.
    """

    topic: str
    partition: int
    offset: int = -1
    sha256: str = ""

    def row(self) -> dict[str, object]:
        """For :func:`vaxel_shared.sql.save_cursor`."""
        return {
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "sha256": self.sha256,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> TopicCursor:
        """From :func:`vaxel_shared.sql.load_cursors`."""
        return cls(row["topic"], row["partition"], row["offset"], row["sha256"])


def record_sha256(key: bytes | None, value: bytes) -> bytes:
    """What identifies a record's content: SHA-256 over key and value, with the key's length first.

    The one definition for cursors and for ``through_sha256`` of the chain. No key counts as an
    empty one.
    """
    named = key or b""
    return hashlib.sha256(len(named).to_bytes(4, "big") + named + value).digest()


def to_record(topic: str, raw: Any) -> Record:
    """Aiokafka's record as ours; ``topic`` without prefix."""
    return Record(
        topic, raw.partition, raw.offset, raw.timestamp, raw.key, raw.value or b"",
        tuple(raw.headers),
    )  # fmt: skip


class TopicReader:
    """Reads partitions of one topic, each from its cursor; partitions in any order.

    ``partitions`` names those to read; left out, all of them.
    ``cursors`` are by partition. Where there are none at all, ``cold_start`` (by default the
    settings') decides: "halt" raises Fatal unless the log has never had a record, "genesis" reads
    from offset 0, "end" what is new from now on (for live views, whose reader asks for the rest).
    Where the store knows some partitions, one that it doesn't know had no record when it was last
    looked at, and is read from offset 0: that can't pass over anything. Store every partition's
    cursor right after :meth:`start`, so that the store is never without.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        cursors: Mapping[int, TopicCursor],
        *,
        cold_start: Literal["halt", "genesis", "end"] | None = None,
        partitions: Sequence[int] | None = None,
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._cursors = dict(cursors)
        self._only = partitions
        self._cold_start: Literal["halt", "genesis", "end"] = (
            "genesis" if cursors else cold_start or settings.cold_start
        )
        self._gaps_allowed = declared(topic).cleanup == "compact"
        self._offsets = Offsets(settings)
        self._consumer: AIOKafkaConsumer | None = None
        self._leaders: Leaders | None = None
        self._ends_at_start: dict[int, int] = {}

    async def start(self) -> None:
        """Verify every cursor and stand ready to read.

        Raises Fatal where one doesn't fit the log, Retryable without a broker.
        """
        count = await partition_count(self._settings, self._topic)
        own = list(range(count)) if self._only is None else list(self._only)
        begins = await self._offsets.begins(self._topic, own)
        ends = self._ends_at_start = await self._offsets.ends(self._topic, own)
        for partition in own:
            known = self._cursors.get(partition)
            self._cursors[partition] = known or self._cold(partition, ends[partition])
            if known is not None or self._cold_start != "end":
                await self._verify(self._cursors[partition], begins[partition], ends[partition])
        consumer = AIOKafkaConsumer(**consumer_options(self._settings))
        await _bounded(self._settings, consumer, consumer.start())
        self._consumer, self._leaders = consumer, Leaders(consumer)
        consumer.assign([self._tp(partition) for partition in own])
        for partition, cursor in self._cursors.items():
            consumer.seek(self._tp(partition), cursor.offset + 1)

    async def poll(self, timeout_ms: int = 200, max_records: int = 500) -> list[Record]:
        """The next records, in order within each partition; none where none came in time.

        Raises Fatal where records are missing.
        """
        assert self._consumer is not None, "start it first"
        try:
            async with asyncio.timeout((REQUEST_TIMEOUT_MS + timeout_ms) / 1000):
                fetched = await self._consumer.getmany(
                    timeout_ms=timeout_ms, max_records=max_records
                )
            for tp in await self._verify_moved():
                fetched.pop(tp, None)  # perhaps still the old leader's; they are read again
        except (OffsetOutOfRangeError, NoOffsetForPartitionError) as error:
            raise OffsetGone(f"{self._topic}: records at the cursor are gone; {_REMEDY}") from error
        except Retryable:
            self._go_back()
            raise
        except (KafkaError, OSError) as error:  # TimeoutError is an OSError
            self._go_back()
            raise unreachable(self._settings) from error
        records = [to_record(self._topic, raw) for rows in fetched.values() for raw in rows]
        for record in records:
            self._advance(record)
        metrics.CONSUMED.labels(self._topic).inc(len(records))
        return records

    def _go_back(self) -> None:
        """Nothing was returned of what the consumer has perhaps moved past: read it again."""
        assert self._consumer is not None
        for partition, cursor in self._cursors.items():
            self._consumer.seek(self._tp(partition), cursor.offset + 1)

    async def _verify_moved(self) -> list[TopicPartition]:
        """Verify the cursors of partitions that have got another leader, and go back to them."""
        assert self._consumer is not None
        assert self._leaders is not None
        moved = self._leaders.changed(map(self._tp, self._cursors))
        for tp, leader in moved.items():
            cursor, only = self._cursors[tp.partition], [tp.partition]
            begins = await self._offsets.begins(self._topic, only)
            ends = await self._offsets.ends(self._topic, only)
            await self._verify(cursor, begins[tp.partition], ends[tp.partition])
            self._leaders.note(tp, leader)
            if not self._gaps_allowed:
                self._consumer.seek(tp, cursor.offset + 1)
        return [] if self._gaps_allowed else list(moved)

    def cursor(self, partition: int) -> TopicCursor:
        """After the last record that :meth:`poll` returned of this partition."""
        return self._cursors[partition]

    @property
    def partitions(self) -> list[int]:
        """All partitions of the topic."""
        return sorted(self._cursors)

    async def at_end(self) -> bool:
        """True if nothing is left to read, as of now. Raises Retryable without a broker."""
        return not any((await self.lag()).values())

    async def caught_up(self) -> bool:
        """True if all is read that the log held at the start.

        A log that grows all the time is rarely read to its end at the moment of asking: whoever
        waits for that waits until the traffic stops.
        """
        for partition, end in self._ends_at_start.items():
            if await self._next(partition) < end:
                return False
        return True

    async def lag(self) -> dict[int, int]:
        """How many offsets are left to read, by partition. Raises Retryable without a broker."""
        ends = await self._offsets.ends(self._topic, self._cursors)
        left = {}
        for partition, end in ends.items():
            left[partition] = max(0, end - await self._next(partition))
            metrics.LAG.labels(self._topic, str(partition)).set(left[partition])
        return left

    async def _next(self, partition: int) -> int:
        """The offset to be read next."""
        assert self._consumer is not None, "start it first"
        at = self._cursors[partition].offset + 1
        if self._gaps_allowed:  # compaction may have taken the last records
            at = max(at, await self._consumer.position(self._tp(partition)))
        return at

    async def close(self) -> None:
        """Let go of the broker."""
        consumer, self._consumer = self._consumer, None
        await stop_client(consumer)
        await self._offsets.close()

    def _tp(self, partition: int) -> TopicPartition:
        return TopicPartition(self._settings.topic(self._topic), partition)

    def _cold(self, partition: int, end: int) -> TopicCursor:
        if self._cold_start == "halt" and end > 0:
            raise Fatal(
                f"{self._topic} partition {partition}: no cursor for a log of {end} records; "
                "restore this service's database, or fold again with VAXEL_COLD_START=genesis"
            )
        at_end = self._cold_start == "end"
        return TopicCursor(self._topic, partition, end - 1 if at_end else -1)

    async def _verify(self, cursor: TopicCursor, begin: int, end: int) -> None:
        where = f"{self._topic} partition {cursor.partition}"
        following = cursor.offset + 1
        if following > end:
            raise Fatal(
                f"{where}: the cursor is at {cursor.offset}, the log ends at {end}: acknowledged "
                f"records were cut, or this is another log; {_REMEDY}"
            )
        if self._gaps_allowed:
            return
        if following < begin:
            raise Fatal(
                f"{where}: the cursor is at {cursor.offset}, the log begins at {begin}: "
                f"{begin - following} records went unread; {_REMEDY}"
            )
        if cursor.offset < 0 or following == begin or not cursor.sha256:
            return  # nothing to compare with; a cursor at an end where nothing came yet has no hash
        record = await self._record_at(cursor.partition, cursor.offset)
        if record_sha256(record.key, record.value).hex() != cursor.sha256:
            raise Fatal(
                f"{where}: offset {cursor.offset} holds another record than when it was read: "
                f"acknowledged records were cut and overwritten; {_REMEDY}"
            )

    async def _record_at(self, partition: int, offset: int) -> Record:
        return await read_record(self._settings, self._topic, partition, offset)

    def _advance(self, record: Record) -> None:
        before = self._cursors[record.partition]
        expected = before.offset + 1
        if record.offset < expected or (record.offset > expected and not self._gaps_allowed):
            raise Fatal(
                f"{self._topic} partition {record.partition}: expected offset {expected}, "
                f"got {record.offset}: records are missing; {_REMEDY}"
            )
        digest = record_sha256(record.key, record.value).hex()
        self._cursors[record.partition] = replace(before, offset=record.offset, sha256=digest)


_REMEDY = "restore the log from an archive, or fold this service's database again"


async def read_record(settings: Settings, topic: str, partition: int, offset: int) -> Record:
    """The one record at an offset of a topic (named without prefix).

    Raises OffsetGone (a Fatal) where it isn't in the log, Retryable without a broker.
    """
    tp = TopicPartition(settings.topic(topic), partition)
    consumer = AIOKafkaConsumer(**consumer_options(settings))
    await _bounded(settings, consumer, consumer.start())
    try:
        consumer.assign([tp])
        consumer.seek(tp, offset)
        async with asyncio.timeout(2 * REQUEST_TIMEOUT_MS / 1000):
            fetched = await consumer.getmany(tp, timeout_ms=REQUEST_TIMEOUT_MS, max_records=1)
    except OffsetOutOfRangeError as error:
        raise OffsetGone(f"{topic} partition {partition}: no offset {offset}") from error
    except (KafkaError, OSError) as error:
        raise unreachable(settings) from error
    finally:
        await stop_client(consumer)
    rows = fetched.get(tp)
    if not rows:
        raise Retryable(f"{topic} partition {partition}: offset {offset} couldn't be read in time")
    if rows[0].offset != offset:
        raise OffsetGone(f"{topic} partition {partition}: no offset {offset}")
    return to_record(topic, rows[0])


async def _bounded(settings: Settings, consumer: AIOKafkaConsumer, start: Any) -> None:
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_MS / 1000):
            await start
    except (KafkaError, OSError) as error:
        await stop_client(consumer)
        raise unreachable(settings) from error
