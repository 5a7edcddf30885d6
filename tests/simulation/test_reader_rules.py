"""Readers on a log that was cut, forked, flooded or filled again; and what the topics promise."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulation.places import SimulatedPlace, read_all, reader, started, tick
from simulation.protocol import Router, Violation, World, check
from simulation.simlog import SimulatedLog, SimulatedPartition
from simulation.test_protocol_model import SnapshotsBeforeConfirmed
from simulation.toy import batch

from vaxel_shared.contracts import wire
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.chain import ChainHalt
from vaxel_shared.kafka.log import OffsetGone, RawRecord
from vaxel_shared.kafka.reader import ChainCursor, DecisionsReader
from vaxel_shared.kafka.topics import DECISIONS, SNAPSHOTS, WORK, declared


@pytest.fixture
def place(tmp_path: Path) -> SimulatedPlace:
    return SimulatedPlace(tmp_path)


def decisions(place: SimulatedPlace) -> SimulatedPartition:
    return place.partitions[DECISIONS]


def test_rule_01_the_topics_are_declared_as_the_protocol_needs_them() -> None:
    log = declared(DECISIONS)
    assert (log.cleanup, log.log_append_time) == ("delete", True)
    assert log.max_message_bytes == chain.RECORD_BYTES_MAX
    assert declared(WORK).log_append_time
    assert declared(SNAPSHOTS).cleanup == "compact"
    assert log.configs(3)["min.insync.replicas"] == "2"
    assert log.configs(3)["unclean.leader.election.enable"] == "false"
    same = {(declared(t).partitions, declared(t).partitions_local) for t in _TOGETHER}
    assert len(same) == 1


_TOGETHER = (WORK, DECISIONS, SNAPSHOTS)


async def test_rule_03_a_hole_in_the_log_halts(place: SimulatedPlace) -> None:
    one = await started(place, "a")
    for _ in range(3):
        await tick(one)
    del decisions(place).records[2]
    tail = reader(place, cold=True)
    await tail.start()
    with pytest.raises(ChainHalt, match="expected offset 2"):
        await tail.poll()


async def test_rule_16_a_forked_log_halts_its_readers(place: SimulatedPlace) -> None:
    """Two chains grow side by side, as after an unclean election: nobody acts on either."""
    one = await started(place, "a")
    fork = SimulatedPartition(records=list(decisions(place).records))
    await tick(one)
    tail = reader(place, cold=True)
    await tail.start()
    await read_all(tail)
    elsewhere = SimulatedPlace(place.blobs._root)
    elsewhere.partitions[DECISIONS] = fork
    two = await started(elsewhere, "b")
    for _ in range(2):
        await tick(two)
    for raw in fork.records[2:]:
        decisions(place).land(b"0", raw.value)
    with pytest.raises(ChainHalt, match="another chain grows in this log"):
        await read_all(tail)


async def test_rule_16_a_storm_of_void_records_halts_a_reader(place: SimulatedPlace) -> None:
    await started(place, "a")
    for _ in range(chain.VOIDS_MAX + 1):
        decisions(place).land(b"0", b"noise")
    tail = reader(place, cold=True)
    await tail.start()
    with pytest.raises(ChainHalt, match="65 void records in a row"):
        await read_all(tail)


async def test_rule_16_thirty_seconds_of_void_records_halt_a_reader(place: SimulatedPlace) -> None:
    await started(place, "a")
    for _ in range(5):
        decisions(place).clock.advance(9_000)
        decisions(place).land(b"0", b"noise")
    tail = reader(place, cold=True)
    await tail.start()
    with pytest.raises(ChainHalt, match="without a valid record"):
        await read_all(tail)


async def test_rule_17_a_log_that_was_cut_halts_on_start(place: SimulatedPlace) -> None:
    one = await started(place, "a")
    cursor = ChainCursor.of(await tick(one))
    decisions(place).cut_tail(1)
    with pytest.raises(ChainHalt, match="acknowledged decisions were lost"):
        await reader(place, cursor).start()


async def test_rule_17_a_log_that_was_cut_and_filled_again_halts_on_start(
    place: SimulatedPlace,
) -> None:
    one = await started(place, "a")
    cursor = ChainCursor.of(await tick(one))
    decisions(place).cut_tail(1)
    await started(place, "b")
    await started(place, "c")
    with pytest.raises(ChainHalt, match="isn't the one that was read"):
        await reader(place, cursor).start()


async def test_a_log_that_is_cut_under_a_running_reader_halts_it(place: SimulatedPlace) -> None:
    one = await started(place, "a")
    await tick(one)
    tail = reader(place, cold=True)
    await tail.start()
    await read_all(tail)
    decisions(place).cut_tail(1)
    with pytest.raises(OffsetGone):
        await tail.poll()


async def test_rule_03_what_a_poll_that_failed_had_taken_is_read_again(
    place: SimulatedPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await started(place, "a")
    for _ in range(3):
        await tick(one)
    tail = reader(place, cold=True)
    await tail.start()
    poll = tail._source.poll

    async def taken_and_lost(timeout_ms: int, max_records: int) -> list[tuple[int, RawRecord]]:
        assert await poll(timeout_ms, max_records)
        raise Retryable("the broker went away")

    monkeypatch.setattr(tail._source, "poll", taken_and_lost)
    with pytest.raises(Retryable):
        await tail.poll()
    monkeypatch.undo()
    assert len(await tail.poll()) == len(decisions(place).records)


async def test_rule_04_readers_from_different_places_agree(place: SimulatedPlace) -> None:
    one = await started(place, "a")
    for number in range(6):
        decisions(place).land(b"0", f"void {number}".encode())
        rival = await started(place, "a")
        await tick(rival)
    assert one.position.seq == 0
    whole = reader(place, cold=True)
    await whole.start()
    records = await read_all(whole)
    assert [r.header.seq for r in records] == list(range(13))
    for index, record in enumerate(records):
        part = reader(place, record.cursor)
        await part.start()
        assert await read_all(part) == records[index + 1 :]


async def test_a_reader_of_many_partitions_keeps_them_apart() -> None:
    partitions = {number: SimulatedPartition() for number in range(3)}
    log_id = "ef" * 16
    for number, partition in partitions.items():
        state = chain.genesis(log_id, number)
        for seq in range(number):
            body = wire.encode(batch())
            header = chain.Header(log_id, seq, state.sha256, 0, -1, chain.NO_INPUT_SHA256)
            raw = chain.pack(header, body)
            state = chain.accept(state, partition.land(b"", raw), raw).state
    logs = {number: SimulatedLog(partition) for number, partition in partitions.items()}
    tail = DecisionsReader.over(logs, log_id, {}, "genesis")
    await tail.start()
    assert not await tail.caught_up()
    found = [record for _ in range(4) for record in await tail.poll(max_records=1)]
    assert [(r.partition, r.header.seq) for r in found] == [(1, 0), (2, 0), (2, 1)]
    assert await tail.at_end()
    assert await tail.caught_up()
    partitions[2].land(b"", b"one more")
    assert await tail.caught_up()
    assert not await tail.at_end()
    assert [tail.cursor(p).seq for p in tail.partitions] == [-1, 0, 1]
    await tail.close()
    assert all(log.closed for log in logs.values())


async def test_rule_24_a_reader_whose_place_was_trimmed_while_it_slept_halts(
    place: SimulatedPlace,
) -> None:
    one = await started(place, "a")
    tail = reader(place, cold=True)
    await tail.start()
    await read_all(tail)
    for _ in range(3):
        await tick(one)
    decisions(place).trim(3)
    with pytest.raises(OffsetGone):
        await tail.poll()


class WithoutDigests(SnapshotsBeforeConfirmed):
    """The same mistake in a router whose records carry no digest of the state."""

    async def append(self, batch_: wire.Batch, first: int, payloads: list[bytes]) -> None:
        bare = wire.Batch(engine=batch_.engine, wall_ms=batch_.wall_ms, decisions=batch_.decisions)
        await super().append(bare, first, payloads)

    async def restore(self) -> None:
        await super().restore()
        self.writer.claim = _bare_claim(self)  # type: ignore[method-assign]


def _bare_claim(router: Router) -> object:
    claim = type(router.writer).claim

    async def bare(engine: str, wall_ms: int, _digest: str | None = None) -> object:
        return await claim(router.writer, engine, wall_ms)

    return bare


def test_rule_15_the_digest_catches_a_state_that_was_shared_with_a_snapshot() -> None:
    """The chain proves the log, not the state: without the digest wrong decisions are made."""
    ends = {
        router: [_end_of(World(seed, router_class=router)) for seed in range(25)]
        for router in (SnapshotsBeforeConfirmed, WithoutDigests)
    }
    halted = "the state before it has another digest"
    assert sum(halted in end for end in ends[SnapshotsBeforeConfirmed]) > 12
    assert sum("decided otherwise" in end for end in ends[WithoutDigests]) > 12
    assert not any(halted in end for end in ends[WithoutDigests])


def _end_of(world: World) -> str:
    try:
        check(world.run(turns_max=15_000))
    except (ChainHalt, Violation) as error:
        return str(error)
    return "survived"
