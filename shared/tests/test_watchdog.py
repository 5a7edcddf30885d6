"""A log that grows while nothing is handled ends the process; nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from vaxel_shared.clock import ManualClock
from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka.watchdog import Progress, Watchdog


@pytest.mark.parametrize(
    ("story", "stalled_at_end"),
    [
        ("idle: all is read", [(0, 5, 5), (100, 5, 5), (500, 5, 5)]),
        ("slow but moving", [(0, 1, 9), (90, 2, 9), (180, 3, 9), (270, 4, 9)]),
        ("idle for long, then a record comes", [(0, 5, 5), (900, 5, 6), (950, 5, 6)]),
        ("caught up and behind again", [(0, 1, 2), (90, 2, 2), (150, 2, 3)]),
    ],
)
def test_no_stall(story: str, stalled_at_end: list[tuple[int, int, int]]) -> None:
    progress = Progress(stall_ms=100)
    for now_ms, position, end in stalled_at_end:
        assert progress.observe(now_ms, {0: position}, {0: end}) == [], story


def test_a_partition_with_unread_records_that_does_not_move_is_stalled() -> None:
    progress = Progress(stall_ms=100)
    assert progress.observe(0, {0: 4, 1: 4}, {0: 9, 1: 4}) == []
    assert progress.observe(100, {0: 4, 1: 4}, {0: 12, 1: 4}) == []
    assert progress.observe(101, {0: 4, 1: 4}, {0: 12, 1: 4}) == [0]


def test_a_partition_never_handled_counts_from_its_first_record() -> None:
    progress = Progress(stall_ms=100)
    assert progress.observe(0, {}, {0: 1}) == []
    assert progress.observe(101, {}, {0: 1}) == [0]


class World:
    """Positions and ends, and a clock that each question moves by 50 ms."""

    def __init__(self, *, away: bool) -> None:
        self.clock = ManualClock(0)
        self.questions = 0
        self.away = away

    async def positions(self) -> Mapping[int, int]:
        return {0: 1}

    async def ends(self) -> Mapping[int, int]:
        self.questions += 1
        self.clock.advance(50)
        if self.away and self.questions % 2 == 0:
            raise Retryable("no broker")
        return {0: 5}


async def test_a_stall_is_fatal_and_says_where() -> None:
    world = World(away=False)
    watchdog = Watchdog(
        "vaxel.work", world.positions, world.ends, stall_ms=100, period_ms=1, clock=world.clock
    )
    with pytest.raises(Fatal, match=r"vaxel\.work: partitions \[0\]"):
        await asyncio.wait_for(watchdog.run(asyncio.Event()), 10)
    assert world.questions == 4


async def test_a_broker_that_is_away_is_no_stall() -> None:
    world = World(away=True)
    watchdog = Watchdog(
        "vaxel.work", world.positions, world.ends, stall_ms=100, period_ms=1, clock=world.clock
    )
    stop = asyncio.Event()
    running = asyncio.create_task(watchdog.run(stop))
    for _ in range(10_000):
        if world.questions >= 20 or running.done():
            break
        await asyncio.sleep(0.001)
    assert world.questions >= 20
    stop.set()
    await running
