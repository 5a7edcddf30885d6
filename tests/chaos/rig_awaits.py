"""R2: the router ends at each await of its commit path, as by kill -9, so many times at each.

The places aren't listed by hand: ``waits/sitecustomize.py`` drives the coroutines of a real router
and writes down wherever they wait. So that they come by all of them, there are rounds with snapshots
and rounds without, records that landed late (an old one's bytes once more: void, and every restore
after a failed append begins), inputs that are no commands (parked), and orderly ends. At half of its
times the process ends before anything else happens, at the others while it waits.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout
from chaos.rig_check import Judgement
from chaos.rig_place import PORTS
from chaos.rig_process import KILLED_AT_AN_AWAIT, Process
from chaos.rig_session import Bench, Session

from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.log import KafkaPartitionLog
from vaxel_shared.kafka.topics import DECISIONS, WORK

INSTANCES = 4
RATE = 60.0
PER_ROUND = 220
HOOK = Path(__file__).with_name("waits")
WITH, WITHOUT = "with snapshots", "without snapshots"
SNAPSHOTS = {WITH: 5, WITHOUT: 1_000_000}
LOOK_S = 4.0
"""How long owners are watched at the beginning of the first round of each kind."""
EVERY_S = {WORK: 1.5, DECISIONS: 2.0}
STORM_S = (0.05, 0.6)
"""On average not shorter than a restore takes, or an owner would never come to anything else; now
and then within it, or nothing would ever land between a restore's end and the claim."""
VOIDS_MAX = 20
REACH_S_MAX = 15.0
RARE = 0.3
"""Of the processes; what fewer come by is looked for where there is more trouble."""
TRIES_MAX = 2
MISSES_MAX = 8
"""After so many times in turn a place is left alone: it may take an accident to come by it."""
LATER_MS = (0.1, 6.0)
CLOSING = "partition._close"
GENESIS = "snapshots.choose"
"""Where there is no snapshot yet: who ends there leaves none, so they come first in a round."""
LOCK = "locks.__aenter__"
"""Waited for only where somebody asks for the live state meanwhile."""
ASKERS = 16
OFTEN = 8
"""Some places come by that often in one life: not always the first time."""


@dataclass
class Awaits:
    """What was found and done."""

    at: tuple[str, ...] = ()
    """Only places that hold one of these words are wanted; none: all."""
    seen: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Place → kind of round → processes that came by."""
    lives: Counter[str] = field(default_factory=Counter)
    """Kind of round → processes that were watched in it."""
    often: set[str] = field(default_factory=set)
    """Places that came by several times in one life."""
    missed: Counter[str] = field(default_factory=Counter)
    """Place → how often in turn nobody came by it in time."""
    ended: Counter[str] = field(default_factory=Counter)
    at_once: int = 0
    judgement: Judgement = field(default_factory=Judgement)
    rounds: int = 0

    def kind(self, place: str) -> str:
        """The kind of round in which to look for it."""
        share = {kind: self.seen[place][kind] / max(1, self.lives[kind]) for kind in SNAPSHOTS}
        best = max(share, key=share.__getitem__)
        return best if share[best] >= RARE else WITH

    def is_rare(self, place: str) -> bool:
        """Whether few come by without further trouble."""
        kind = self.kind(place)
        return self.seen[place][kind] < RARE * self.lives[kind]

    def unreached(self, count: int) -> list[str]:
        """Places that were seen, and then not often enough."""
        return sorted(place for place in self.wanted() if self.ended[place] < count)

    def wanted(self) -> list[str]:
        """The places at which to end."""
        return sorted(p for p in self.seen if not self.at or any(word in p for word in self.at))

    def figures(self, count: int) -> dict[str, object]:
        """For the document; so many ends were wanted at each place."""
        found, few = self.judgement, self.unreached(count)
        stages = Counter(_stage(place) for place in self.wanted())
        return {
            "await places found": len(self.seen),
            **({"of them wanted": len(self.wanted())} if self.at else {}),
            "of them": ", ".join(f"{name} {count}" for name, count in sorted(stages.items())),
            "ends at them": self.ended.total(),
            "fewest at one place": min((self.ended[p] for p in self.wanted()), default=0),
            f"places with fewer than {count}": "; ".join(
                f"{place} ({self.ended[place]})" for place in few
            )
            or "none",
            "before anything else happened, while it waited": f"{self.at_once},"
            f" {self.ended.total() - self.at_once}",
            "owners that claimed": found.owners,
            "inputs": found.inputs,
            "of them no commands": found.junk,
            "records": found.records,
            "void records": found.void_records,
            "decisions": found.decisions,
            "snapshots": found.snapshots,
        }


def environment(folder: Path) -> dict[str, str]:
    """What the routers' nursery is told."""
    folder.mkdir(parents=True, exist_ok=True)
    return {"PYTHONPATH": str(HOOK), "VAXEL_TEST_WAITS": str(folder)}


