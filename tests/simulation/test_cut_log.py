"""A log that was cut under its living owner: what it has seen confirmed isn't there any more.

A broker that missed acknowledged records was elected leader. The owner's next append lands where
it shouldn't, so it restores; it must not take the shorter log for all that there ever was, though
every record that is left is valid.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from simulation.places import SimulatedPlace, restored, started, store, tick, writer
from simulation.toy import ENGINE, WALL_MS

from vaxel_shared.kafka.chain import ChainHalt
from vaxel_shared.kafka.snapshots import SnapshotStore
from vaxel_shared.kafka.topics import DECISIONS, SNAPSHOTS
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


async def test_a_last_word_halts_who_comes_after_until_the_log_is_whole_again(
    place: SimulatedPlace,
) -> None:
    one = await started(place, "one")
    await tick(one)
    records = list(place.partitions[DECISIONS].records)
    cut(place, 1)
    await store(place).leave_word(one.position, engine=ENGINE, wall_ms=WALL_MS)
    with pytest.raises(ChainHalt, match="seq 1 was confirmed at offset 1 and isn't there"):
        await store(place).choose(place.log())
    place.partitions[DECISIONS].records[:] = records
    assert (await store(place).choose(place.log())).position.offset == -1


async def test_an_operator_may_go_on_without_what_was_lost(place: SimulatedPlace) -> None:
    one = await started(place, "one")
    await tick(one)
    cut(place, 1)
    await store(place).leave_word(one.position, engine=ENGINE, wall_ms=WALL_MS)
    log = place.log(SNAPSHOTS)
    bold = SnapshotStore(log, place.blobs, log_id=place.log_id, partition=0, accept_loss=True)
    await bold.choose(place.log())
    assert (await store(place).choose(place.log())).position.offset == -1, "struck out for good"


async def test_a_last_word_that_retention_has_passed_is_no_proof(place: SimulatedPlace) -> None:
    one = await started(place, "one")
    position = await tick(one)
    await tick(one)
    await store(place).write(one.position, b"state", digest="d", engine=ENGINE, wall_ms=WALL_MS)
    await store(place).leave_word(position, engine=ENGINE, wall_ms=WALL_MS)
    await place.trim(2)
    assert (await store(place).choose(place.log())).position.seq == 2
