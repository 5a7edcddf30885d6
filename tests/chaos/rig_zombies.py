"""R4: an owner is frozen for longer than a takeover, its successor decides, the frozen one wakes up.

Two owners have two partitions each; in both lanes, one freeze follows another. The moment of the
freeze is drawn, so it falls on any step of a commit; one in thirty lasts longer than an append may
take. What the woken one writes must be void for everybody, and it must leave.
"""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass, field

from chaos.recovery import describe
from chaos.rig_check import Judgement
from chaos.rig_session import Bench, Session

INSTANCES = 2
PER_ROUND = 100
LONG_ONE_IN = 30
LONG_S = (5.5, 7.0)
RATE = 250.0


@dataclass
class Zombies:
    """What was done."""

    done: int = 0
    left_ms: list[int] = field(default_factory=list)
    frozen_ms: list[int] = field(default_factory=list)
    judgement: Judgement = field(default_factory=Judgement)

    def figures(self) -> dict[str, object]:
        """For the document."""
        found = self.judgement
        return {
            "freezes, each with a successor that decided": self.done,
            "records of displaced owners in the log": found.stale_attempts,
            "of those accepted": len(found.stale_accepted),
            "a woken owner left": describe(self.left_ms),
            "frozen for": describe(self.frozen_ms),
            "inputs": found.inputs,
            "records": found.records,
            "decisions": found.decisions,
        }


async def run(bench: Bench, count: int, seed: int, *, naive_reader: str = "") -> Zombies:
    """So many freezes, in rounds with a log each."""
    all_ = Zombies()
    while all_.done < count:
        some = min(PER_ROUND, count - all_.done)
        session = Session(bench, seed + all_.done, RATE, INSTANCES, naive_reader=naive_reader)
        async with session:
            shares = [(some + lane) // INSTANCES for lane in range(INSTANCES)]
            await asyncio.gather(*(_lane(session, i, n, all_) for i, n in enumerate(shares)))
            judgement = await session.judged()
        all_.judgement.add(judgement)
        bench.say(
            f"zombies {all_.done} of {count}; {judgement.inputs} inputs, {judgement.stale_attempts}"
            f" stale records, {len(judgement.stale_accepted)} accepted;"
            f" {judgement.violations} violations"
        )
        if judgement.wrong:
            break  # what follows would only hide what happened
    return all_


async def _lane(session: Session, instance: int, count: int, all_: Zombies) -> None:
    """One after another; each successor is the next to be frozen."""
    draw = session.random
    owner = await session.owner(instance)
    for _ in range(count):
        if not await session.decides(owner, instance, draw.randint(1, 6)):
            session.misbehaved.append(f"{owner.log.name}: never decided\n{owner.last_words()}")
            return
        await asyncio.sleep(draw.uniform(0, 0.05))
        owner.signal(signal.SIGSTOP)
        frozen = time.monotonic()
        successor = await session.owner(instance)
        if not await session.decides(successor, instance, draw.randint(1, 4)):
            session.misbehaved.append(
                f"{successor.log.name}: never took over\n{successor.last_words()}"
            )
            return
        if draw.randrange(LONG_ONE_IN) == 0:
            await asyncio.sleep(max(0.0, draw.uniform(*LONG_S) - (time.monotonic() - frozen)))
        owner.signal(signal.SIGCONT)
        woken = time.monotonic()
        all_.frozen_ms.append(int((woken - frozen) * 1000))
        if await session.leaves(owner):
            all_.left_ms.append(int((time.monotonic() - woken) * 1000))
        all_.done += 1
        owner = successor