async def run(bench: Bench, count: int, seed: int, waits: Path, at: Sequence[str] = ()) -> Awaits:
    """Each place so many times, those that are found on the way too; with ``at`` only those that
    hold one of its words."""
    all_ = Awaits(tuple(at))
    for kind in SNAPSHOTS:
        await _round(bench, all_, kind, seed, waits, [])
    while not all_.judgement.wrong:
        left = [
            (place, number)
            for place in all_.wanted()
            if all_.missed[place] < MISSES_MAX
            for number in range(all_.ended[place], count)
        ]
        if not left:
            break
        all_.rounds += 1
        random.Random(seed + all_.rounds).shuffle(left)
        left.sort(key=lambda one: GENESIS not in one[0])
        by_kind = {kind: [one for one in left if all_.kind(one[0]) == kind] for kind in SNAPSHOTS}
        for kind, ours in by_kind.items():
            todo = ours[:PER_ROUND]
            if todo and not all_.judgement.wrong:
                await _round(bench, all_, kind, seed + all_.rounds, waits, todo)
        bench.say(
            f"awaits: {len(all_.wanted())} places, {all_.ended.total()} of"
            f" {count * len(all_.wanted())} ends; {all_.judgement.inputs} inputs,"
            f" {all_.judgement.violations} violations"
        )
    return all_


async def _round(
    bench: Bench, all_: Awaits, kind: str, seed: int, waits: Path, todo: list[tuple[str, int]]
) -> None:
    """A log of its own: without anything to do its owners are only watched."""
    session = Session(bench, seed, RATE, INSTANCES, snapshot_records=SNAPSHOTS[kind])
    async with session:
        trouble = Trouble(session)
        troubling = asyncio.create_task(trouble.run())
        if todo:
            queue = iter(todo)
            lanes = [_kill(session, i, queue, all_, trouble) for i in range(INSTANCES)]
        else:
            lanes = [_watch(session, i) for i in range(INSTANCES)]
        await asyncio.gather(*lanes)
        troubling.cancel()
        with suppress(asyncio.CancelledError):
            await troubling
        for instance in range(INSTANCES):
            await session.owner(instance)
        judgement = await session.judged()
    all_.judgement.add(judgement)
    for lines in _collected(waits):
        places = {line.partition(" ")[2] for line in lines}
        all_.often |= {line.partition(" ")[2] for line in lines if not line.startswith("1 ")}
        # Those that end early come by few places: only the watched tell what is rare, and where.
        all_.lives[kind] += not todo
        for place in places if not todo else places - all_.seen.keys():
            all_.seen[place][kind] += 1


async def _watch(session: Session, instance: int) -> None:
    """Two owners, one after the other: from genesis and from what the first one left.

    An orderly end takes a snapshot, so where none are wanted the end is another.
    """
    saves = session.snapshot_records < SNAPSHOTS[WITHOUT]
    for _ in range(2):
        owner = await session.owner(instance)
        asking = asyncio.create_task(_ask(owner))
        await asyncio.sleep(LOOK_S)
        owner.signal(signal.SIGTERM if saves else signal.SIGKILL)
        await owner.ended(12)
        await asking


async def _kill(
    session: Session,
    instance: int,
    queue: Iterator[tuple[str, int]],
    all_: Awaits,
    trouble: Trouble,
) -> None:
    """One owner after another that ends where it is told."""
    draw = session.random
    for place, number in queue:
        later_ms = 0.0 if number % 2 == 0 else draw.uniform(*LATER_MS)
        most = OFTEN if place in all_.often else 1
        for attempt in range(TRIES_MAX):
            kill = {
                "VAXEL_TEST_KILL": place,
                "VAXEL_TEST_KILL_NTH": str(draw.randint(1, most) if attempt == 0 else 1),
                "VAXEL_TEST_KILL_AFTER_MS": str(later_ms),
            }
            trouble.stormy.discard(instance)
            if attempt % 2 == 1 or (all_.is_rare(place) and GENESIS not in place):
                trouble.stormy.add(instance)
                if session.snapshot_records < SNAPSHOTS[WITHOUT]:
                    kill["VAXEL_SNAPSHOT_RECORDS"] = "1"
            if await _ends_there(session, instance, kill, closing=place.startswith(CLOSING)):
                all_.ended[place] += 1
                all_.missed[place] = 0
                all_.at_once += later_ms == 0
                break
        else:
            all_.missed[place] += 1
        trouble.stormy.discard(instance)


