"""One suite, two logs: what the simulated one does, Apache Kafka does as well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from simulation.places import (
    KafkaPlace,
    Place,
    SimulatedPlace,
    raw_append,
    read_all,
    reader,
    restored,
    started,
    store,
    tick,
    writer,
)
from simulation.toy import ENGINE, WALL_MS, Toy, batch, digest_of, input_sha256

from vaxel_shared.kafka import chain
from vaxel_shared.kafka.chain import ChainHalt
from vaxel_shared.kafka.log import OffsetGone
from vaxel_shared.kafka.reader import ChainCursor
from vaxel_shared.kafka.writer import Displaced, MustRestore
from vaxel_shared.settings import Settings


@pytest.fixture(params=["simulated", pytest.param("kafka", marks=pytest.mark.broker)])
def settings_or_none(request: pytest.FixtureRequest) -> Settings | None:
    """Settings for Apache Kafka, None for the simulated log: only the first needs a broker."""
    if request.param == "simulated":
        return None
    make: Callable[[], Settings] = request.getfixturevalue("make_settings")
    return make()


@pytest.fixture
async def place(settings_or_none: Settings | None, tmp_path: Path) -> AsyncIterator[Place]:
    if settings_or_none is None:
        yield SimulatedPlace(tmp_path)
        return
    kafka = KafkaPlace(settings_or_none)
    await kafka.start()
    yield kafka
    await kafka.close()


# --- the log itself


async def test_an_append_is_answered_with_its_offset_and_the_brokers_time(place: Place) -> None:
    log = place.log()
    acks = [await raw_append(log, b"one"), await raw_append(log, b"two")]
    assert [ack.offset for ack in acks] == [0, 1]
    assert 1_500_000_000_000 < acks[0].timestamp_ms <= acks[1].timestamp_ms
    chunk = await log.read(0)
    assert [r.timestamp_ms for r in chunk.records] == [ack.timestamp_ms for ack in acks]


async def test_what_was_appended_is_read_back_from_any_offset(place: Place) -> None:
    log = place.log()
    assert await log.bounds() == (0, 0)
    for value in (b"a", b"b", b"c"):
        await raw_append(log, value)
    assert await log.bounds() == (0, 3)
    for offset in (1, 0, 2):
        chunk = await log.read(offset)
        assert [r.value for r in chunk.records] == [b"a", b"b", b"c"][offset:]
        assert chunk.next_offset == 3


async def test_at_the_end_nothing_comes_and_the_position_stays(place: Place) -> None:
    log = place.log()
    await raw_append(log, b"a")
    chunk = await log.read(1, timeout_ms=50)
    assert (chunk.records, chunk.next_offset) == ((), 1)
    await raw_append(place.log(), b"b")
    chunk = await log.read(1, timeout_ms=5_000)
    assert [r.value for r in chunk.records] == [b"b"]


async def test_offsets_outside_the_log_are_an_error(place: Place) -> None:
    log = place.log()
    for value in (b"a", b"b", b"c"):
        await raw_append(log, value)
    await place.trim(2)
    assert await log.bounds() == (2, 3)
    for offset in (1, 4):
        with pytest.raises(OffsetGone):
            await log.read(offset, timeout_ms=2_000)
    assert [r.value for r in (await log.read(2)).records] == [b"c"]


async def test_an_abandoned_log_appends_again(place: Place) -> None:
    log = place.log()
    await raw_append(log, b"a")
    await log.abandon()
    assert (await raw_append(log, b"b")).offset == 1


# --- the writer


async def test_a_writer_commits_and_a_reader_sees_what_it_committed(place: Place) -> None:
    one = await started(place, "a")
    after, decision = Toy().step(b"mail", 0)
    confirmed = await one.append(
        batch(decision), from_=0, through=0, through_sha256=input_sha256(b"mail")
    )
    assert (confirmed.offset, confirmed.seq) == (1, 1)
    tail = reader(place, cold=True)
    await tail.start()
    claim, record = await read_all(tail)
    assert claim.batch.claim == {"instance": "0", "run_id": "a"}
    assert record.batch.decisions == [decision]
    assert Toy().apply(record.batch.decisions[0]) == after
    assert (record.timestamp_ms, record.offset) == (confirmed.timestamp_ms, confirmed.offset)
    await tail.close()


async def test_rule_09_the_expected_offset_is_the_folded_position(place: Place) -> None:
    one = await started(place, "a")
    await raw_append(place.log(), b"a stray record takes the next offset")
    with pytest.raises(MustRestore, match="landed at 2, expected 1"):
        await tick(one)
    folded = await restored(place, one)
    assert [r.header.seq for r in folded] == [0, 1], "void for nobody: the stray continues no chain"
    assert (await tick(one)).offset == 3


async def test_rule_04_of_two_writers_at_one_place_the_second_is_void(place: Place) -> None:
    one = await started(place, "a")
    two = writer(place, "b")
    await restored(place, two)
    await tick(one)
    with pytest.raises(MustRestore):
        await two.claim(ENGINE, WALL_MS)
    assert [r.header.seq for r in await restored(place, two)] == [0, 1]
    assert two.position.read == 2, "the void record was read past"
    assert two.position.voids == 1


async def test_rule_10_a_writer_that_lost_goes_on_after_it_restored(place: Place) -> None:
    one = await started(place, "a")
    await raw_append(place.log(), b"")
    with pytest.raises(MustRestore):
        await tick(one)
    with pytest.raises(AssertionError, match="restore first"):
        await tick(one)
    await restored(place, one)
    assert (await tick(one)).seq == 2


async def test_rule_12_a_displaced_writer_says_so_and_never_claims_again(place: Place) -> None:
    one = await started(place, "a")
    two = await started(place, "b")
    with pytest.raises(MustRestore):
        await tick(one)
    with pytest.raises(Displaced, match="claimed it after us"):
        await restored(place, one)
    with pytest.raises(MustRestore):
        await tick(two)  # the loser's void record took the offset it expected; its own counts
    assert [r.header.seq for r in await restored(place, two)] == [0, 1, 2]
    assert (await tick(two)).seq == 3


async def test_rule_12_a_newer_snapshot_does_not_hide_the_other_claim(place: Place) -> None:
    one = await started(place, "a")
    two = await started(place, "b")
    later = await tick(two)
    with pytest.raises(MustRestore):
        await tick(one)
    with pytest.raises(Displaced):
        await one.restore(lambda _record: None, later)


async def test_rule_12_a_process_finds_its_own_claim_in_the_log(place: Place) -> None:
    await started(place, "a")
    again = writer(place, "a")
    assert not again.claimed
    await restored(place, again)
    assert again.claimed
    assert (await tick(again)).seq == 1


async def test_a_restore_folds_only_what_comes_after_its_start(place: Place) -> None:
    one = await started(place, "a")
    middle = await tick(one)
    await tick(one)
    seqs: list[int] = []
    other = writer(place, "b")
    await other.restore(lambda record: seqs.append(record.header.seq), middle)
    assert seqs == [2]
    assert other.position == one.position


# --- readers


async def test_rule_17_a_reader_goes_on_from_its_stored_cursor(place: Place) -> None:
    one = await started(place, "a")
    await tick(one)
    first = reader(place, cold=True)
    await first.start()
    seen = await read_all(first)
    row = seen[-1].cursor.row()
    assert row == first.cursor(0).row()
    await first.close()
    await raw_append(place.log(), b"void")
    await restored(place, one)
    await tick(one)
    second = reader(place, ChainCursor.from_row(row))
    await second.start()
    assert [r.header.seq for r in await read_all(second)] == [2]
    assert second.cursor(0) == ChainCursor.of(one.position)
    await second.close()


async def test_rule_18_a_missing_cursor_halts_unless_the_log_is_empty(place: Place) -> None:
    empty = reader(place)
    await empty.start()
    await empty.close()
    await started(place, "a")
    with pytest.raises(ChainHalt, match="no cursor"):
        await reader(place).start()


async def test_rule_02_a_cursor_of_another_log_halts(place: Place) -> None:
    await started(place, "a")
    foreign = ChainCursor("cd" * 16, 0, 0, 0, -1, "00" * 32)
    with pytest.raises(ChainHalt, match="another system's"):
        await reader(place, foreign).start()


async def test_rule_17_a_cursor_with_another_hash_halts(place: Place) -> None:
    one = await started(place, "a")
    cursor = ChainCursor.of(one.position).row() | {"sha256": "00" * 32}
    with pytest.raises(ChainHalt, match="isn't the one that was read"):
        await reader(place, ChainCursor.from_row(cursor)).start()


async def test_rule_17_a_cursor_beyond_the_logs_end_halts(place: Place) -> None:
    one = await started(place, "a")
    cursor = ChainCursor.of(one.position).row() | {"offset": 7}
    with pytest.raises(ChainHalt, match="acknowledged decisions were lost"):
        await reader(place, ChainCursor.from_row(cursor)).start()


async def test_rule_24_a_cursor_older_than_the_logs_start_halts(place: Place) -> None:
    one = await started(place, "a")
    old = ChainCursor.of(one.position)
    for _ in range(3):
        await tick(one)
    await place.trim(1)
    at_the_edge = reader(place, old)
    await at_the_edge.start()
    assert [r.header.seq for r in await read_all(at_the_edge)] == [1, 2, 3]
    await at_the_edge.close()
    await place.trim(2)
    with pytest.raises(ChainHalt, match="too old"):
        await reader(place, old).start()
    with pytest.raises(ChainHalt, match="the log starts at 2"):
        await reader(place, cold=True).start()


# --- snapshots


async def test_rule_13_snapshots_rise_and_three_are_kept(place: Place) -> None:
    one, kept = await started(place, "a"), store(place)
    for number in range(5):
        await tick(one)
        state = f"state {number}".encode()
        written = {"digest": digest_of(state), "engine": ENGINE, "wall_ms": WALL_MS}
        assert await kept.write(one.position, state, **written)
        assert not await kept.write(one.position, state, **written), "not twice for one seq"
    assert [r.seq for r in await store(place).candidates()] == [5, 4, 3]


async def test_rule_14_the_newest_snapshot_the_log_confirms_is_begun_from(place: Place) -> None:
    one, kept = await started(place, "a"), store(place)
    await tick(one)
    written = {"digest": digest_of(b"good"), "engine": ENGINE, "wall_ms": WALL_MS}
    await kept.write(one.position, b"good", **written)
    good = one.position
    await tick(one)
    unconfirmed = chain.ChainState(place.log_id, 0, b"\1" * 32, offset=2, seq=2, through=-1, read=2)
    await kept.write(unconfirmed, b"bad", **written)
    base = await store(place).choose(place.log(), digest_of)
    assert (base.state, base.position) == (b"good", good)
    seqs: list[int] = []
    other = writer(place, "b")
    await other.restore(lambda record: seqs.append(record.header.seq), base.position)
    assert seqs == [2]


async def test_rule_14_without_a_snapshot_the_genesis_if_the_log_still_has_it(place: Place) -> None:
    one = await started(place, "a")
    await tick(one)
    base = await store(place).choose(place.log())
    assert (base.state, base.position) == (None, chain.genesis(place.log_id, 0))
    await place.trim(1)
    with pytest.raises(ChainHalt, match="no usable snapshot"):
        await store(place).choose(place.log())
