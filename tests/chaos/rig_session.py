"""One round of a rig from its start to its judgement: feeder, tail, two readers, and owners."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from chaos.rig_check import Judgement, judge
from chaos.rig_feed import Feeder
from chaos.rig_place import PARTITIONS, Place, PortOffsets, Round, forget
from chaos.rig_process import Nursery, Process, Reader
from chaos.rig_tail import Tail

from vaxel_shared.kafka.topics import read_log_id

TAKEOVER_S_MAX = 60
QUIET_S_MAX = 90
ANSWERS_S = 1.5
"""Time for agents to answer some of what is still open."""
LEAVES_S_MAX = 30

Say = Callable[[str], None]


@dataclass
class Bench:
    """What outlives rounds: a place that was started, and nurseries with their code imported."""

    place: Place
    routers: Nursery
    say: Say
    triages: Nursery | None = None

    @classmethod
    async def start(
        cls,
        place: Place,
        say: Say,
        *,
        environment: Mapping[str, str] | None = None,
        triage: bool = False,
    ) -> Bench:
        """Import the services' code. ``environment``: what breaks or ends the routers."""
        offsets = PortOffsets()
        bench = cls(place, Nursery("vaxel_router", offsets), say)
        starting = [bench.routers.start(environment)]
        if triage:
            bench.triages = Nursery("vaxel_triage", offsets)
            starting.append(bench.triages.start())
        await asyncio.gather(*starting)
        return bench

    async def close(self) -> None:
        """All of it goes."""
        await self.routers.close()
        if self.triages is not None:
            await self.triages.close()


@dataclass
class Session:
    """A round while it runs; use as an async context manager, then :meth:`judged`."""

    bench: Bench
    seed: int
    rate: float
    instances: int = 2
    proxied: bool = False
    by_triage: bool = False
    snapshot_records: int = 20
    naive_reader: str = ""
    """A third reader loses this rule: for showing that the checker notices."""
    misbehaved: list[str] = field(default_factory=list)
    over: bool = False
    """Nobody needs to be started again."""
    good: bool = False
    """It was judged, and nothing was wrong: nobody will want to look at it."""

    async def __aenter__(self) -> Self:
        place = self.bench.place
        self.one: Round = await place.round()
        self.log_id = await read_log_id(self.one.settings)
        self.random = random.Random(self.seed)
        self.feeder = Feeder(self.one, self.seed, self.rate, by_triage=self.by_triage)
        self.tail = Tail(self.one, self.feeder.see)
        self.readers = [
            Reader(self.one, "direct"),
            Reader(self.one, "other", proxied=self.proxied),
        ]
        if self.naive_reader:
            self.readers.append(Reader(self.one, "naive", broken=self.naive_reader))
        for reader in self.readers:
            await reader.start()
        self._tasks = [asyncio.create_task(self.feeder.run()), asyncio.create_task(self.tail.run())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for reader in self.readers:
            reader.kill()
        for nursery in (self.bench.routers, self.bench.triages):
            if nursery is not None:
                await nursery.end_all()
        if self.good:
            await forget(self.one)

    def partitions(self, instance: int) -> set[int]:
        """Those that an instance owns."""
        return {number for number in range(PARTITIONS) if number % self.instances == instance}

    async def owner(self, instance: int, more: Mapping[str, str] | None = None) -> Process:
        """A router process; it may take a moment until it owns anything."""
        environment = {
            **self.one.environment(proxied=self.proxied),
            "VAXEL_SNAPSHOT_RECORDS": str(self.snapshot_records),
            "VAXEL_INSTANCE": str(instance),
            "VAXEL_INSTANCES": str(self.instances),
            **(more or {}),
        }
        return await self.bench.routers.fork(self.one, environment)

    async def triage(self, instance: int, instances: int) -> Process:
        """A triage process, one of so many."""
        assert self.bench.triages is not None
        environment = {
            **self.one.environment(proxied=self.proxied),
            "VAXEL_INSTANCE": str(instance),
            "VAXEL_INSTANCES": str(instances),
        }
        return await self.bench.triages.fork(self.one, environment)

    async def decides(self, owner: Process, instance: int, records: int = 1) -> bool:
        """Wait until it claimed all its partitions and decided so many batches in each."""
        mine = self.partitions(instance)

        def has() -> bool:
            run = self.tail.run_of(owner, mine)
            done = self.tail.decided
            return not owner.alive or (
                run != "" and all(done.get((p, run), 0) >= records for p in mine)
            )

        return await self.tail.until(has, TAKEOVER_S_MAX) and owner.alive

    async def leaves(self, owner: Process) -> bool:
        """Wait until a displaced owner has ended by itself; what else it does is noted."""
        code = await owner.ended(LEAVES_S_MAX)
        if code is None:
            self.misbehaved.append(f"{owner.log.name}: displaced, and still there")
            owner.signal(signal.SIGKILL)
            await owner.ended(10)
            return False
        if code != 1:
            self.misbehaved.append(f"{owner.log.name}: displaced, ended with {code}")
        return True

    async def quiet(self) -> bool:
        """No new customers, then no more answers; wait until every input is decided."""
        self.feeder.quiet.set()
        await asyncio.sleep(ANSWERS_S)
        self.feeder.stop.set()
        await self._tasks[0]
        ends = self.feeder.ends
        return await self.tail.until(
            lambda: all(self.tail.through[p] >= end for p, end in ends.items()), QUIET_S_MAX
        )

    async def handed_over(self, seconds: float) -> bool:
        """No new customers; wait until every interaction has become a contact that was decided."""
        self.feeder.quiet.set()
        await asyncio.sleep(ANSWERS_S)
        return await self.tail.until(lambda: not self.feeder.awaited, seconds)

    async def judged(self) -> Judgement:
        """Let it come to rest, end every owner, and judge."""
        if not await self.quiet():
            self.misbehaved.append("inputs stayed undecided although an owner was there")
        self.over = True
        for nursery in (self.bench.triages, self.bench.routers):
            if nursery is not None:
                await nursery.end_all()
        halted = [found for reader in self.readers if (found := await reader.finish())]
        found = await judge(
            self.one,
            self.bench.place.log_dir,
            self.log_id,
            [reader.trace for reader in self.readers],
            halted,
        )
        found.misbehaved += self.misbehaved
        self.good = not found.wrong
        return found