async def _ends_there(
    session: Session, instance: int, kill: dict[str, str], *, closing: bool
) -> bool:
    """Whether an owner came to the place, and ended."""
    owner = await session.owner(instance, kill)
    asking = asyncio.create_task(_ask(owner)) if kill["VAXEL_TEST_KILL"].endswith(LOCK) else None
    if closing:
        await session.decides(owner, instance, session.random.randint(1, 3))
        owner.signal(signal.SIGTERM)
    code = await owner.ended(REACH_S_MAX)
    if code is None:
        owner.signal(signal.SIGKILL)
        await owner.ended(10)
    elif code not in (0, 1, KILLED_AT_AN_AWAIT):
        session.misbehaved.append(f"{owner.log.name} ended with {code}\n{owner.last_words()}")
    if asking is not None:
        await asking
    return code == KILLED_AT_AN_AWAIT


async def _ask(owner: Process) -> None:
    """Ask for the live state without a pause as long as an owner lives."""
    url = f"http://127.0.0.1:{PORTS['router'] + owner.port_offset}/v1/queues"

    async def one(http: ClientSession) -> None:
        while owner.alive:
            try:
                async with http.get(url) as answer:
                    await answer.read()
            except (ClientError, OSError):  # it isn't up yet, or has just ended
                await asyncio.sleep(0.1)

    async with ClientSession(timeout=ClientTimeout(total=REACH_S_MAX)) as http:
        await asyncio.gather(*(one(http) for _ in range(ASKERS)))


class Trouble:
    """Records that land late and inputs that are no commands, on each partition now and then.

    ``stormy`` partitions have them all the time: places that are reached only where two things meet.
    """

    def __init__(self, session: Session) -> None:
        self.stormy: set[int] = set()
        self._session = session
        self._voids: dict[int, tuple[int, int]] = {}
        self._logs = {
            (topic, number): KafkaPartitionLog(session.one.settings, topic, number)
            for topic in (WORK, DECISIONS)
            for number in range(INSTANCES)
        }

    async def run(self) -> None:
        """Until cancelled."""
        draw = self._session.random
        due = {key: time.monotonic() + draw.uniform(0, EVERY_S[key[0]]) for key in self._logs}
        try:
            while True:
                await asyncio.sleep(0.03)
                for (topic, number), at in due.items():
                    if at <= time.monotonic():
                        stormy = number in self.stormy
                        every_s = draw.uniform(*STORM_S) if stormy else EVERY_S[topic]
                        due[topic, number] = time.monotonic() + every_s
                        with suppress(Retryable):
                            await self._append(topic, number)
        finally:
            for log in self._logs.values():
                await log.close()

    async def _append(self, topic: str, number: int) -> None:
        if topic == WORK:
            ends = self._session.feeder.ends
            ack = await self._logs[topic, number].append(b"rig", b"no command", [])
            ends[number] = max(ack.offset, ends.get(number, -1))
            return
        tail = self._session.tail
        late, seq = tail.last.get(number), tail.seq[number]
        since, count = self._voids.get(number, (-1, 0))
        count = count + 1 if since == seq else 1
        # Void records where nobody writes valid ones are a fork, and every reader halts: not that.
        if late is not None and count <= (VOIDS_MAX if number in self.stormy else 1):
            self._voids[number] = seq, count
            await self._logs[topic, number].append(b"rig", late, [])


def _collected(waits: Path) -> Iterator[set[str]]:
    """What each process of a round has written down."""
    for file in sorted(waits.iterdir()):
        yield set(file.read_text().splitlines())
        file.unlink()


def _stage(place: str) -> str:
    """Which part of the path a place belongs to."""
    for part, name in (
        ("partition._close", "end"),
        ("snapshotting._write", "snapshot"),
        ("writer.claim", "claim"),
        ("partition._restore", "restore"),
        ("partition._open_reader", "open the input"),
        ("intake.prepare", "prepare"),
        ("writer.append", "append"),
        ("partition._tick", "tick"),
        ("topic_reader.poll", "read"),
        ("topic_reader.close", "let go of the input"),
    ):
        if part in place:
            return name
    return "wait before the next try"
