"""The loop around the core, on a simulated log: what fails, waits or stops, and what stands then."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from router_harness import LOG_ID, ROUTING
from simulation.simlog import DrawnFates, Fate, SimulatedLog, SimulatedPartition, random_fates

from vaxel_router.config import RouterSettings
from vaxel_router.core import engine, step
from vaxel_router.core import state as states
from vaxel_router.core.replay import DecisionRecord, WorkRecord, replay_partition
from vaxel_router.shell import partition as shell
from vaxel_router.shell import progress, startcheck
from vaxel_router.shell.clock import LogClock
from vaxel_router.shell.partition import Partition
from vaxel_router.shell.ports import Ports
from vaxel_shared import ids
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.clock import ManualClock
from vaxel_shared.config import source
from vaxel_shared.config.routing import Routing, policy_version, pool_policy
from vaxel_shared.config.source import validate
from vaxel_shared.contracts import wire
from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.chain import ChainHalt
from vaxel_shared.kafka.snapshots import SnapshotStore
from vaxel_shared.kafka.topic_reader import Record, TopicCursor
from vaxel_shared.kafka.topics import WORK, apply
from vaxel_shared.kafka.writer import ChainWriter, Displaced
from vaxel_shared.settings import Settings

HOUR_MS = 3_600_000


class Reader:
    """Of a list of records; nothing comes while it is empty."""

    def __init__(self, work: list[Record], cursor: TopicCursor) -> None:
        self.work, self.next = work, cursor.offset + 1

    async def start(self) -> None:
        return

    async def poll(self, timeout_ms: int = 200, max_records: int = 500) -> list[Record]:
        await asyncio.sleep(0)
        found = self.work[self.next : self.next + max_records]
        self.next += len(found)
        return found

    async def at_end(self) -> bool:
        return self.next >= len(self.work)

    async def close(self) -> None:
        return


class Shell:
    """A partition on simulated logs; ``run`` until ``found``."""

    def __init__(self, folder: Path, **over: Any) -> None:
        self.settings = RouterSettings(poll_ms=1, data_dir=folder, **over)
        self.clock = ManualClock()
        self.decisions = SimulatedPartition(self.clock)
        self.stored = SimulatedPartition(self.clock)
        self.blobs = FolderBlobs(folder)
        self.work: list[Record] = []
        self.parked: list[str] = []
        self.log = SimulatedLog(self.decisions)

    def partition(self) -> Partition:
        async def no_sleep(_seconds: float) -> None:
            await asyncio.sleep(0)

        async def park(_record: Record, reason: str) -> None:
            self.parked.append(reason)

        writer = ChainWriter(
            self.log, log_id=LOG_ID, partition=0, instance="0", run_id=uuid.uuid4().hex,
            sleep=no_sleep,
        )  # fmt: skip
        snapshots = SnapshotStore(SimulatedLog(self.stored), self.blobs, log_id=LOG_ID, partition=0)
        ports = Ports(
            writer=writer, decisions=self.log, snapshots=snapshots,
            open_reader=lambda cursor: Reader(self.work, cursor), park=park, blobs=self.blobs,
            clock=LogClock(self.clock),
        )  # fmt: skip
        return Partition(self.settings, LOG_ID, 0, ports)

    def put(self, value: bytes, append_ms: int | None = None) -> None:
        at_ms = append_ms if append_ms is not None else self.clock.wall_ms()
        self.work.append(Record(WORK, 0, len(self.work), at_ms, b"support", value, ()))

    def send(self, type_: str, data: dict[str, Any], append_ms: int | None = None) -> None:
        command = wire.Command(
            id=f"c{len(self.work)}", type=type_, pool="support", via="t",
            actor=wire.Actor("system", "x"), data=data,
        )  # fmt: skip
        self.put(wire.encode(command), append_ms)

    def contact(self, append_ms: int | None = None, queue: str = "general") -> None:
        name = f"m{len(self.work)}"
        data = {
            "contact_id": name, "conversation_key": name, "customer_id": "c", "channel": "email",
            "account": "support", "queue": queue, "received_at_ms": 1,
            "src": [0, len(self.work)],
        }  # fmt: skip
        self.send("contact.add", data, append_ms)

    def batches(self) -> list[wire.Batch]:
        parts = [chain.unpack(record.value) for record in self.decisions.records]
        return [wire.decode_batch(part[1]) for part in parts if part is not None]

    def seen(self, type_: str) -> int:
        return sum(d.type == type_ for batch in self.batches() for d in batch.decisions)

    def claims(self) -> int:
        return sum(batch.claim is not None for batch in self.batches())


async def until(found: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not found():  # noqa: ASYNC110 - what is looked at has no event of its own
            await asyncio.sleep(0.001)


class Running:
    """``async with Running(partition)``: stopped cleanly at the end."""

    def __init__(self, partition: Partition) -> None:
        self.partition, self.stop = partition, asyncio.Event()

    async def __aenter__(self) -> Partition:
        self.task = asyncio.create_task(self.partition.run(self.stop))
        return self.partition

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        await asyncio.wait_for(self.task, 10)


@pytest.fixture
def system(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


async def test_what_was_not_confirmed_is_neither_read_nor_saved(
    system: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = asyncio.Event()
    system.decisions.fates = [Fate.FINE, Fate.LOST]
    system.contact()
    partition = system.partition()
    abandon = system.log.abandon

    async def abandon_and_stop() -> None:
        if system.decisions.records:  # not the first one, before the claim
            stop.set()
        await abandon()

    monkeypatch.setattr(system.log, "abandon", abandon_and_stop)
    await asyncio.wait_for(partition.run(stop), 5)
    assert partition.world.state.pools, "the batch was folded, and lost"
    assert system.stored.records == []
    with pytest.raises(Retryable):
        async with partition.confirmed():
            pass


@pytest.mark.parametrize(
    "fate", [Fate.LOST, Fate.UNANSWERED, Fate.LATE, Fate.DUPLICATE, Fate.TWICE]
)
async def test_every_outcome_of_an_append_ends_in_one_decision(system: Shell, fate: Fate) -> None:
    system.decisions.fates = [Fate.FINE, fate]
    system.contact()
    partition = system.partition()
    async with Running(partition):
        await until(lambda: partition.next_input == 1 and partition.is_confirmed)
        system.decisions.deliver_all()
        system.contact()
        await until(lambda: partition.next_input == 2 and partition.is_confirmed)
        async with partition.confirmed() as world:
            assert len(world.state.pools["support"].cases) == 2
    again = system.partition()
    async with Running(again):
        await until(lambda: again.is_confirmed)
        assert states.digest(again.world.state) == states.digest(partition.world.state)


@pytest.mark.parametrize("seed", range(12))
async def test_any_trouble_with_the_log_leaves_each_input_decided_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(step, "DECISIONS_MAX", 4)
    system, rng = Shell(tmp_path, snapshot_records=3), random.Random(seed)
    blob = pool_policy(validate(Routing, source.parse("routing.yaml", ROUTING.encode())).pools[0])
    ref = await system.blobs.put("policy", blob)
    version = policy_version(blob)
    system.send("policy.publish", {"kind": "routing", "version": version, "ref": ref})
    bad = [fate for fate in Fate if fate not in (Fate.FINE, Fate.STUCK)]
    trouble = random_fates(rng, dict.fromkeys(bad, 0.05))
    system.decisions.fates = DrawnFates(trouble)
    for _ in range(4):  # lives, each of another process
        async with Running(system.partition()) as partition:
            for _ in range(6):
                system.clock.advance(rng.choice([1, 1_000, 700_000]))
                system.contact(queue=rng.choice(["billing", "general"]))
                if rng.random() < 0.3:
                    system.decisions.deliver_all()
                await asyncio.sleep(0.002)
            await until(lambda: partition.next_input == len(system.work))
        system.decisions.deliver_all()
    position, records = chain.genesis(LOG_ID, 0), []
    for raw in system.decisions.records:
        outcome = chain.accept(position, raw.offset, raw.value)
        position = outcome.state
        if isinstance(outcome, chain.Accepted):
            head, body = outcome.header, raw.value[chain.HEADER_BYTES :]
            records.append(DecisionRecord(raw.offset, head.seq, head.from_, head.through, body))
    work = [WorkRecord(r.offset, r.timestamp_ms, r.value) for r in system.work]
    result = replay_partition(LOG_ID, 0, work, records, {version: blob})
    assert result.mismatch is None
    made = [d for record in records for d in wire.decode_batch(record.body).decisions]
    assert sum(d.type == "case.opened" for d in made) == len(system.work) - 1
    assert not any(d.type in ("command.repeated", "input.rejected") for d in made)


async def test_a_restore_that_fails_half_way_shows_nothing(
    system: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        system.contact()
    async with Running(system.partition()) as first:
        await until(lambda: first.next_input == 3)
    system.stored.records.clear()
    claim = ChainWriter.claim
    failing = [True]

    async def fail_first(self: ChainWriter, *args: Any, **more: Any) -> Any:
        if failing[0]:
            raise Retryable("away")
        return await claim(self, *args, **more)

    monkeypatch.setattr(ChainWriter, "claim", fail_first)
    partition = system.partition()
    async with Running(partition):
        await until(lambda: any("away" in reason for reason in partition.reasons))
        with pytest.raises(Retryable):
            async with partition.confirmed():
                pass
        failing[0] = False
        await until(lambda: partition.is_confirmed and not partition.reasons[:-1])


async def test_a_dead_letter_is_parked_once_however_often_its_batch_is_begun(
    system: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "DECISIONS_MAX", 3)
    system.decisions.fates = [Fate.FINE, Fate.FINE, Fate.LOST]
    for _ in range(6):
        system.contact()
    system.put(b"no command")
    async with Running(system.partition()) as partition:
        await until(lambda: partition.next_input == 7)
    assert system.parked == ["undecodable"]
    assert system.seen("input.rejected") == 1


async def test_an_input_that_raises_is_parked_and_rejected_once(
    system: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(_step: object, _command: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(engine.HANDLERS, "case.note", explode)
    system.contact()
    system.send("case.note", {"note_ref": "n", "note_sha256": "n", "note_size": 1})
    system.contact()
    async with Running(system.partition()) as partition:
        await until(lambda: partition.next_input == 3)
    assert system.parked == ["raised:ZeroDivisionError"]
    assert (system.seen("input.rejected"), system.seen("case.opened")) == (1, 2)


async def test_a_missing_policy_holds_up_only_what_comes_after_it(system: Shell) -> None:
    blob = pool_policy(validate(Routing, source.parse("routing.yaml", ROUTING.encode())).pools[0])
    version = policy_version(blob)
    system.contact()
    data = {"kind": "routing", "version": version, "ref": f"policy/{version}"}
    system.send("policy.publish", data)
    async with Running(system.partition()) as partition:
        await until(lambda: partition.waits_for_blob and partition.next_input == 1)
        assert any(version in reason for reason in partition.reasons)
        await asyncio.sleep(0.05)
        await system.blobs.put("policy", blob)
        await until(lambda: partition.next_input == 2)
        assert system.claims() == 1
        await until(lambda: partition.reasons == [])


async def test_an_input_from_the_future_waits(system: Shell) -> None:
    system.contact(append_ms=system.clock.wall_ms() + 60_000)
    async with Running(system.partition()) as partition:
        await until(lambda: any("ahead" in reason for reason in partition.reasons))
        assert partition.next_input == 0
        system.clock.advance(60_000)
        await until(lambda: partition.next_input == 1)


async def test_timers_fire_while_nothing_comes(system: Shell) -> None:
    blob = pool_policy(validate(Routing, source.parse("routing.yaml", ROUTING.encode())).pools[0])
    ref = await system.blobs.put("policy", blob)
    system.send("policy.publish", {"kind": "routing", "version": policy_version(blob), "ref": ref})
    system.contact(queue="billing")
    async with Running(system.partition()) as partition:
        await until(lambda: partition.next_input == 2)
        system.clock.advance(301_000)
        await until(lambda: system.seen("work.stepped") > 0)


async def test_a_timer_that_raises_halts_and_blames_no_input(
    system: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(_step: object, _kind: str, _name: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(engine.timers, "fire", explode)
    data = {"waits_for": "internal"}
    system.contact()
    case = ids.case_id("m0")
    command = wire.Command(
        id="w", type="case.wait", pool="support", actor=wire.Actor("supervisor", "s"), via="t",
        case_id=case, data=data | {"wake_ms": system.clock.wall_ms() + HOUR_MS},
    )  # fmt: skip
    system.put(wire.encode(command))
    partition = system.partition()
    task = asyncio.create_task(partition.run(asyncio.Event()))
    await until(lambda: partition.next_input == 2)
    system.clock.advance(2 * HOUR_MS)
    with pytest.raises(Fatal, match="timer wake:"):
        await asyncio.wait_for(task, 5)
    assert system.parked == []


async def test_a_broker_that_never_answers_does_not_hold_up_a_stop(
    system: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "FINISH_S", 0.05)
    partition = system.partition()
    stop = asyncio.Event()
    task = asyncio.create_task(partition.run(stop))
    await until(lambda: partition.is_confirmed)

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(system.log, "append", never)
    system.contact()
    await until(lambda: not partition.is_confirmed)
    stop.set()
    await asyncio.wait_for(task, 3)
    assert system.stored.records == []


def test_a_stop_takes_less_than_a_service_has() -> None:
    assert shell.FINISH_S + shell.CANCEL_S + shell.CLOSE_S < 9


async def test_a_displaced_owner_ends_with_an_error(system: Shell) -> None:
    partition = system.partition()
    task = asyncio.create_task(partition.run(asyncio.Event()))
    await until(lambda: partition.is_confirmed)
    async with Running(system.partition()) as second:
        await until(lambda: second.is_confirmed)
        system.contact()
        with pytest.raises(Displaced):
            await asyncio.wait_for(task, 5)
        await until(lambda: second.next_input == 1)


async def test_a_partition_that_fills_slowly_is_saved_daily(system: Shell) -> None:
    async with Running(system.partition()) as partition:
        system.contact()
        await until(lambda: partition.next_input == 1)
        for number in range(2, 5):
            system.clock.advance(10 * HOUR_MS)
            system.contact()
            await until(lambda number=number: partition.next_input == number)  # type: ignore[misc]
        await until(lambda: system.stored.records)


async def test_an_idle_partition_ticks_and_is_saved_daily(system: Shell) -> None:
    async with Running(system.partition()) as partition:
        await until(lambda: partition.is_confirmed)
        system.clock.advance(21 * HOUR_MS)
        await until(lambda: any(batch.tick_ms for batch in system.batches()))
        await until(lambda: system.stored.records)


@pytest.mark.parametrize("own", [True, False])
async def test_only_its_own_engines_digest_is_compared(system: Shell, own: bool) -> None:
    system.contact()
    async with Running(system.partition()) as first:
        await until(lambda: first.next_input == 1)
    log = SimulatedLog(system.decisions)
    writer = ChainWriter(log, log_id=LOG_ID, partition=0, instance="1", run_id="r")
    await writer.restore(lambda _record: None, chain.genesis(LOG_ID, 0))
    name = shell.ENGINE if own else "vaxel 0.0.0"
    await writer.claim(name, 1)
    at = writer.position
    await writer.append(
        wire.Batch(engine=name, wall_ms=1, state_digest="0" * 64, tick_ms=1),
        from_=at.through + 1,
        through=at.through,
        through_sha256=at.through_sha256,
    )
    stop = asyncio.Event()
    partition = system.partition()
    task = asyncio.create_task(partition.run(stop))
    if own:
        with pytest.raises(ChainHalt, match="digest"):
            await asyncio.wait_for(task, 5)
    else:
        await until(lambda: partition.is_confirmed)
        stop.set()
        await task


async def test_topics_that_are_not_as_declared_stop_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = ["vaxel.sla: 1 copies, declared 3; reassign", "the cluster forgets groups' offsets"]

    async def check(_settings: object) -> list[str]:
        return lines

    monkeypatch.setattr(startcheck, "check", check)
    await startcheck.refuse_wrong_topics(RouterSettings())
    lines += ["vaxel.decisions: 1 copies, declared 3; reassign", "vaxel.work: missing"]
    with pytest.raises(Fatal, match=r"vaxel\.decisions: 1 copies.*1 more"):
        await startcheck.refuse_wrong_topics(RouterSettings())


@pytest.mark.broker
async def test_without_topics_the_start_says_what_to_do(
    make_settings: Callable[..., Settings],
) -> None:
    settings = make_settings()
    with pytest.raises(Fatal, match=r"missing; run `vaxel topics apply`"):
        await startcheck.refuse_wrong_topics(settings)
    await apply(settings, local=True)
    await startcheck.refuse_wrong_topics(settings)


async def test_the_watch_over_progress_ends_at_once_when_asked() -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    watch = progress.Progress(RouterSettings(), {})
    watch._watchdog._ends = never  # type: ignore[assignment]
    stop = asyncio.Event()
    task = asyncio.create_task(watch.run(stop))
    await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(task, 1)
