"""The writer under every outcome an append can have, on a log that fails on demand."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field

import pytest
from simulation.simlog import Fate, SimulatedLog, SimulatedPartition
from simulation.toy import ENGINE, WALL_MS, Toy, batch, input_sha256

from vaxel_shared.contracts import wire
from vaxel_shared.errors import Fatal, Poison, Retryable
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.chain import ChainHalt
from vaxel_shared.kafka.log import Acknowledged, Chunk, Headers
from vaxel_shared.kafka.records import ChainRecord
from vaxel_shared.kafka.writer import (
    BACK_OFF_MS_MAX,
    BACK_OFF_MS_MIN,
    MISSES_MAX,
    ChainWriter,
    Confirmed,
    Displaced,
    MustRestore,
    body_bytes,
)

LOG_ID = "77" * 16
UNCERTAIN = [Fate.LOST, Fate.UNANSWERED, Fate.LATE, Fate.DUPLICATE, Fate.TWICE, Fate.STUCK]


class Widest:
    """Draws the longest pause."""

    def uniform(self, a: float, b: float) -> float:
        assert a <= b
        return b


@dataclass
class Desk:
    """A partition, one writer on it, and what it slept and folded."""

    partition: SimulatedPartition = field(default_factory=SimulatedPartition)
    slept_ms: list[float] = field(default_factory=list)
    folded: list[ChainRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log = SimulatedLog(self.partition)
        self.writer = self.new_writer("mine", self.log)

    def new_writer(self, run_id: str, log: SimulatedLog | None = None) -> ChainWriter:
        return ChainWriter(
            log or SimulatedLog(self.partition),
            log_id=LOG_ID,
            partition=0,
            instance="0",
            run_id=run_id,
            random=Widest(),
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept_ms.append(round(seconds * 1000))

    async def start(self) -> Desk:
        await self.restore()
        await self.writer.claim(ENGINE, WALL_MS)
        return self

    async def restore(self, writer: ChainWriter | None = None) -> list[int]:
        self.folded = []
        await (writer or self.writer).restore(self.folded.append, chain.genesis(LOG_ID, 0))
        return [record.header.seq for record in self.folded]

    async def add(self, payload: bytes = b"mail") -> Confirmed:
        at = self.writer.position
        _, decision = Toy().step(payload, at.through + 1)
        return await self.writer.append(
            batch(decision),
            from_=at.through + 1,
            through=at.through + 1,
            through_sha256=input_sha256(payload),
        )


async def test_rule_12_the_first_record_of_a_process_is_its_claim() -> None:
    desk = Desk()
    await desk.restore()
    with pytest.raises(AssertionError, match="is its claim"):
        await desk.add()
    confirmed = await desk.writer.claim(ENGINE, WALL_MS, "digest")
    assert (confirmed.offset, confirmed.seq, desk.writer.next_seq) == (0, 0, 1)
    await desk.restore()
    assert desk.folded[0].batch == wire.Batch(
        engine=ENGINE,
        wall_ms=WALL_MS,
        state_digest="digest",
        claim={"instance": "0", "run_id": "mine"},
    )


async def test_a_confirmed_record_moves_the_position_and_names_its_bytes() -> None:
    desk = await Desk().start()
    confirmed = await desk.add(b"mail")
    raw = desk.partition.records[1]
    assert confirmed == Confirmed(1, 1, raw.timestamp_ms, hashlib.sha256(raw.value).digest())
    position = desk.writer.position
    assert (position.offset, position.seq, position.through) == (1, 1, 0)
    assert position.through_sha256 == input_sha256(b"mail")
    assert raw.key == b"0"


async def test_nothing_is_sent_before_a_restore() -> None:
    desk = Desk()
    with pytest.raises(AssertionError, match="restore first"):
        await desk.writer.claim(ENGINE, WALL_MS)
    assert desk.partition.end == 0


@pytest.mark.parametrize("fate", UNCERTAIN)
async def test_rule_10_any_other_outcome_abandons_the_producer_and_restores(fate: Fate) -> None:
    desk = await Desk().start()
    abandoned = desk.log.abandoned
    desk.partition.fates = [fate]
    with pytest.raises(MustRestore):
        await desk.add(b"first")
    assert desk.log.abandoned > abandoned
    assert desk.writer.position.seq == 0, "unconfirmed: not taken for granted"
    seqs = await desk.restore()
    landed = fate in {Fate.UNANSWERED, Fate.DUPLICATE, Fate.TWICE}
    assert seqs == ([0, 1] if landed else [0])
    desk.partition.deliver_all()
    if not landed:
        try:
            await desk.add(b"first")
        except MustRestore:  # the late one took the offset: it was first, so it counts
            assert fate is Fate.LATE
            assert await desk.restore() == [0, 1]
    inputs = [d.cause for r in await _refolded(desk) for d in r.batch.decisions]
    assert inputs == ["0"], "decided once"


async def _refolded(desk: Desk) -> list[ChainRecord]:
    records: list[ChainRecord] = []
    await desk.new_writer("checker").restore(records.append, chain.genesis(LOG_ID, 0))
    return records


@pytest.mark.parametrize("fate", [Fate.UNANSWERED, Fate.DUPLICATE])
async def test_rule_12_a_claim_whose_outcome_was_unknown_is_found_in_the_log(fate: Fate) -> None:
    desk = Desk()
    await desk.restore()
    desk.partition.fates = [fate]
    with pytest.raises(MustRestore):
        await desk.writer.claim(ENGINE, WALL_MS)
    assert not desk.writer.claimed
    await desk.restore()
    assert desk.writer.claimed
    assert (await desk.add()).seq == 1


async def test_a_claim_after_a_restore_tells_the_brokers_present_time() -> None:
    """A claim found in the log is as old as the process; a clock set by it would stand still."""
    desk = await Desk().start()
    desk.partition.clock.advance(3_600_000)
    await desk.restore()
    confirmed = await desk.writer.claim(ENGINE, WALL_MS)
    assert confirmed.timestamp_ms == desk.partition.clock.wall_ms()
    assert confirmed.seq == 1


async def test_rule_12_a_claim_that_lost_is_made_again() -> None:
    desk = Desk()
    await desk.restore()
    other = desk.new_writer("other")
    await desk.restore(other)
    await other.claim(ENGINE, WALL_MS)
    with pytest.raises(MustRestore):
        await desk.writer.claim(ENGINE, WALL_MS)
    await desk.restore()
    assert (await desk.writer.claim(ENGINE, WALL_MS)).seq == 1
    with pytest.raises(MustRestore):
        await other.append(batch(), from_=0, through=-1, through_sha256=chain.NO_INPUT_SHA256)
    with pytest.raises(Displaced, match="instance 0 run mine"):
        await desk.restore(other)


async def test_rule_08_a_record_that_readers_would_refuse_is_never_sent() -> None:
    desk = await Desk().start()
    with pytest.raises(ChainHalt, match="folds inputs 5 to 5"):
        await desk.writer.append(batch(), from_=5, through=5, through_sha256=input_sha256(b"x"))
    assert desk.partition.end == 1


async def test_rule_07_a_record_without_input_keeps_the_hash_of_the_last_one() -> None:
    desk = await Desk().start()
    await desk.add(b"mail")
    with pytest.raises(AssertionError, match="no input, no new hash"):
        await desk.writer.append(batch(), from_=1, through=0, through_sha256=bytes(32))
    confirmed = await desk.writer.append(
        batch(), from_=1, through=0, through_sha256=input_sha256(b"mail")
    )
    assert (confirmed.seq, desk.writer.position.through) == (2, 0)


async def test_rule_20_a_batch_above_half_of_what_the_topic_takes_is_refused_unsent() -> None:
    desk = await Desk().start()
    filler = wire.Decision(type="t", at_ms=0, pool="p", cause="0", data={"x": "y" * 1_000})
    count = chain.BODY_BYTES_MAX // 1_000
    large = batch(*[filler] * count)
    assert body_bytes(large) > chain.BODY_BYTES_MAX
    with pytest.raises(Poison, match="cut it"):
        await desk.writer.append(large, from_=0, through=0, through_sha256=bytes(32))
    assert desk.partition.end == 1
    assert (await desk.add()).seq == 1, "the writer is as it was"
    assert chain.BODY_BYTES_MAX * 2 <= chain.RECORD_BYTES_MAX


async def test_rule_11_pauses_double_from_20_ms_to_2_s_and_end_with_a_success() -> None:
    desk = await Desk().start()
    desk.partition.fates = [Fate.LOST] * 10
    for _ in range(10):
        with pytest.raises(MustRestore):
            await desk.add()
        await desk.restore()
    assert desk.slept_ms == [40, 80, 160, 320, 640, 1280, 2000, 2000, 2000, 2000]
    assert (BACK_OFF_MS_MIN, BACK_OFF_MS_MAX) == (20, 2_000)
    await desk.add()
    await desk.restore()
    assert len(desk.slept_ms) == 10, "no pause after a success"


async def test_rule_11_after_20_misses_without_a_valid_record_it_gives_up() -> None:
    desk = await Desk().start()
    desk.partition.fates = [Fate.STUCK] * MISSES_MAX
    for _ in range(MISSES_MAX - 1):
        with pytest.raises(MustRestore):
            await desk.add()
        await desk.restore()
    with pytest.raises(Fatal, match="20 appends in a row failed"):
        await desk.add()


async def test_rule_11_somebody_elses_progress_starts_the_count_anew() -> None:
    """A record is void only because another landed: two live owners never stop each other."""
    desk = await Desk().start()
    for number in range(3 * MISSES_MAX):
        rival = desk.new_writer("mine")  # same run: a rival that doesn't claim
        await desk.restore(rival)
        at = rival.position
        payload = str(number).encode()
        await rival.append(
            batch(Toy().step(payload, number)[1]),
            from_=at.through + 1,
            through=at.through + 1,
            through_sha256=input_sha256(payload),
        )
        with pytest.raises(MustRestore):
            await desk.add()
        await desk.restore()
    assert desk.writer.position.through == 3 * MISSES_MAX - 1


async def test_rule_16_a_storm_of_void_records_halts_a_restore() -> None:
    desk = await Desk().start()
    for _ in range(chain.VOIDS_MAX + 1):
        desk.partition.land(b"0", b"noise")
    with pytest.raises(ChainHalt, match="65 void records"):
        await desk.restore()


async def test_rule_16_voids_for_more_than_30_s_halt_a_restore() -> None:
    desk = await Desk().start()
    for _ in range(5):
        desk.partition.clock.advance(9_000)
        desk.partition.land(b"0", b"noise")
    with pytest.raises(ChainHalt, match="without a valid record"):
        await desk.restore()


async def test_a_log_whose_tail_was_cut_halts_the_writer_that_saw_it() -> None:
    desk = await Desk().start()
    await desk.add()
    confirmed = desk.writer.position
    desk.partition.cut_tail(1)
    with pytest.raises(ChainHalt, match="acknowledged decisions were lost"):
        await desk.writer.restore(desk.folded.append, confirmed)


async def test_a_tail_that_was_cut_and_filled_again_halts_by_its_hash() -> None:
    """Plausible offsets, another history: the hash tells."""
    desk = await Desk().start()
    await desk.add(b"a")
    await desk.add(b"b")
    confirmed = desk.writer.position
    desk.partition.cut_tail(2)
    other = desk.new_writer("other")
    await desk.restore(other)
    for _ in range(4):
        at = other.position
        try:
            await other.claim(ENGINE, WALL_MS)
            await other.append(batch(), from_=0, through=-1, through_sha256=at.through_sha256)
        except MustRestore:
            await desk.restore(other)
    with pytest.raises(ChainHalt, match="isn't the one that was read"):
        await desk.writer.restore(desk.folded.append, confirmed)


async def test_a_start_that_is_on_another_chain_halts() -> None:
    desk = await Desk().start()
    await desk.add()
    foreign = chain.ChainState(LOG_ID, 0, b"\7" * 32, offset=1, seq=1, through=0, read=1)
    other = desk.new_writer("mine")
    await desk.restore(other)
    desk.writer._position = chain.genesis(LOG_ID, 0)
    with pytest.raises(ChainHalt, match="isn't on this chain"):
        await desk.writer.restore(desk.folded.append, foreign)


async def test_cancelled_in_the_middle_of_an_append_it_must_restore() -> None:
    desk = await Desk().start()
    gate = asyncio.Event()

    async def wait() -> None:
        await gate.wait()

    desk.log._turn = wait
    under_way = asyncio.ensure_future(desk.add())
    await asyncio.sleep(0)
    under_way.cancel()
    with pytest.raises(asyncio.CancelledError):
        await under_way
    gate.set()
    with pytest.raises(AssertionError, match="restore first"):
        await desk.add()
    desk.partition.deliver_all()
    assert await desk.restore() == [0, 1]


class SilentLog:
    """Says that it has a record and never serves it."""

    async def append(self, key: bytes, value: bytes, headers: Headers) -> Acknowledged:
        raise AssertionError

    async def abandon(self) -> None:
        return

    async def read(self, offset: int, timeout_ms: int = 200) -> Chunk:
        return Chunk((), offset)

    async def rest(self) -> None:
        return

    async def bounds(self) -> tuple[int, int]:
        return 0, 1

    async def close(self) -> None:
        return


async def test_a_broker_that_serves_nothing_is_no_endless_restore() -> None:
    writer = ChainWriter(SilentLog(), log_id=LOG_ID, partition=0, instance="0", run_id="a")
    with pytest.raises(Retryable, match="nothing comes"):
        await writer.restore(lambda _record: None, chain.genesis(LOG_ID, 0))


async def test_closing_lets_go_of_the_log() -> None:
    desk = await Desk().start()
    await desk.writer.close()
    assert desk.log.closed
    with pytest.raises(AssertionError, match="restore first"):
        await desk.add()
