"""At-least-once consumption by a group, for services without a store of their own (triage).

One batch of one partition at a time, in order: handled, its effects acknowledged, then its offset
committed, together with the hash of its last record. What can never be handled is parked as a dead
letter first. Nothing is fetched ahead of the handler but one buffer a partition, so a slow handler
slows the reading down and nothing grows.

Members are static: after a kill one is back at once instead of after a session time-out. Where the
group has no offset the log is read from its start; that is safe only for handlers whose effects
have deterministic ids, and those are the only ones allowed here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from vaxel_shared.errors import Poison, Retryable
from vaxel_shared.kafka.admin import Offsets, group_offsets
from vaxel_shared.kafka.client import REQUEST_TIMEOUT_MS, consumer_options, unreachable
from vaxel_shared.kafka.deadletters import PoisonLimit, TooMuchPoison, park
from vaxel_shared.kafka.group_cursor import GroupCursor
from vaxel_shared.kafka.leaders import Leaders
from vaxel_shared.kafka.log import stop_client
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.retry import Backoff, Stopping
from vaxel_shared.kafka.topic_reader import Record, record_sha256, to_record
from vaxel_shared.kafka.topics import partition_count
from vaxel_shared.kafka.watchdog import STALL_MS, Watchdog
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger
from vaxel_shared.settings import Settings

BATCH_RECORDS_MAX = 200
"""Small enough that a batch is done well within the drain time."""
DRAIN_MS = 5_000
"""What a batch under way is given when the process is asked to stop."""
RETRY_MS_MAX = 60_000
"""How long one batch is tried again in place before the process ends and starts clean."""
FETCH_MS_MAX = 25_000
"""A rebalance takes as long as a dead member's session, 10 s; what takes longer is stuck."""
CLOSE_MS = 2_000
POLL_MS = 200

T = TypeVar("T")
Handle = Callable[[list[Record]], Awaitable[None]]
"""Handles records of one partition, in order; returns when their effects are acknowledged.

Raises Poison with ``.record`` set when everything before that record is done and it can never be;
without ``.record`` the batch is given again, one record at a time. Retryable: the same batch again.
"""


