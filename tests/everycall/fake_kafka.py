"""aiokafka's clients over logs in memory: every request is a call that can go wrong.

Vaxel's own Kafka code (deadlines, throwing clients away, cursors, chain) runs on these as it is.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, OffsetOutOfRangeError
from everycall.faults import Plan
from everycall.virtual import WALL_MS

Headers = tuple[tuple[str, bytes], ...]


class Row(NamedTuple):
    """A record as aiokafka hands it out."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass
class FakeKafka:
    """The broker: survives every process."""

    partitions: Mapping[str, int]
    logs: defaultdict[tuple[str, int], list[Row]] = field(default_factory=lambda: defaultdict(list))
    groups: defaultdict[str, dict[TopicPartition, tuple[int, str]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    news: asyncio.Event = field(default_factory=asyncio.Event)
    refuses_until_s: float = 0.0
    """Nothing is appended before then."""

    def append(
        self, topic: str, partition: int, key: bytes | None, value: bytes, headers: Headers = ()
    ) -> Row:
        log = self.logs[(topic, partition)]
        now_ms = WALL_MS + int(asyncio.get_running_loop().time() * 1000)
        row = Row(topic, partition, len(log), now_ms, key, value, tuple(headers))
        log.append(row)
        self.news.set()
        self.news = asyncio.Event()
        return row

    def rows(self, topic: str) -> list[Row]:
        """All records of a topic, partition after partition."""
        return [row for part in range(self.partitions[topic]) for row in self.logs[(topic, part)]]


def _away() -> Exception:
    return KafkaConnectionError("the fault of this test")


def clients(kafka: FakeKafka, plan: Plan) -> tuple[type, type, type]:
    """Producer, consumer and admin client of one world."""

    class Producer:
        def __init__(self, **_options: Any) -> None:
            self._sender = SimpleNamespace(sender_task=None)
            self._closed = False
            self.client = SimpleNamespace(close=self._close)
            self._last: asyncio.Future[Any] | None = None

        async def _close(self) -> None:
            return

        async def start(self) -> None:
            await plan.call("log.connect", lambda: None, _away)

        async def send(self, topic: str, **record: Any) -> asyncio.Future[Any]:
            """An idempotent producer keeps order: nothing lands behind what didn't."""
            self._last = asyncio.ensure_future(self._after(self._last, topic, record))
            return self._last

        async def _after(
            self, before: asyncio.Future[Any] | None, topic: str, record: dict[str, Any]
        ) -> Any:
            if before is not None:
                await asyncio.wait({before})
                if before.cancelled() or before.exception() is not None:
                    raise _away()
            return await self.send_and_wait(topic, **record)

        async def send_and_wait(
            self, topic: str, *, key: bytes, value: bytes, headers: Any, partition: int
        ) -> Any:
            def land() -> Row:
                if asyncio.get_running_loop().time() < kafka.refuses_until_s:
                    raise _away()
                return kafka.append(topic, partition, key, value, tuple(headers))

            row = await plan.call("log.append", land, _away)
            return SimpleNamespace(partition=partition, offset=row.offset, timestamp=row.timestamp)

        async def stop(self) -> None:
            await plan.call("log.stop", lambda: None, _away)

    class Consumer:
        def __init__(self, *_topics: str, **options: Any) -> None:
            self._group = options.get("group_id")
            self._client = SimpleNamespace(cluster=self)
            self._at: dict[TopicPartition, int] = {}
            self._paused: set[TopicPartition] = set()

        async def start(self) -> None:
            await plan.call("log.connect", lambda: None, _away)

        async def stop(self) -> None:
            await plan.call("log.stop", lambda: None, _away)

        def subscribe(self, topics: list[str], listener: Any = None) -> None:
            for topic in topics:
                for part in range(kafka.partitions[topic]):
                    tp = TopicPartition(topic, part)
                    self._at[tp] = kafka.groups[str(self._group)].get(tp, (0, ""))[0]

        def assign(self, tps: list[TopicPartition]) -> None:
            self._at = dict.fromkeys(tps, 0)

        def assignment(self) -> set[TopicPartition]:
            return set(self._at)

        def seek(self, tp: TopicPartition, offset: int) -> None:
            self._at[tp] = offset

        def leader_for_partition(self, _tp: TopicPartition) -> int:
            return 1

        def pause(self, *tps: TopicPartition) -> None:
            self._paused |= set(tps)

        async def position(self, tp: TopicPartition) -> int:
            return self._at[tp]

        async def getmany(
            self, *tps: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
        ) -> dict[TopicPartition, list[Row]]:
            waiting = kafka.news
            found = await plan.call("log.read", lambda: self._take(tps, max_records), _away)
            if found or not timeout_ms:
                return found
            try:
                async with asyncio.timeout(timeout_ms / 1000):
                    await waiting.wait()
            except TimeoutError:
                pass
            return self._take(tps, max_records)

        def _take(
            self, tps: tuple[TopicPartition, ...], most: int | None
        ) -> dict[TopicPartition, list[Row]]:
            found = {}
            for tp in tps or tuple(self._at):
                if tp in self._paused:
                    continue
                log, at = kafka.logs[(tp.topic, tp.partition)], self._at[tp]
                if at > len(log):
                    raise OffsetOutOfRangeError({tp: at})
                if rows := log[at : at + (most or 500)]:
                    found[tp] = rows
                    self._at[tp] = at + len(rows)
            return found

        async def beginning_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
            return await plan.call("log.bounds", lambda: dict.fromkeys(tps, 0), _away)

        async def end_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
            def ends() -> dict[TopicPartition, int]:
                return {tp: len(kafka.logs[(tp.topic, tp.partition)]) for tp in tps}

            return await plan.call("log.bounds", ends, _away)

        async def commit(self, offsets: dict[TopicPartition, tuple[int, str]]) -> None:
            group = kafka.groups[str(self._group)]
            await plan.call("log.commit", lambda: group.update(offsets), _away)

    class Admin:
        def __init__(self, **_options: Any) -> None:
            return

        async def start(self) -> None:
            await plan.call("log.connect", lambda: None, _away)

        async def close(self) -> None:
            return

        async def describe_cluster(self) -> dict[str, Any]:
            answer = {"brokers": [{"node_id": 1}], "controller_id": 1}
            return await plan.call("log.ask", lambda: answer, _away)

        async def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
            def described() -> list[dict[str, Any]]:
                one = [{"replicas": [1], "leader": 1}]
                return [
                    {"topic": name, "error_code": 0, "partitions": one * kafka.partitions[name]}
                    for name in names
                ]

            return await plan.call("log.ask", described, _away)

        async def list_consumer_group_offsets(self, group: str) -> dict[TopicPartition, Any]:
            def committed() -> dict[TopicPartition, Any]:
                rows = kafka.groups[group].items()
                return {tp: SimpleNamespace(offset=at, metadata=note) for tp, (at, note) in rows}

            return await plan.call("log.ask", committed, _away)

    return Producer, Consumer, Admin


@contextmanager
def installed(kafka: FakeKafka, plan: Plan) -> Iterator[None]:
    """In place of aiokafka's clients, wherever Vaxel names them."""
    producer, consumer, admin = clients(kafka, plan)

    async def listens(_servers: str) -> bool:
        return True

    here = "vaxel_shared.kafka"
    with ExitStack() as stack:
        for module in ("producer", "log"):
            stack.enter_context(patch(f"{here}.{module}.AIOKafkaProducer", producer))
        for module in ("log", "sources", "topic_reader", "consumer", "admin", "scan"):
            stack.enter_context(patch(f"{here}.{module}.AIOKafkaConsumer", consumer))
        for module in ("client", "admin"):
            stack.enter_context(patch(f"{here}.{module}.AIOKafkaAdminClient", admin))
        stack.enter_context(patch(f"{here}.client._listens", listens))
        yield
