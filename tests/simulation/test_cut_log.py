"""A log that was cut under its living owner: what it has seen confirmed isn't there any more.

A broker that missed acknowledged records was elected leader. The owner's next append lands where
it shouldn't, so it restores; it must not take the shorter log for all that there ever was, though
every record that is left is valid.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from simulation.places import SimulatedPlace, restored, started, tick, writer
from simulation.toy import ENGINE, WALL_MS

from vaxel_shared.kafka.chain import ChainHalt
from vaxel_shared.kafka.topics import DECISIONS
from vaxel_shared.kafka.writer import MustRestore


@pytest.fixture
def place(tmp_path: Path) -> SimulatedPlace:
    return SimulatedPlace(tmp_path)


def cut(place: SimulatedPlace, records: int) -> None:
    """So many records at the end are gone."""
    del place.partitions[DECISIONS].records[-records:]


async def test_an_owner_whose_records_are_gone_halts(place: SimulatedPlace) -> None:
    one = await started(place, "one")
    for _ in range(4):
        await tick(one)
    cut(place, 2)
    with pytest.raises(ChainHalt, match="seq 4 was in it: acknowledged decisions were lost"):
        await restored(place, one)


async def test_rule_16_what_it_appends_after_the_cut_halts_everybody(place: SimulatedPlace) -> None:
    one = await started(place, "one")
    for _ in range(2):
        await tick(one)
    cut(place, 1)
    with pytest.raises(MustRestore, match="landed at 2, expected 3"):
        await tick(one)
    for who in (one, writer(place, "its successor, who remembers nothing")):
        with pytest.raises(ChainHalt, match="another chain grows"):
            await restored(place, who)


async def test_an_owner_whose_records_were_replaced_halts(place: SimulatedPlace) -> None:
    one = await started(place, "one")
    await tick(one)
    known = one.position
    cut(place, 1)
    other = writer(place, "two")
    await restored(place, other)
    await other.claim(ENGINE, WALL_MS)
    await tick(other)
    assert other.position.seq > known.seq
    with pytest.raises(ChainHalt, match="seq 1 isn't the record that was there"):
        await restored(place, one)


async def test_an_owner_that_lost_a_race_and_nothing_else_goes_on(place: SimulatedPlace) -> None:
    one = await started(place, "one")
    await tick(one)
    await restored(place, one)
    await tick(one)
    assert one.position.seq == 2
