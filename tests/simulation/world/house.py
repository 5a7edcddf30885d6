"""The services of the simulated world as processes: started, ended, started again."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from simulation.world.broker import Client, Link, WorldLog
from simulation.world.checker import Checker, Violation
from simulation.world.plan import POOL
from simulation.world.routing import LOG_ID, Router, settings
from simulation.world.timeline import MS, SECOND, Process

from vaxel_register.core.projection import project
from vaxel_register.core.rows import Rows, fold
from vaxel_shared.contracts import wire
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.reader import ChainCursor, ChainRecord, DecisionsReader
from vaxel_shared.kafka.topics import DECISIONS, INTERACTIONS, WORK
from vaxel_shared.settings import Settings

Main = Callable[[Process, Link], Coroutine[Any, Any, None]]
COLD = Settings(cold_start="genesis")
WARM = Settings(cold_start="halt")


class Triage:
    """At least once: interactions in, their commands out, in order; the group's offset after that.

    Of two members the one that came last has the partition: the other's commit is refused.
    """

    def __init__(self, world: Any) -> None:
        self._world = world
        self.committed = 0
        self._generation = 0

    async def main(self, process: Process, link: Link) -> None:
        client = Client(process, link, self._world.dies)
        broker = self._world.broker
        source, work = broker.partition(INTERACTIONS), broker.partition(WORK)
        self._generation += 1
        own, at = self._generation, self.committed
        while True:
            try:
                chunk = await client.read(source, at, 5_000, 20)
            except Retryable:
                await asyncio.sleep(0.5)
                continue
            if not chunk.records:
                continue
            values = [self._command(record.offset, record.value) for record in chunk.records]
            await client.append(work, POOL.encode(), values)  # type: ignore[arg-type]
            at = chunk.next_offset
            await client.here()
            if own != self._generation:
                return
            self.committed = at

    @staticmethod
    def _command(offset: int, value: bytes) -> bytes:
        data = msgspec.json.decode(value)
        data["src"] = [0, offset]
        return wire.encode(
            wire.Command(
                id=data["contact_id"],
                type="contact.add",
                pool=POOL,
                actor=wire.Actor("customer", data["customer_id"]),
                via="triage",
                data=data,
            )
        )


class Register:
    """Folds decisions into rows; what it has stored, people see."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self.rows: Rows = {}
        self.cursor: ChainCursor | None = None
        self.read = 0

    async def main(self, process: Process, link: Link) -> None:
        world = self._world
        client = Client(process, link, world.dies)
        reader = reader_of(world, "register", client, self.cursor)
        await reader.start()
        while True:
            try:
                records = await reader.poll(timeout_ms=5_000)
            except Retryable:
                await asyncio.sleep(0.5)
                continue
            for record in records:
                changes = []
                place = {"partition": 0, "offset": record.offset, "seq": record.header.seq}
                if "register" in world.plan.checks:
                    for index, decision in enumerate(record.batch.decisions):
                        changes += project(decision, **place, index=index)
                await client.here()
                # One transaction: what was read, and how far.
                fold(self.rows, changes)
                self.cursor = record.cursor
                for index, decision in enumerate(record.batch.decisions):
                    world.people.see(decision, (record.header.seq, index))


def reader_of(world: Any, who: str, client: Client, cursor: ChainCursor | None) -> DecisionsReader:
    """The real reader, over the simulated log, from where a service's store says."""
    return TracedReader(world.checker, who, client, cursor)


class TracedReader(DecisionsReader):
    """Its trace must be the chain as the checker sees it: no other record, and none left out."""

    def __init__(
        self, checker: Checker, who: str, client: Client, cursor: ChainCursor | None
    ) -> None:
        log = WorldLog(client, client.broker.partition(DECISIONS))
        cursors = {} if cursor is None else {0: cursor}
        super().__init__(WARM if cursor else COLD, cursors, logs={0: log}, log_id=LOG_ID)
        self._checker = checker
        self._who = who
        self._seq = -1 if cursor is None else cursor.seq
        self._sha256 = None if cursor is None else bytes.fromhex(cursor.sha256)

    async def poll(self, timeout_ms: int = 200, max_records: int = 200) -> list[ChainRecord]:
        records = await super().poll(timeout_ms, max_records)
        valid = self._checker.valid
        for record in records:
            seq, self._seq = record.header.seq, self._seq + 1
            before = valid[seq - 1].sha256 if 0 < seq <= len(valid) else b""
            forked = seq > 0 and self._sha256 is not None and before != self._sha256
            self._sha256 = hashlib.sha256(record.raw).digest()
            wrong = seq != self._seq or seq >= len(valid) or valid[seq].raw != record.raw
            if wrong or forked:
                raise Violation(
                    f"{self._who} read offset {record.offset} seq {seq} as seq {self._seq}: it"
                    " doesn't count, or one that does was left out"
                )
        return records


class Service:
    """One place where a process runs, again and again: its link, its clock's error, its starts."""

    def __init__(self, world: Any, name: str, main: Main, rng: random.Random) -> None:
        self.world = world
        self.name = name
        self.link = Link(world.broker, rng)
        self.rng = rng
        self.rate = 1.0
        self.wall_offset_ms = 0
        self.process: Process | None = None
        self.olds: list[Process] = []
        """Processes that live beside the present one: nobody knows of them any more."""
        self.wanted = True
        self.starts = 0
        self._main = main

    def start(self) -> None:
        """A new process, unless there is one or none is wanted."""
        if not self.wanted or (self.process is not None and self.process.alive):
            return
        self.starts += 1
        self.process = Process(
            self.name,
            self.world.timeline,
            lambda process: self._main(process, self.link),
            self._ended,
            rate=self.rate,
            wall_offset_ms=self.wall_offset_ms,
        )

    def _ended(self, process: Process, error: BaseException | None) -> None:
        """It ended by itself; what is wrong passes, or is a violation."""
        self.world.ended(self, error)
        if process is self.process:
            self.again()

    def replace(self) -> None:
        """Another process begins although this one lives, or is only paused."""
        if self.process is not None and self.process.alive:
            self.olds.append(self.process)
        self.process = None
        self.again()

    def kill(self) -> None:
        """Its process dies; the supervisor starts another."""
        if self.process is not None and self.process.alive:
            self.process.kill()
            self.again()

    def again(self) -> None:
        """Start after a pause, as a supervisor does."""
        self.world.timeline.after(self.rng.randint(100 * MS, 2 * SECOND), self.start)


def router_main(world: Any, name: str) -> Main:
    """The main of a router; each process is another run."""

    async def main(process: Process, link: Link) -> None:
        plan = world.plan
        world.runs += 1
        router = Router(
            process,
            link,
            world.dies,
            world.disk,
            run_id=f"run-{world.runs}",
            of=settings(plan.snapshot_records, plan.poll_ms),
            rng=random.Random(f"{world.seed} {name} {world.runs}"),
            batch_inputs=plan.batch_inputs,
        )
        world.routers[name] = router
        await router.run()

    return main
