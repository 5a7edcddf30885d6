"""Which snapshot a restore begins from, and which ones it passes over."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from simulation.simlog import Fate, SimulatedLog, SimulatedPartition
from simulation.toy import ENGINE, WALL_MS, Toy, batch, digest_of

from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.contracts.snapshots import LogRecord
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.chain import ChainHalt, ChainState
from vaxel_shared.kafka.log import AppendFailed
from vaxel_shared.kafka.snapshots import SLOTS, SnapshotStore
from vaxel_shared.kafka.writer import ChainWriter

LOG_ID = "5a" * 16


@dataclass
class Shelf:
    """A log of a few records, its snapshots, and the position after each record."""

    folder: Path
    decisions: SimulatedPartition = field(default_factory=SimulatedPartition)
    snapshots: SimulatedPartition = field(default_factory=SimulatedPartition)
    positions: list[ChainState] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.blobs = FolderBlobs(self.folder)

    def store(self, log_id: str = LOG_ID, partition: int = 0) -> SnapshotStore:
        log = SimulatedLog(self.snapshots)
        return SnapshotStore(log, self.blobs, log_id=log_id, partition=partition)

    async def grow(self, records: int) -> None:
        """Append valid records and note every position."""
        writer = ChainWriter(
            SimulatedLog(self.decisions), log_id=LOG_ID, partition=0, instance="0", run_id="a"
        )
        await writer.restore(lambda _record: None, chain.genesis(LOG_ID, 0))
        await writer.claim(ENGINE, WALL_MS)
        self.positions.append(writer.position)
        for _ in range(records - 1):
            at = writer.position
            through = at.through + 1
            hashed = bytes([through]) * 32
            _, decision = Toy().step(b"", through)
            await writer.append(
                batch(decision), from_=through, through=through, through_sha256=hashed
            )
            self.positions.append(writer.position)

    async def write(self, number: int, **changes: Any) -> bool:
        """A snapshot after record ``number``, but for changes to where it says it was taken."""
        state = str(number).encode()
        position = replace(self.positions[number], **changes)
        written = {"digest": digest_of(state), "engine": ENGINE, "wall_ms": WALL_MS}
        return await self.store(position.log_id).write(position, state, **written)

    async def chosen(self) -> int | None:
        """The seq that a restore begins after; None for the genesis."""
        base = await self.store().choose(SimulatedLog(self.decisions), digest_of)
        if base.state is None:
            assert base.position == chain.genesis(LOG_ID, 0)
            return None
        assert base.position == self.positions[int(base.state)]
        assert base.record is not None
        return base.record.seq


@pytest.fixture
async def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path)
    await shelf.grow(6)
    return shelf


async def test_without_snapshots_a_restore_begins_at_the_genesis(shelf: Shelf) -> None:
    assert await shelf.chosen() is None


async def test_the_newest_snapshot_is_chosen_with_all_that_the_next_record_continues(
    shelf: Shelf,
) -> None:
    await shelf.write(2)
    await shelf.write(4)
    assert await shelf.chosen() == 4
    base = await shelf.store().choose(SimulatedLog(shelf.decisions))
    assert base.position.through == 3
    assert base.position.through_sha256 == bytes([3]) * 32, "from the record, for the check of work"


async def test_rule_13_three_are_kept_and_the_oldest_makes_room(shelf: Shelf) -> None:
    for seq in range(6):
        assert await shelf.write(seq)
    found = await shelf.store().candidates()
    assert [record.seq for record in found] == [5, 4, 3]
    assert len({raw.key for raw in shelf.snapshots.records}) == SLOTS
    assert {raw.key for raw in shelf.snapshots.records} == {b"0/0", b"0/1", b"0/2"}


async def test_rule_13_a_snapshot_is_only_written_when_seq_rises(shelf: Shelf) -> None:
    assert await shelf.write(3)
    assert not await shelf.write(3)
    assert not await shelf.write(1)
    assert [record.seq for record in await shelf.store().candidates()] == [3]


async def test_rule_13_what_a_snapshot_holds_is_the_state_and_where_it_was(shelf: Shelf) -> None:
    await shelf.write(2)
    (record,) = await shelf.store().candidates()
    position = shelf.positions[2]
    assert (record.log_id, record.partition, record.offset) == (LOG_ID, 0, position.offset)
    assert (record.seq, record.through) == (2, 1)
    assert record.sha256 == position.sha256.hex()
    assert record.state_digest == digest_of(b"2")
    assert await shelf.blobs.get(record.blob_ref) == b"2"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("unconfirmed: another record stands there", {"sha256": b"\1" * 32}),
        ("ahead of the log's end", {"offset": 40, "read": 40}),
        ("another seq than its record", {"seq": 9}),
        ("another cursor than its record", {"through": 7}),
        ("of another log", {"log_id": "bb" * 16}),
    ],
)
async def test_rule_14_a_snapshot_that_the_log_does_not_confirm_is_passed_over(
    shelf: Shelf, name: str, changes: dict[str, Any]
) -> None:
    await shelf.write(1)
    assert await shelf.write(4, **changes), name
    assert await shelf.chosen() == 1, name


async def test_rule_14_a_torn_or_missing_blob_is_passed_over(shelf: Shelf) -> None:
    await shelf.write(1)
    await shelf.write(3)
    await shelf.write(4)
    newest, second, _ = await shelf.store().candidates()
    (path,) = shelf.folder.rglob(newest.blob_ref.partition("/")[2])
    path.write_bytes(b"torn")
    (path,) = shelf.folder.rglob(second.blob_ref.partition("/")[2])
    path.unlink()
    assert await shelf.chosen() == 1


async def test_rule_14_a_state_with_another_digest_is_passed_over(shelf: Shelf) -> None:
    await shelf.write(1)
    await shelf.store().write(
        shelf.positions[4], b"4", digest="wrong", engine=ENGINE, wall_ms=WALL_MS
    )
    assert await shelf.chosen() == 1


async def test_rule_14_none_usable_and_the_genesis_gone_halts(shelf: Shelf) -> None:
    await shelf.write(1)
    shelf.decisions.trim(3)
    with pytest.raises(ChainHalt, match="no usable snapshot, and the log starts at 3"):
        await shelf.chosen()


async def test_a_snapshot_whose_append_failed_is_tried_again_with_the_next(shelf: Shelf) -> None:
    store = shelf.store()
    shelf.snapshots.fates = [Fate.LOST]
    written = {"digest": digest_of(b"2"), "engine": ENGINE, "wall_ms": WALL_MS}
    with pytest.raises(AppendFailed):
        await store.write(shelf.positions[2], b"2", **written)
    assert await store.write(shelf.positions[2], b"2", **written)
    assert await shelf.chosen() == 2


async def test_other_records_of_the_topic_are_no_snapshots(shelf: Shelf) -> None:
    """The log's identity, another partition's snapshot, a tombstone and noise stand there too."""
    await shelf.write(2)
    other = (await shelf.store().candidates())[0].to_json()
    for key, value in (
        (b"log", LogRecord(log_id=LOG_ID).to_json()),
        (b"1/0", other),
        (b"0/7", other),
        (b"0/1", b""),
        (b"0/2", b"{"),
        (b"\xff/0", other),
    ):
        shelf.snapshots.land(key, value)
    assert [record.seq for record in await shelf.store().candidates()] == [2]
    assert await shelf.chosen() == 2


async def test_rule_13_a_snapshot_of_the_genesis_or_of_another_log_is_a_defect(
    shelf: Shelf,
) -> None:
    written = {"digest": "d", "engine": ENGINE, "wall_ms": WALL_MS}
    with pytest.raises(AssertionError, match="not of the genesis"):
        await shelf.store().write(chain.genesis(LOG_ID, 0), b"", **written)
    with pytest.raises(AssertionError, match="of this log"):
        await shelf.store().write(chain.genesis("bb" * 16, 0), b"", **written)