class GroupConsumer:
    """Reads ``topic`` (without prefix) as a member of ``group``; :meth:`run` is a task."""

    def __init__(
        self,
        settings: Settings,
        topic: str,
        group: str,
        *,
        retry_ms_max: int = RETRY_MS_MAX,
        stall_ms: int = STALL_MS,
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._service = group
        self._group = f"{settings.topic_prefix}{group}"
        self._backoff = Backoff(retry_ms_max)
        self._stall_ms = stall_ms
        self._stop = asyncio.Event()
        self._rebalances = _Rebalances()
        self._cursor = GroupCursor(settings, topic, self._group)
        self._limit = PoisonLimit(topic)
        self._halted: dict[int, str] = {}
        self._letters: Producer | None = None

    async def run(self, handle: Handle, stop: asyncio.Event) -> None:
        """Consume until ``stop`` is set, then finish or drop the batch under way within 5 s.

        Raises Fatal where going on could lose or double something, or would get nowhere.
        """
        self._stop = stop
        try:
            consumer = await self._start()
        except Stopping:
            return
        offsets = Offsets(self._settings)
        watchdog = Watchdog(
            self._topic,
            self._committed,
            lambda: offsets.ends(self._topic, self._read_by(consumer)),
            stall_ms=self._stall_ms,
        )
        consuming = asyncio.ensure_future(self._consume(consumer, handle))
        watching = asyncio.ensure_future(watchdog.run(stop))
        try:
            await asyncio.wait({consuming, watching}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            await consuming
        finally:
            for task in (consuming, watching):
                task.cancel()
            await asyncio.gather(consuming, watching, return_exceptions=True)
            await self._close(consumer, offsets)

    def reasons(self) -> list[str]:
        """Why partitions stand still, a line each."""
        return list(self._halted.values())

    def _read_by(self, consumer: AIOKafkaConsumer) -> list[int]:
        """The partitions that should make progress."""
        own = {tp.partition for tp in consumer.assignment()}
        return sorted(own - self._halted.keys())

    async def _close(self, consumer: AIOKafkaConsumer, offsets: Offsets) -> None:
        closing = [stop_client(consumer), offsets.close()]
        if self._letters is not None:
            closing.append(self._letters.close())
        tasks = [asyncio.ensure_future(one) for one in closing]
        await asyncio.wait(tasks, timeout=CLOSE_MS / 1000)  # a dead broker must not hold us up

    async def _committed(self) -> Mapping[int, int]:
        found = await group_offsets(self._settings, self._group, self._topic)
        return {partition: row.offset for partition, row in found.items()}

    async def _start(self) -> AIOKafkaConsumer:
        options = consumer_options(self._settings) | {
            "group_id": self._group,
            "group_instance_id": f"{self._group}-{self._settings.instance}",
            # Without an offset, or with one that is gone: GroupCursor tells the two apart.
            "auto_offset_reset": "earliest",
            "session_timeout_ms": 10_000,
            "heartbeat_interval_ms": 1_000,
        }
        # A missing topic would hang the client.
        await self._persist("start", lambda: partition_count(self._settings, self._topic))

        async def start_one() -> AIOKafkaConsumer:
            consumer = AIOKafkaConsumer(**options)
            consumer.subscribe([self._settings.topic(self._topic)], listener=self._rebalances)
            try:
                async with asyncio.timeout(REQUEST_TIMEOUT_MS / 1000):
                    await consumer.start()
            except (KafkaError, OSError) as error:
                await stop_client(consumer)
                raise unreachable(self._settings) from error
            return consumer

        return await self._persist("start", start_one)

    async def _consume(self, consumer: AIOKafkaConsumer, handle: Handle) -> None:
        seen, leaders = self._rebalances.count, Leaders(consumer)
        try:
            while not self._stop.is_set():
                fetched = await self._fetch(consumer)
                if seen != self._rebalances.count:
                    seen = self._rebalances.count
                    self._begin_anew()
                for tp in await self._verify_moved(consumer, leaders):
                    fetched.pop(tp, None)  # perhaps still the old leader's; they are read again
                for tp, rows in fetched.items():
                    if seen != self._rebalances.count:
                        break  # whoever owns the partition now begins at its committed offset
                    records = [to_record(self._topic, row) for row in rows]
                    await self._batch(consumer, tp, records, handle)
        except Stopping:
            return  # what isn't committed is read again

    def _begin_anew(self) -> None:
        """After a rebalance: every partition's place is verified again, and none stands still."""
        self._cursor.forget()
        self._limit.forget()
        for partition in self._halted:
            metrics.PARTITION_HALTED.labels(self._topic, str(partition)).set(0)
        self._halted.clear()

    def _halt(
        self, consumer: AIOKafkaConsumer, tp: TopicPartition, first: int, why: TooMuchPoison
    ) -> None:
        """Read no further in a partition; the others go on. Its place stays before the batch."""
        consumer.pause(tp)
        consumer.seek(tp, first)
        self._halted[tp.partition] = str(why)
        metrics.PARTITION_HALTED.labels(self._topic, str(tp.partition)).set(1)
        get_logger().error(
            "partition_halted", topic=self._topic, partition=tp.partition, error=str(why)
        )

    async def _verify_moved(
        self, consumer: AIOKafkaConsumer, leaders: Leaders
    ) -> list[TopicPartition]:
        """Look again at what was read last where another broker leads, and go on from there."""
        back = []
        own = [tp for tp in consumer.assignment() if tp.partition not in self._halted]
        for tp, leader in leaders.changed(own).items():
            following = await self._persist("leader", partial(self._cursor.verify, tp.partition))
            leaders.note(tp, leader)
            if following is not None and tp in consumer.assignment():
                consumer.seek(tp, following)
                back.append(tp)
        return back

    async def _fetch(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, list[Any]]:
        """The next records; while the group rebalances this can take longer than its time-out."""
        try:
            async with asyncio.timeout(FETCH_MS_MAX / 1000):
                fetched: dict[TopicPartition, list[Any]] = await self._unless_stopped(
                    consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH_RECORDS_MAX), grace_ms=0
                )
        except (KafkaError, TimeoutError) as error:
            raise Retryable(
                f"{self._topic}: {type(error).__name__} while reading; starting clean"
            ) from error
        return fetched

    async def _batch(
        self, consumer: AIOKafkaConsumer, tp: TopicPartition, records: list[Record], handle: Handle
    ) -> None:
        seen = self._rebalances.count
        await self._persist("cursor", lambda: self._cursor.check(records))
        try:
            await self._unless_stopped(self._handled(records, handle), grace_ms=DRAIN_MS)
        except TooMuchPoison as error:
            if seen == self._rebalances.count:
                self._halt(consumer, tp, records[0].offset, error)
            return
        if seen == self._rebalances.count:
            await self._commit(consumer, tp, records[-1])
        metrics.CONSUMED.labels(self._topic).inc(len(records))
        if self._stop.is_set():
            raise Stopping("asked to stop")

    async def _handled(self, records: list[Record], handle: Handle) -> None:
        """Handle all of ``records``, parking what can't be; retried within bounds."""
        rest, size = records, len(records)
        while rest:
            try:
                await handle(rest[:size])
            except Poison as error:
                culprit = rest[0] if size == 1 else error.record
                if culprit is None:
                    size = 1  # find out which one it is
                    continue
                for record in rest:
                    if record.offset < culprit.offset:
                        self._limit.note(record.partition, record.offset, None)
                self._limit.note(culprit.partition, culprit.offset, error.code)
                await self._park(culprit, error)
                rest = [record for record in rest if record.offset > culprit.offset]
            except Retryable as error:
                await self._backoff.pause("handle", error, self._stop)
                continue
            else:
                for record in rest[:size]:
                    self._limit.note(record.partition, record.offset, None)
                rest = rest[size:]
            self._backoff.reset()

    async def _park(self, record: Record, error: Poison) -> None:
        async def write() -> None:
            if self._letters is None:
                self._letters = await Producer.start(self._settings, f"vaxel/{self._service}")
            await park(
                self._letters,
                self._settings,
                record,
                service=self._service,
                error_class="poison",
                reason=error.code,
            )

        await self._persist("deadletter", write)

    async def _commit(self, consumer: AIOKafkaConsumer, tp: TopicPartition, last: Record) -> None:
        digest = record_sha256(last.key, last.value).hex()
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_MS / 1000):
                await consumer.commit({tp: (last.offset + 1, digest)})
        except (CommitFailedError, IllegalStateError):
            # Another member has the partition now and reads these records again.
            get_logger().info("partition_lost", topic=self._topic, partition=tp.partition)
        except (KafkaError, OSError) as error:
            # The next batch's commit covers this one; without a next one it is read again.
            metrics.RETRIES.labels("commit").inc()
            get_logger().warning(
                "commit_failed",
                topic=self._topic,
                partition=tp.partition,
                exception_type=type(error).__name__,
            )

    async def _persist(self, what: str, act: Callable[[], Awaitable[T]]) -> T:
        """Act until it succeeds, within the bounds of the backoff."""
        while True:
            try:
                done = await act()
            except Retryable as error:
                await self._backoff.pause(what, error, self._stop)
            else:
                self._backoff.reset()
                return done

    async def _unless_stopped(self, work: Coroutine[Any, Any, T], *, grace_ms: int) -> T:
        """Await ``work``; once asked to stop, only for ``grace_ms`` more, then Stopping."""
        task = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done() and grace_ms:
                await asyncio.wait({task}, timeout=grace_ms / 1000)
            if not task.done():
                raise Stopping("asked to stop")
            return task.result()
        finally:
            stopping.cancel()
            task.cancel()


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """Counts how often partitions were taken; aiokafka hands out none until they are given again.

    It swallows what a listener raises, so this one does nothing else.
    """

    def __init__(self) -> None:
        self.count = 0

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002
        self.count += 1

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        pass
