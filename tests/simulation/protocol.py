"""The commit protocol under random schedules: real chain, writer, snapshots; simulated log.

A *world* is one partition with inputs that keep coming. Routers run the real ``ChainWriter`` over
a toy decider. At every point where a real one would wait for the network the world's seed decides
who goes on: which router, which append lands (in any order), who is killed, who freezes and wakes
later as a zombie. Nothing else is random, so a seed is a history.

What must hold at the end is checked from the log alone, by :func:`check`.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Coroutine, Generator
from dataclasses import dataclass, field
from typing import Any

from simulation.simlog import DrawnFates, Fate, SimulatedLog, SimulatedPartition, random_fates
from simulation.toy import ENGINE, WALL_MS, Toy, batch, digest_of, input_sha256

from vaxel_shared.blobs import BlobStore, ref_of
from vaxel_shared.contracts import wire
from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.chain import ChainHalt
from vaxel_shared.kafka.records import ChainRecord, Judge
from vaxel_shared.kafka.snapshots import SnapshotStore
from vaxel_shared.kafka.writer import ChainWriter, Displaced

LOG_ID = "5eed" * 8
SNAPSHOT_EVERY = 4
INPUTS_PER_BATCH_MAX = 3


class Turn:
    """Awaited where a client waits for the network: gives the world the next move."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class MemoryBlobs(BlobStore):
    """Blobs that outlive every router of a world."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    async def put(self, kind: str, data: bytes) -> str:
        ref = ref_of(kind, data)
        self.blobs[ref] = data
        return ref

    async def get(self, ref: str) -> bytes:
        if ref not in self.blobs:
            raise Retryable("no such blob")
        return self.blobs[ref]


@dataclass
class Router:
    """One process: it may be killed at any turn, or freeze and go on much later."""

    world: World
    run_id: str
    writer_class: type[ChainWriter] = ChainWriter
    ended: str = ""

    def __post_init__(self) -> None:
        rng = self.world.rng
        self.decisions = self.world.handle(self.world.decisions, patience=rng.randrange(4, 40))
        self.store = SnapshotStore(
            self.world.handle(self.world.snapshots, patience=60),
            self.world.blobs,
            log_id=LOG_ID,
            partition=0,
        )
        self.writer = self.writer_class(
            self.decisions,
            log_id=LOG_ID,
            partition=0,
            instance="0",
            run_id=self.run_id,
            random=rng,
            sleep=self._sleep,
        )
        self.state = Toy()
        self.records = 0

    async def _sleep(self, seconds: float) -> None:
        for _ in range(int(seconds * 50)):
            await Turn()

    async def run(self) -> None:
        while not self.world.done:
            try:
                await self.restore()
                await self.writer.claim(ENGINE, WALL_MS, self.state.state_digest)
                while not self.world.done:
                    await self.commit_one()
            except Retryable:
                continue

    async def restore(self) -> None:
        base = await self.store.choose(self.decisions, digest_of)
        self.state = Toy.load(base.state)
        await self.writer.restore(self.fold, base.position)

    def fold(self, record: ChainRecord) -> None:
        promised = record.batch.state_digest
        if promised is not None and promised != self.state.state_digest:
            raise ChainHalt(f"seq {record.header.seq}: the state before it has another digest")
        for decision in record.batch.decisions:
            self.state = self.state.apply(decision)

    async def commit_one(self) -> None:
        first = self.writer.position.through + 1
        payloads = self.world.inputs[
            first : first + self.world.rng.randint(1, INPUTS_PER_BATCH_MAX)
        ]
        if not payloads:
            await Turn()
            return
        working, made = self.step(first, payloads)
        digest = self.state.state_digest if self.records % SNAPSHOT_EVERY == 0 else None
        await self.append(batch(*made, state_digest=digest), first, payloads)
        self.state = working
        self.records += 1
        if self.records % SNAPSHOT_EVERY == 0:
            await self.snapshot(self.state)

    def step(self, first: int, payloads: list[bytes]) -> tuple[Toy, list[wire.Decision]]:
        working, made = self.state, []
        for number, payload in enumerate(payloads):
            working, decision = working.step(payload, first + number)
            made.append(decision)
        return working, made

    async def append(self, batch_: wire.Batch, first: int, payloads: list[bytes]) -> None:
        await self.writer.append(
            batch_,
            from_=first,
            through=first + len(payloads) - 1,
            through_sha256=input_sha256(payloads[-1]),
        )

    async def snapshot(self, state: Toy) -> None:
        dump = state.dump()
        await self.store.write(
            self.writer.position, dump, digest=digest_of(dump), engine=ENGINE, wall_ms=WALL_MS
        )


@dataclass
class Reader:
    """Tails the log with ``accept()`` and notes every decision it would act on."""

    world: World

    def __post_init__(self) -> None:
        self.judge = Judge(chain.genesis(LOG_ID, 0))
        self.log = self.world.handle(self.world.decisions, patience=1)
        self.acted: list[tuple[int, wire.Decision]] = []

    async def run(self) -> None:
        while True:
            await self.catch_up()

    async def catch_up(self) -> None:
        position = self.judge.state.read + 1
        for raw in (await self.log.read(position)).records:
            if (record := self.judge.judge(raw)) is not None:
                self.acted.extend((raw.offset, decision) for decision in record.batch.decisions)


@dataclass
class World:
    """One history."""

    seed: int
    inputs_count: int = 30
    faults: float = 0.02
    router_class: type[Router] = Router
    reader_class: type[Reader] = Reader
    inputs: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        each = {fate: self.faults for fate in Fate if fate is not Fate.FINE}
        self.decisions = SimulatedPartition(fates=DrawnFates(random_fates(self.rng, each)))
        self.snapshots = SimulatedPartition()
        self.blobs = MemoryBlobs()
        self.readers = [self.reader_class(self), self.reader_class(self)]
        self.routers: list[Router] = []
        self._running: dict[int, tuple[Router, Coroutine[Any, Any, None]]] = {}
        self._frozen: dict[int, int] = {}
        self.turns = 0

    def handle(self, partition: SimulatedPartition, patience: int) -> SimulatedLog:
        return SimulatedLog(partition, turn=_turn, patience_turns=patience)

    @property
    def done(self) -> bool:
        if len(self.inputs) < self.inputs_count:
            return False
        return any(r.writer.position.through == self.inputs_count - 1 for r in self.routers)

    def run(self, turns_max: int = 60_000) -> World:
        """Play the history to its end, then let everything late land and all readers catch up."""
        while not self.done and self.turns < turns_max:
            self.turns += 1
            self._move()
        for _, coroutine in self._running.values():
            coroutine.close()
        for partition in (self.decisions, self.snapshots):
            partition.deliver_all()
        for reader in self.readers:
            _run_now(reader.catch_up())
        return self

    def _move(self) -> None:
        rng = self.rng
        if len(self.inputs) < self.inputs_count and rng.random() < 0.05:
            self.inputs.append(f"input {len(self.inputs)} {rng.random()}".encode())
        waiting = [p for p in (self.decisions, self.snapshots) if p.pending]
        if waiting and rng.random() < 0.3:
            partition = rng.choice(waiting)
            partition.deliver(rng.choice(partition.pending))
            return
        self._people()
        awake = [i for i in self._running if self._frozen.get(i, 0) <= self.turns]
        if awake:
            self._advance(rng.choice(awake))
        if rng.random() < 0.1:
            _run_now(rng.choice(self.readers).catch_up())

    def _people(self) -> None:
        """What operators, supervisors and bad luck do to processes."""
        rng = self.rng
        awake = [i for i in self._running if self._frozen.get(i, 0) <= self.turns]
        if not awake or (len(self._running) < 3 and rng.random() < 0.002):
            self._start()
        elif rng.random() < 0.003:
            _, coroutine = self._running.pop(rng.choice(awake))
            coroutine.close()  # kill -9: what it sent may still land
        elif rng.random() < 0.003:
            self._frozen[rng.choice(awake)] = self.turns + rng.randrange(50, 1_500)

    def _start(self) -> None:
        number = len(self.routers)
        router = self.router_class(self, run_id=f"run-{number}")
        self.routers.append(router)
        self._running[number] = (router, router.run())

    def _advance(self, number: int) -> None:
        router, coroutine = self._running[number]
        try:
            coroutine.send(None)
        except StopIteration:
            router.ended = "done"
        except Displaced:
            router.ended = "displaced"
        except Fatal as error:
            router.ended = str(error)
            if isinstance(error, ChainHalt):
                raise
        else:
            return
        del self._running[number]


async def _turn() -> None:
    await Turn()


def _run_now(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run to its end without giving anybody else a turn."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration:
            return


class Violation(AssertionError):
    """The protocol promised something that this history breaks."""


def check(world: World) -> dict[str, int]:
    """Fold the log again, from its first record, and hold everything against that."""
    judge = Judge(chain.genesis(LOG_ID, 0))
    state, decided, positions = Toy(), [], {}
    for raw in world.decisions.records:
        record = judge.judge(raw)
        if record is None:
            continue
        header, through = record.header, record.header.through
        _require(len(record.batch.decisions) == through - header.from_ + 1, "one decision an input")
        for number, decision in enumerate(record.batch.decisions):
            state, again = state.step(world.inputs[header.from_ + number], header.from_ + number)
            _require(again == decision, f"input {header.from_ + number} decided otherwise")
            decided.append((raw.offset, decision))
        _require(
            through < 0 or header.through_sha256 == input_sha256(world.inputs[through]), "hash"
        )
        positions[header.seq] = (hashlib.sha256(raw.value).hexdigest(), state.dump())
    _require(judge.state.through == world.inputs_count - 1, "every input decided")
    _require(len(decided) == world.inputs_count, "every input once")
    for reader in world.readers:
        _require(reader.acted == decided, "a reader acted on something else")
    _check_snapshots(world, positions)
    return {
        "records": world.decisions.end,
        "void": world.decisions.end - judge.state.seq - 1,
        "displaced": sum(router.ended == "displaced" for router in world.routers),
        "routers": len(world.routers),
    }


def _check_snapshots(world: World, positions: dict[int, tuple[str, bytes]]) -> None:
    log = SimulatedLog(world.snapshots)
    store = SnapshotStore(log, world.blobs, log_id=LOG_ID, partition=0)
    for record in asyncio.run(store.candidates()):
        if record.seq in positions and positions[record.seq][0] == record.sha256:
            state = world.blobs.blobs[record.blob_ref]
            _require(state == positions[record.seq][1], f"snapshot at seq {record.seq} is wrong")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise Violation(what)
