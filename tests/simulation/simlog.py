"""A partition of a log in memory that fails as a real broker can, decided by a seed.

``SimulatedPartition`` is the broker's side: records, and appends on their way to them. Any number
of ``SimulatedLog`` handles (the clients' side) work on one. An append is *submitted* and lands when
the broker gets to it, which may be after its sender gave up, was killed, or had it twice.

The contract suite runs the same tests on this and on Apache Kafka, so that what the thousands of
random histories here show is worth something there.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from vaxel_shared.clock import ManualClock
from vaxel_shared.kafka.log import (
    CHUNK_RECORDS,
    Acknowledged,
    AppendFailed,
    Chunk,
    Headers,
    OffsetGone,
    RawRecord,
)


class Fate(Enum):
    """What becomes of one append."""

    FINE = "lands, its offset is answered"
    LOST = "never lands, its sender times out"
    UNANSWERED = "lands, its sender times out"
    LATE = "lands after its sender timed out"
    DUPLICATE = "lands; answered as a duplicate without an offset (error 46)"
    TWICE = "lands twice; the second offset is answered (its producer id had expired)"
    STUCK = "never lands, and its sender would wait for ever (not enough replicas)"


@dataclass(eq=False)
class Request:
    """An append on its way; two of the same bytes are two."""

    key: bytes
    value: bytes
    fate: Fate
    answer: Acknowledged | None = None


async def _yield() -> None:
    await asyncio.sleep(0)


@dataclass
class SimulatedPartition:
    """The broker's side. ``fates`` are drawn in order; when they run out, every append is fine."""

    clock: ManualClock = field(default_factory=ManualClock)
    fates: list[Fate] = field(default_factory=list)
    records: list[RawRecord] = field(default_factory=list)
    start: int = 0
    pending: list[Request] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.start + len(self.records)

    def submit(self, key: bytes, value: bytes) -> Request:
        request = Request(key, value, self.fates.pop(0) if self.fates else Fate.FINE)
        if request.fate is not Fate.LOST and request.fate is not Fate.STUCK:
            self.pending.append(request)
        return request

    def deliver(self, request: Request) -> None:
        """The broker takes an append, in whatever order the caller chooses."""
        self.pending.remove(request)
        offset = self.land(request.key, request.value)
        if request.fate is Fate.TWICE:
            offset = self.land(request.key, request.value)
        if request.fate is Fate.DUPLICATE:
            offset = -1
        if request.fate is not Fate.UNANSWERED and request.fate is not Fate.LATE:
            request.answer = Acknowledged(offset, self.clock.wall_ms())

    def deliver_all(self) -> None:
        """Everything late lands now."""
        for request in list(self.pending):
            self.deliver(request)

    def land(self, key: bytes, value: bytes) -> int:
        self.clock.advance(1)
        offset = self.end
        self.records.append(RawRecord(offset, self.clock.wall_ms(), key, value))
        return offset

    def cut_tail(self, count: int) -> None:
        """What a broker loses that acknowledged before it flushed, and then lost power."""
        del self.records[len(self.records) - count :]

    def trim(self, before: int) -> None:
        """Retention: the log now starts at ``before``."""
        self.records = [record for record in self.records if record.offset >= before]
        self.start = before


class SimulatedLog:
    """One client's handle; see :class:`vaxel_shared.kafka.log.PartitionLog`.

    ``turn`` is awaited wherever a real client would wait for the network: other clients run then.
    With ``patience_turns`` left None an append is delivered at once (no scheduler needed).
    """

    def __init__(
        self,
        partition: SimulatedPartition,
        *,
        turn: Callable[[], Awaitable[None]] = _yield,
        patience_turns: int | None = None,
    ) -> None:
        self._partition = partition
        self._turn = turn
        self._patience_turns = patience_turns
        self.abandoned = 0
        self.closed = False

    async def append(self, key: bytes, value: bytes, headers: Headers) -> Acknowledged:
        assert headers, "every record carries its CloudEvents headers"
        request = self._partition.submit(key, value)
        await self._turn()
        if self._patience_turns is None:
            if request in self._partition.pending and request.fate is not Fate.LATE:
                self._partition.deliver(request)
        else:
            for _ in range(self._patience_turns):
                if request.answer is not None:
                    break
                await self._turn()
        if request.answer is None:
            raise AppendFailed("simulated partition: no acknowledgement in time")
        return request.answer

    async def abandon(self) -> None:
        self.abandoned += 1

    async def read(self, offset: int, timeout_ms: int = 200) -> Chunk:
        await self._turn()
        partition = self._partition
        if not partition.start <= offset <= partition.end:
            raise OffsetGone(f"simulated partition: offset {offset} is not in the log")
        first = offset - partition.start
        records = tuple(partition.records[first : first + CHUNK_RECORDS])
        return Chunk(records, offset + len(records))

    async def rest(self) -> None:
        return

    async def bounds(self) -> tuple[int, int]:
        await self._turn()
        return self._partition.start, self._partition.end

    async def close(self) -> None:
        self.closed = True


def random_fates(rng: random.Random, weights: dict[Fate, float]) -> Callable[[], Fate]:
    """Draws fates with the given weights; what is left of 1 is fine."""

    def draw() -> Fate:
        point = rng.random()
        for fate, weight in weights.items():
            point -= weight
            if point < 0:
                return fate
        return Fate.FINE

    return draw


class DrawnFates(list[Fate]):
    """Fates without end, drawn when needed."""

    def __init__(self, draw: Callable[[], Fate], scripted: Iterable[Fate] = ()) -> None:
        super().__init__(scripted)
        self._draw = draw

    def __bool__(self) -> bool:
        return True

    def pop(self, index: object = 0) -> Fate:  # type: ignore[override]
        return list.pop(self, 0) if len(self) else self._draw()
