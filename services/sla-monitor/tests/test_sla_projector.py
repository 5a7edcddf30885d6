"""What the projector writes and in which order; how far it says that decisions are known."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from sla_kit import T0, Told

from vaxel_shared.clock import ManualClock
from vaxel_shared.contracts import wire
from vaxel_shared.contracts.sla import Move
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.producer import Ack
from vaxel_shared.kafka.records import ChainCursor, ChainRecord
from vaxel_sla_monitor.core.moves import MOVERS, move_id, moves_of
from vaxel_sla_monitor.shell.broker_time import BrokerTime
from vaxel_sla_monitor.shell.buffer import SureBuffer
from vaxel_sla_monitor.shell.projector import Projector

LOG = "0" * 32


def decision(kind, **data):
    return wire.Decision(type=kind, at_ms=T0, pool="p", cause="c", case_id="case-1", data=data)


def record(offset, *decisions, through=-1):
    head = chain.Header(LOG, offset, bytes(32), 0, through, chain.NO_INPUT_SHA256)
    batch = wire.Batch(engine="e", wall_ms=T0, decisions=list(decisions))
    return ChainRecord(0, offset, T0, head, batch, b"raw")


class World:
    """Reader, broker, database and clock, with one account of what happened in which order."""

    def __init__(self):
        self.did, self.batches, self.through, self.work_end = [], [], -1, 0
        self.partitions, self.clock, self.broker_ahead_ms = [0], ManualClock(), 5_000
        self.failures = 0

    async def start(self):
        pass

    async def poll(self, _timeout_ms=0, _max=0):
        records = self.batches.pop(0) if self.batches else []
        if records:
            self.through = records[-1].header.through
        return records

    def cursor(self, partition):
        return ChainCursor(LOG, partition, 0, 0, self.through, "")

    async def send_many(self, outgoing):
        if self.failures:
            self.failures -= 1
            raise Retryable("no broker")
        self.did += [json.loads(item.value) | {"key": item.key} for item in outgoing]
        return [Ack(0, 0, self.clock.wall_ms() + self.broker_ahead_ms) for _ in outgoing]

    async def advance(self, _cursors, _now_ms):
        self.did.append({"kind": "cursor"})

    async def ends(self, _topic, _partitions):
        return {0: self.work_end}

    def projector(self):
        return Projector(self, self, self, self, clock=self.clock, clocks=2, mark_ms=1_000)

    def kinds(self):
        return [item["kind"] for item in self.did]


async def test_moves_are_acknowledged_before_the_cursor_and_before_the_mark():
    world = World()
    world.batches = [[record(0, decision("case.opened", number="S-1"), decision("offer.made"))]]
    await world.projector().round()
    assert world.kinds() == ["move", "cursor", "mark", "mark"]
    assert world.did[0]["key"] == "case-1"


async def test_what_could_not_be_sent_is_sent_again_and_the_cursor_waits():
    world = World()
    world.batches, world.failures = [[record(0, decision("case.replied"))]], 1
    projector = world.projector()
    with pytest.raises(Retryable):
        await projector.round()
    assert world.did == []
    await projector.round()
    assert world.kinds()[:2] == ["move", "cursor"]


async def test_decisions_are_known_by_the_brokers_clock_once_every_command_is_covered():
    world = World()
    projector = world.projector()
    await projector.round()
    assert projector.known_ms == {}  # nothing was heard of the broker's clock yet
    heard_ms = world.clock.wall_ms() + world.broker_ahead_ms
    world.clock.advance(1_000)
    await projector.round()
    assert projector.known_ms == {0: heard_ms + 900}
    world.work_end = 3  # commands that nobody has decided about
    world.clock.advance(60_000)
    await projector.round()
    assert projector.known_ms == {0: heard_ms + 900}
    world.batches = [[record(1, through=2)]]
    world.clock.advance(1_000)
    await projector.round()
    assert projector.known_ms == {0: heard_ms + 61_900}


def test_the_brokers_clock_is_never_taken_for_later_than_it_is():
    clock = ManualClock()
    time = BrokerTime(clock)
    assert time.now_ms() is None
    time.heard(1_000)
    clock.advance(500)
    assert time.now_ms() == 1_450, "our own clock may be a tenth too fast"
    time.heard(2_000)
    assert time.now_ms() == 2_000


def test_our_own_clocks_drift_never_adds_up():
    """Five per cent too fast for an hour, with an acknowledgement each second."""
    clock, broker_ms = ManualClock(), 1_000_000
    time = BrokerTime(clock)
    for _ in range(3_600):
        time.heard(broker_ms)
        clock.advance(1_050)
        broker_ms += 1_000
        known = time.now_ms()
        assert known is not None
        assert broker_ms - 1_000 <= known <= broker_ms


def test_a_brokers_clock_that_is_set_back_is_believed():
    clock = ManualClock()
    time = BrokerTime(clock)
    time.heard(10_000_000)
    time.heard(6_400_000)
    assert time.now_ms() == 6_400_000


def test_only_what_moves_a_clock_is_projected_and_its_id_is_its_place():
    kinds = {kind for kind in [*MOVERS, "offer.made", "notice.due", "command.refused"]
             if moves_of(decision(kind), partition=0, seq=1, index=2)}  # fmt: skip
    assert kinds == MOVERS
    ended = decision("case.resolved", reason="left", outcome="abandoned")
    (move,) = moves_of(ended, partition=0, seq=1, index=2)
    assert (move.type, move.reason) == ("case.given_up", "abandoned")
    (move,) = moves_of(decision("case.replied"), partition=0, seq=1, index=2)
    assert move_id(LOG, move) == move_id(LOG, move.model_copy(update={"at_ms": 5}))
    assert move_id(LOG, move) != move_id(LOG, move.model_copy(update={"index": 3}))


def test_a_case_that_goes_into_another_moves_both_under_ids_of_their_own():
    gone = decision("case.merged", into="case-2", waiting_since_ms=5)
    into = moves_of(gone, partition=0, seq=1, index=2)
    assert [(move.type, move.case_id, move.other) for move in into] == [
        ("case.merged", "case-1", None), ("case.took_in", "case-2", "case-1"),
    ]  # fmt: skip
    assert into[1].waiting_since_ms == 5
    assert len({move_id(LOG, move) for move in into}) == 2
    back = moves_of(
        decision("case.split", out_of="case-2", answered=True), partition=0, seq=2, index=0
    )
    assert [(move.type, move.case_id, move.answered) for move in back] == [
        ("case.split", "case-1", True), ("case.let_go", "case-2", None),
    ]  # fmt: skip


def test_a_promise_looks_at_the_cases_own_queue_wherever_its_work_is_sent():
    (sent,) = moves_of(
        decision("work.queued", queue="night", home="billing"), partition=0, seq=1, index=0
    )
    assert sent.facts.queue == "billing"
    assert moves_of(decision("work.stepped", queue="general"), partition=0, seq=1, index=1) == []
    assert moves_of(decision("work.suspended"), partition=0, seq=1, index=2) == []


def test_a_joined_message_does_not_move_the_case_to_its_own_queue():
    told = Told()
    told.open()
    (joined,) = moves_of(
        decision("case.joined", queue="other", priority=60, number="S-1"),
        partition=0,
        seq=1,
        index=0,
    )
    assert isinstance(joined, Move)
    assert told.feed(joined) == []
    assert told.case.facts.queue == "general"


class Halves(SureBuffer):
    """The buffer without Faust around it."""

    def __init__(self):
        self.pending = asyncio.Queue()
        self._waiting, self._failure = set(), None
        self.app = SimpleNamespace(conf=SimpleNamespace(producer_threaded=False))


async def test_a_flush_waits_for_all_that_was_put_before_it_and_for_nothing_else():
    loop, buffer = asyncio.get_running_loop(), Halves()
    first, second, later = (loop.create_future() for _ in range(3))
    buffer.put(first)
    buffer.put(second)
    flush = asyncio.ensure_future(buffer.flush())
    await asyncio.sleep(0.15)  # longer than Faust's own patience
    buffer.put(later)
    second.set_result(None)
    await asyncio.sleep(0)
    assert not flush.done()
    first.set_result(None)
    await asyncio.wait_for(flush, 1)
    assert not later.done()


async def test_a_change_that_could_not_be_written_fails_the_commit():
    loop, buffer = asyncio.get_running_loop(), Halves()
    lost = loop.create_future()
    buffer.put(lost)
    lost.set_exception(ConnectionError("gone"))
    await asyncio.sleep(0)
    with pytest.raises(ConnectionError):
        await buffer.flush()
