"""Broken builds, to show that the world's checkers can fail: each breaks one rule, in a test only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from simulation.world import clocks
from simulation.world.broker import WorldLog

from vaxel_router.core import queueing
from vaxel_router.core.state import World
from vaxel_router.shell import restore
from vaxel_router.shell.partition import Partition
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.log import Acknowledged, Headers, RawRecord
from vaxel_shared.kafka.records import ChainRecord, Judge


async def _snapshot_first(self: Partition, batch: Any, digest: Any, records: Any) -> None:
    """The state holds the batch under way, and is stored as that of the last confirmed record."""
    writer, clock = self._ports.writer, self._ports.clock
    if writer.position.offset >= 0 and records:
        self._snapshots.take(self.world, writer.position, clock.wall_ms(), clock.now_ms())
    await _COMMIT(self, batch, digest, records)


_COMMIT = Partition._commit


class _Expected(int):
    """An offset that is always the expected one."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = int.__hash__


async def _agreeing(self: WorldLog, key: bytes, value: bytes, headers: Headers) -> Acknowledged:
    answer = await _APPEND(self, key, value, headers)
    return Acknowledged(_Expected(answer.offset), answer.timestamp_ms)


_APPEND = WorldLog.append


def _without_hash(self: Judge, raw: RawRecord) -> ChainRecord | None:
    """Whatever looks like a record counts."""
    parts = chain.unpack(raw.value)
    if parts is not None:
        header = parts[0]
        self.state = replace(
            self.state, sha256=header.prev_sha256, seq=header.seq - 1, through=header.from_ - 1
        )
    return _JUDGE(self, raw)


_JUDGE = Judge.judge


class _WithoutTimers(World):
    """Restored without what it has to wake up for."""

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self._heap.clear()


def _free_offer(step: Any, work: Any, agent: Any, explain: Any) -> None:
    """An offer that costs its agent nothing."""
    emit = step.emit

    def emitted(type_: str, **said: Any) -> None:
        emit(type_, **(said | ({"cost": 0} if type_ == "offer.made" else {})))

    step.emit = emitted
    try:
        _ASK(step, work, agent, explain)
    finally:
        step.emit = emit


_ASK = queueing._ask


async def _cursor_first(self: Any, client: Any, teller: Any, record: Any) -> Any:
    """The clock's new state is stored, and then it is told, perhaps."""
    raw = self.table.get(record.case_id)
    outcome = clocks.step(clocks.decode(raw) if raw else None, record, clocks.rules())
    if outcome.case is not None:
        self.table[record.case_id] = clocks.encode(outcome.case)
    await client.here()
    for event in outcome.events:
        if event.type not in ("warned", "breached"):
            await clocks._patiently(teller.tell, [event])
    return outcome.case


BROKEN: dict[str, tuple[Any, str, Any]] = {
    "unconfirmed_snapshot": (Partition, "_commit", _snapshot_first),
    "offset_ignored": (WorldLog, "append", _agreeing),
    "reader_without_hash": (Judge, "judge", _without_hash),
    "repeat_not_recognised": (World, "remembers", lambda _self, _id: False),
    "timers_lost_at_restore": (restore, "World", _WithoutTimers),
    "offers_cost_nothing": (queueing, "_ask", _free_offer),
    "alarms_not_told": (clocks.Clocks, "_step", _cursor_first),
}
"""By name: where, what, and what stands there instead."""


@contextmanager
def build(name: str) -> Iterator[None]:
    """Within it the product breaks this rule."""
    where, what, instead = BROKEN[name]
    with patch.object(where, what, instead):
        yield
