"""The broker's side of the simulated world, and what a process has of it: handles over a network.

The records and the fates of appends are those of :mod:`simulation.simlog`, which one test suite
holds against Apache Kafka. What is added here is time: a request and its answer take a while, may
meet a cut or slow network, and an append may land long after its sender gave up, or was killed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulation.simlog import DrawnFates, Fate, Request, SimulatedPartition
from simulation.world.timeline import MS, SECOND, Process, Timeline

from vaxel_shared.clock import ManualClock
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.log import (
    CHUNK_RECORDS,
    Acknowledged,
    AppendFailed,
    Chunk,
    Headers,
    OffsetGone,
    RawRecord,
)

APPEND_TIMEOUT, READ_TIMEOUT = 5 * SECOND, 10 * SECOND
"""As :mod:`vaxel_shared.kafka.log` has them."""
NEVER = 1 << 62


class BrokerClock(ManualClock):
    """The broker's wall clock: the world's, and whatever it was moved by."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.offset_ms = 0

    def wall_ms(self) -> int:
        return self._timeline.wall_ms + self.offset_ms

    def monotonic_ms(self) -> int:
        return self.wall_ms()

    def advance(self, ms: int) -> None:
        """Time goes on by itself here."""


@dataclass
class Partition(SimulatedPartition):
    """One partition, whose readers may wait for what comes."""

    name: str = ""
    watch: Callable[[RawRecord], None] | None = None
    """Told of every record as it lands: the checkers look from here."""
    waiting: list[Callable[[], None]] = field(default_factory=list)
    archive: list[RawRecord] = field(default_factory=list)
    """All that ever landed, for whoever judges: retention takes nothing from here."""

    def land(self, key: bytes, value: bytes | list[bytes]) -> int:
        """A list of values is a batch: all of it lands, or nothing."""
        for one in value if isinstance(value, list) else [value]:
            offset = super().land(key, one)
            self.archive.append(self.records[-1])
            if self.watch is not None:
                self.watch(self.records[-1])
        waiting, self.waiting = self.waiting, []
        for wake in waiting:
            wake()
        return offset

    def chunk(self, offset: int, most: int) -> Chunk:
        first = offset - self.start
        records = tuple(self.records[first : first + most])
        return Chunk(records, offset + len(records))


class Broker:
    """All partitions, and whether anybody can reach them."""

    def __init__(self, timeline: Timeline, rng: random.Random) -> None:
        self.timeline = timeline
        self.rng = rng
        self.clock = BrokerClock(timeline)
        self.partitions: dict[str, Partition] = {}
        self.down = False
        self.latency_us = 2_000
        self.weights: dict[Fate, float] = {}
        """How often an append meets which fate; none while nothing is to go wrong."""
        self.fates: dict[Fate, int] = dict.fromkeys(Fate, 0)

    def partition(self, name: str) -> Partition:
        """The only partition of a topic."""
        found = self.partitions.get(name)
        if found is None:
            found = self.partitions[name] = Partition(clock=self.clock, name=name)
            found.fates = DrawnFates(self._draw)
        return found

    def _draw(self) -> Fate:
        if not self.weights:
            return Fate.FINE
        point = self.rng.random()
        for fate, weight in self.weights.items():
            point -= weight
            if point < 0:
                self.fates[fate] += 1
                return fate
        return Fate.FINE

    def submit(
        self,
        partition: Partition,
        key: bytes,
        value: bytes,
        link: Link,
        done: Callable[[Acknowledged | None], None],
    ) -> None:
        """Send one append on its way; ``done`` has its answer, if one ever comes."""
        request = partition.submit(key, value)
        if request not in partition.pending:
            return  # it never lands
        delay = link.latency()
        if link.cut or self.down:
            # On the wire or in a producer's buffer: it comes through when the network does, or not.
            if self.rng.random() < 0.5:
                partition.pending.remove(request)
                return
            delay += self.rng.randrange(30 * SECOND)
        elif request.fate is Fate.LATE:
            delay += APPEND_TIMEOUT + self.rng.randrange(20 * SECOND)
        self.timeline.after(delay, self._land, partition, request, link, done)

    def _land(
        self,
        partition: Partition,
        request: Request,
        link: Link,
        done: Callable[[Acknowledged | None], None],
    ) -> None:
        if self.down:
            self.timeline.after(SECOND, self._land, partition, request, link, done)
            return
        if request.fate is not Fate.LATE and link.cut and self.rng.random() < 0.5:
            partition.pending.remove(request)
            return
        partition.deliver(request)
        if request.answer is not None and not link.cut:
            self.timeline.after(link.latency(), done, request.answer)


class Link:
    """The way from one client to the broker: it takes time, and may be cut or slow."""

    def __init__(self, broker: Broker, rng: random.Random) -> None:
        self.broker = broker
        self.cut = False
        self.slow = 1
        self._random = rng.random

    def latency(self) -> int:
        """Microseconds for one way."""
        return (200 + int(self._random() * self.broker.latency_us)) * self.slow


