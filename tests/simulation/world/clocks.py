"""The SLA monitor in the simulated world: its real projector, core and teller.

Faust is not run here (it brings its own loop and broker); what it promises is imitated: records of
``vaxel.clocks`` at least once and in order, a table that holds what was written, a place in the
topic that is stored some time after. What is told is judged against a fold of the whole log.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from simulation.world.broker import Client, Link
from simulation.world.checker import Violation
from simulation.world.house import reader_of
from simulation.world.sending import WorldProducer
from simulation.world.timeline import Process

from vaxel_shared.config import source
from vaxel_shared.config.sla import checked
from vaxel_shared.contracts import wire
from vaxel_shared.contracts.sla import Due, Mark, SlaEvent
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.reader import ChainCursor
from vaxel_shared.kafka.topics import CLOCKS, SLA, WORK
from vaxel_sla_monitor.core.deadlines import Deadlines
from vaxel_sla_monitor.core.moves import moves_of
from vaxel_sla_monitor.core.rules import Rules
from vaxel_sla_monitor.core.state import Case, decode, encode
from vaxel_sla_monitor.core.step import step
from vaxel_sla_monitor.core.telling import stage_of
from vaxel_sla_monitor.shell.projector import Projector
from vaxel_sla_monitor.shell.stream import _RECORDS, SENT_AT_ONCE_MAX, _due
from vaxel_sla_monitor.shell.teller import Teller

POLICY = """\
calendars: [{name: always, zone: UTC, hours: always}]
policies:
  - name: everything
    calendar: always
    first_response:
      - {priority_at_least: 5, target: 6s}
      - {target: 15s}
    resolution: 30s
    warn_at: [50]
    on_breach: {tier_at_least: 2, priority_at_least: 30}
"""


@lru_cache
def rules() -> Rules:
    """Targets of seconds, so that many are missed."""
    return Rules(checked(source.parse("sla.yaml", POLICY.encode()), Path()))


class Clocks:
    """What survives the monitor's processes, and their mains."""

    def __init__(self, world: Any, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self.cursor: ChainCursor | None = None
        self.table: dict[str, bytes] = {}
        self.committed = self.folded = 0
        self.known_ms = 0

    # --- decisions → vaxel.clocks

    async def project(self, process: Process, link: Link) -> None:
        client = Client(process, link, self._world.dies)
        reader: Any = reader_of(self._world, "sla-monitor", client, self.cursor)
        producer: Any = WorldProducer(client)
        store: Any = _Cursors(self, client)
        projector = Projector(
            reader, producer, store, _Ends(client), clock=process, clocks=1, mark_ms=1_000
        )
        await projector.begin()
        while True:
            try:
                await projector.round()
            except Retryable:
                await asyncio.sleep(0.5)

    # --- vaxel.clocks → vaxel.sla and alerts

    async def fold(self, process: Process, link: Link) -> None:
        client = Client(process, link, self._world.dies)
        producer: Any = WorldProducer(client)
        teller = Teller(producer, process)
        deadlines, known = Deadlines(), dict[int, int]()
        for name, raw in self.table.items():
            deadlines.set(0, name, decode(raw))
        at = self.committed
        log = client.broker.partition(CLOCKS)
        while True:
            try:
                chunk = await client.read(log, at, 2_000, 100)
            except Retryable:
                await asyncio.sleep(0.5)
                continue
            for raw in chunk.records:
                record = _RECORDS.validate_json(raw.value)
                if isinstance(record, Mark):
                    for source_, at_ms in record.known_ms.items():
                        known[source_] = max(at_ms, known.get(source_, 0))
                        self.known_ms = max(self.known_ms, at_ms)
                else:
                    if isinstance(record, Due):
                        deadlines.judged(record)
                    case = await self._step(client, teller, record)
                    deadlines.set(0, record.case_id, case)
            at = chunk.next_offset
            while taken := list(deadlines.take(0, known, SENT_AT_ONCE_MAX, self._case)):
                await _patiently(producer.send_many, [_due(0, *one) for one in taken])
            if self._rng.random() < 0.5:
                await client.here()
                self.committed = at
            self.folded = at

    def _case(self, case_id: str) -> Case | None:
        raw = self.table.get(case_id)
        return decode(raw) if raw else None

    async def _step(self, client: Client, teller: Teller, record: Any) -> Case | None:
        raw = self.table.get(record.case_id)
        outcome = step(decode(raw) if raw else None, record, rules())
        if outcome.events:
            await _patiently(teller.tell, outcome.events)
        await client.here()
        if outcome.case is not None:
            self.table[record.case_id] = encode(outcome.case)
        else:
            self.table.pop(record.case_id, None)
        return outcome.case


class _Cursors:
    """The projector's store."""

    def __init__(self, clocks: Clocks, client: Client) -> None:
        self._clocks = clocks
        self._client = client

    async def advance(self, cursors: Any, _now_ms: int) -> None:
        await self._client.here()
        for cursor in cursors:
            if cursor.offset >= 0:
                self._clocks.cursor = cursor
        await self._client.here()


class _Ends:
    """Where the logs end, asked at the broker."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def ends(self, topic: str, _partitions: list[int]) -> dict[int, int]:
        assert topic == WORK
        log = self._client.broker.partition(topic)
        return {0: await self._client.ask(lambda: log.end)}


async def _patiently(call: Any, what: Any) -> None:
    while True:
        try:
            await call(what)
        except Retryable:
            await asyncio.sleep(0.3)
        else:
            return


def is_done(world: Any) -> bool:
    """Whether the clocks know everything that was decided, and more time than that took."""
    clocks: Clocks = world.clocks
    return (
        clocks.cursor is not None
        and clocks.cursor.seq == world.checker.valid[-1].seq
        and clocks.known_ms > world.checker.now_ms
        and clocks.folded == world.broker.partition(CLOCKS).end
    )


def judge(world: Any) -> None:
    """What was told, less what was taken back, is what the whole log says; each told once."""
    told: dict[str, set[str]] = defaultdict(set)
    ids: dict[str, bytes] = {}
    for record in world.broker.partition(SLA).records:
        event = SlaEvent.model_validate_json(record.value)
        if event.id in ids and ids[event.id] != _said(event):
            raise Violation(f"SLA event {event.id} was told twice, and not alike")
        ids[event.id] = _said(event)
        if event.type in ("warned", "breached") and event.detected_ms < event.at_ms:
            raise Violation(f"{event.type} of {event.case_id} was told before its time")
        _note(told, event)
    wanted: dict[str, set[str]] = defaultdict(set)
    for event in _refold(world):
        _note(wanted, event)
    for case in sorted(told.keys() | wanted.keys()):
        if told[case] != wanted[case]:
            raise Violation(f"clocks of {case}: told {told[case]}, the log says {wanted[case]}")


def _said(event: SlaEvent) -> bytes:
    return f"{event.type} {event.clock} {event.cycle} {event.at_ms}".encode()


def _note(stages: dict[str, set[str]], event: SlaEvent) -> None:
    stage = stage_of(event)
    if stage is None:
        return
    name = f"{event.clock} {event.cycle} {stage}"
    if event.type == "retracted":
        stages[event.case_id].discard(name)
    else:
        stages[event.case_id].add(name)


def _refold(world: Any) -> list[SlaEvent]:
    """The core over the whole log, as if every timer had come just in time."""
    cases: dict[str, Case | None] = {}
    events: list[SlaEvent] = []
    known_ms = world.clocks.known_ms
    for one in world.checker.valid:
        for index, decision in enumerate(wire.decode_batch(one.body).decisions):
            for move in moves_of(decision, partition=0, seq=one.seq, index=index):
                outcome = step(cases.get(move.case_id), move, rules())
                cases[move.case_id] = outcome.case
                events += outcome.events
    for name, last in cases.items():
        case = last
        while case is not None and (found := case.next_stage()) is not None:
            clock, state, stage = found
            if stage.at_ms >= known_ms:
                break
            due = Due(
                case_id=name, clock=clock, cycle=state.cycle, stage=stage.name,
                due_ms=stage.at_ms, known_ms=known_ms,
            )  # fmt: skip
            outcome = step(case, due, rules())
            case, events = outcome.case, events + outcome.events
    return events