class Client:
    """What a process holds of the broker. ``dies`` is asked at every call: the kill points."""

    def __init__(self, process: Process, link: Link, dies: Callable[[Process], bool]) -> None:
        self.process = process
        self.link = link
        self.broker = link.broker
        self._dies = dies

    async def here(self) -> None:
        """A point at which the process may be killed."""
        if self._dies(self.process):
            await self.process.loop.create_future()

    async def ask(self, serve: Callable[[], Any]) -> Any:
        """Have the broker do something and answer. Raises ``Retryable`` without an answer."""
        await self.here()
        future = self.process.loop.create_future()
        self.broker.timeline.after(self.link.latency(), self._serve, future, serve)
        return await future

    def _serve(self, future: asyncio.Future[Any], serve: Callable[[], Any]) -> None:
        if self.link.cut or self.broker.down:
            self.broker.timeline.after(READ_TIMEOUT, self._away, future)
        elif self.process.alive:
            try:
                answer = serve()
            except OffsetGone as error:
                self.broker.timeline.after(self.link.latency(), _fail, future, error)
            else:
                self.answer(future, answer)

    def answer(self, future: asyncio.Future[Any], answer: Any) -> None:
        """Send an answer back."""
        self.broker.timeline.after(self.link.latency(), self._arrive, future, answer)

    def _arrive(self, future: asyncio.Future[Any], answer: Any) -> None:
        if self.link.cut:
            self.broker.timeline.after(READ_TIMEOUT, self._away, future)
        elif not future.done():
            future.set_result(answer)

    def _away(self, future: asyncio.Future[Any]) -> None:
        _fail(future, Retryable("simulated broker: no answer in time"))

    async def append(self, partition: Partition, key: bytes, value: bytes) -> Acknowledged:
        """Append one record. Raises ``AppendFailed``: nobody knows whether it is there."""
        await self.here()
        future = self.process.loop.create_future()

        def done(answer: Acknowledged | None) -> None:
            if not future.done():
                future.set_result(answer)

        self.broker.submit(partition, key, value, self.link, done)
        self.broker.timeline.after(APPEND_TIMEOUT, done, None)
        answer = await future
        if answer is None:
            raise AppendFailed(f"simulated {partition.name}: no acknowledgement in time")
        await self.here()
        return answer  # type: ignore[no-any-return]

    async def read(self, partition: Partition, offset: int, timeout_ms: int, most: int) -> Chunk:
        """Some records from ``offset`` on; waits for one so long."""
        await self.here()
        fetch = _Fetch(self, partition, offset, timeout_ms, most)
        self.broker.timeline.after(self.link.latency(), fetch.serve)
        return await fetch.future  # type: ignore[no-any-return]


class _Fetch:
    """One long poll at the broker."""

    __slots__ = ("_client", "_deadline", "_most", "_offset", "_over", "_partition", "future")

    def __init__(
        self, client: Client, partition: Partition, offset: int, timeout_ms: int, most: int
    ) -> None:
        self._client, self._partition, self._offset, self._most = client, partition, offset, most
        self._deadline = client.broker.timeline.now + timeout_ms * MS
        self._over = False
        self.future: asyncio.Future[Any] = client.process.loop.create_future()

    def serve(self) -> None:
        """At the broker: answer what there is, or wait."""
        client, partition, offset = self._client, self._partition, self._offset
        timeline = client.broker.timeline
        if client.link.cut or client.broker.down:
            self._over = True
            timeline.after(READ_TIMEOUT, client._away, self.future)
        elif not partition.start <= offset <= partition.end:
            self._over = True
            gone = OffsetGone(f"simulated {partition.name}: offset {offset} is not in the log")
            timeline.after(client.link.latency(), _fail, self.future, gone)
        elif offset < partition.end or timeline.now >= self._deadline:
            self._over = True
            client.answer(self.future, partition.chunk(offset, self._most))
        else:
            self._over = False
            partition.waiting.append(self.again)
            timeline.at(self._deadline, self.again)

    def again(self) -> None:
        """Something came, or the time is over."""
        if not self._over and self._client.process.alive:
            self._over = True
            self.serve()


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


class WorldLog:
    """One partition as a process sees it; see :class:`vaxel_shared.kafka.log.PartitionLog`."""

    def __init__(self, client: Client, partition: Partition) -> None:
        self._client = client
        self._partition = partition

    async def append(self, key: bytes, value: bytes, headers: Headers) -> Acknowledged:
        assert headers, "every record carries its CloudEvents headers"
        return await self._client.append(self._partition, key, value)

    async def abandon(self) -> None:
        return

    async def read(self, offset: int, timeout_ms: int = 200) -> Chunk:
        return await self._client.read(self._partition, offset, timeout_ms, CHUNK_RECORDS)

    async def rest(self) -> None:
        return

    async def bounds(self) -> tuple[int, int]:
        partition = self._partition
        return await self._client.ask(lambda: (partition.start, partition.end))  # type: ignore[no-any-return]

    async def close(self) -> None:
        return
