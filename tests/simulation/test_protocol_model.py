"""Random histories of the whole protocol, and mutants of it that must not survive them.

``SIMULATED_HISTORIES`` sets how many seeds are played (300 take about three seconds). A failure
names its seed; the seed is the history.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest
from simulation.protocol import Reader, Router, Violation, World, check
from simulation.toy import ENGINE, WALL_MS, Toy, digest_of

from vaxel_shared.contracts import wire
from vaxel_shared.errors import Fatal
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.chain import ChainHalt
from vaxel_shared.kafka.log import Acknowledged
from vaxel_shared.kafka.writer import ChainWriter

HISTORIES = int(os.environ.get("SIMULATED_HISTORIES", "300"))


def test_rule_25_every_history_decides_each_input_once_and_alike_for_all() -> None:
    seen: Counter[str] = Counter()
    for seed in range(HISTORIES):
        try:
            seen.update(check(World(seed).run()))
        except (Violation, Fatal) as error:
            pytest.fail(f"seed {seed}: {error!r}")
    assert seen["void"] > HISTORIES, "the histories race: else this shows nothing"
    assert seen["displaced"] > HISTORIES / 3
    assert seen["routers"] > 3 * HISTORIES


def test_with_many_faults_nothing_is_lost_either() -> None:
    for seed in range(40):
        check(World(seed, faults=0.06, inputs_count=20).run())


def test_a_seed_is_a_history() -> None:
    def digest(seed: int) -> str:
        world = World(seed).run()
        return digest_of(repr((world.decisions.records, world.turns, check(world))).encode())

    assert [digest(seed) for seed in range(5)] == [digest(seed) for seed in range(5)]
    assert digest(1) != digest(2)


class SnapshotsBeforeConfirmed(Router):
    """Its snapshot holds the batch under way, under the last confirmed position."""

    async def append(self, batch_: wire.Batch, first: int, payloads: list[bytes]) -> None:
        position = self.writer.position
        if position.offset >= 0:
            dump = self.step(first, payloads)[0].dump()
            await self.store.write(
                position, dump, digest=digest_of(dump), engine=ENGINE, wall_ms=WALL_MS
            )
        await super().append(batch_, first, payloads)

    async def snapshot(self, state: Toy) -> None:
        return


class BelievingLog:
    """Answers what its writer hopes for, whatever the broker said."""

    def __init__(self, log: object) -> None:
        self._inner = log
        self.expected = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    async def append(self, key: bytes, value: bytes, headers: object) -> Acknowledged:
        ack = await self._inner.append(key, value, headers)  # type: ignore[attr-defined]
        return Acknowledged(self.expected, ack.timestamp_ms)


class IgnoresTheOffset(ChainWriter):
    """Takes every acknowledgement for its own."""

    def __init__(self, log: object, **rest: object) -> None:
        super().__init__(BelievingLog(log), **rest)  # type: ignore[arg-type]

    async def _commit(self, batch: wire.Batch, **rest: object) -> object:  # type: ignore[override]
        self._log.expected = self.position.read + 1  # type: ignore[attr-defined]
        return await super()._commit(batch, **rest)  # type: ignore[arg-type]


class BelievesEveryAck(Router):
    def __init__(self, world: World, run_id: str) -> None:
        super().__init__(world, run_id, writer_class=IgnoresTheOffset)


class ReadsWithoutHash(Reader):
    """Acts on every record that looks like one."""

    async def catch_up(self) -> None:
        position = getattr(self, "position", 0)
        chunk = await self.log.read(position)
        for raw in chunk.records:
            if (parts := chain.unpack(raw.value)) is not None:
                decisions = wire.decode_batch(parts[1]).decisions
                self.acted.extend((raw.offset, decision) for decision in decisions)
        self.position = chunk.next_offset


class ReadsBySeq(ReadsWithoutHash):
    """Takes the last record of each seq for the one that counts: plausible, and wrong."""

    async def catch_up(self) -> None:
        chunk = await self.log.read(0)
        by_seq = {}
        for raw in chunk.records:
            if (parts := chain.unpack(raw.value)) is not None:
                by_seq[parts[0].seq] = (raw.offset, wire.decode_batch(parts[1]).decisions)
        self.acted = [(offset, d) for _, (offset, made) in sorted(by_seq.items()) for d in made]


class ForgetsTheCursor(Router):
    """Restores without folding what it missed: recomputes from the inputs it thinks are next."""

    def fold(self, record: object) -> None:
        return


class ActsBeforeTheLog(Router):
    """Does what it decided at once, instead of what is read back."""

    async def append(self, batch_: wire.Batch, first: int, payloads: list[bytes]) -> None:
        for reader in self.world.readers:
            place = self.writer.position.read + 1
            reader.acted.extend((place, decision) for decision in batch_.decisions)
        await super().append(batch_, first, payloads)


class LeavesItToTheRouter(Reader):
    """Acts on nothing: the router has done it already."""

    async def catch_up(self) -> None:
        await self.log.read(0)


MUTANTS = {
    "unconfirmed snapshot": {"router_class": SnapshotsBeforeConfirmed},
    "acknowledged offset ignored": {"router_class": BelievesEveryAck},
    "reader without hash": {"reader_class": ReadsWithoutHash},
    "reader by seq": {"reader_class": ReadsBySeq},
    "restore without fold": {"router_class": ForgetsTheCursor},
    "effects before read-back": {
        "router_class": ActsBeforeTheLog,
        "reader_class": LeavesItToTheRouter,
    },
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_of_the_protocol_does_not_survive(name: str) -> None:
    caught = 0
    for seed in range(60):
        try:
            check(World(seed, **MUTANTS[name]).run(turns_max=15_000))  # type: ignore[arg-type]
        except (Violation, ChainHalt):
            caught += 1
    assert caught > 5, f"{name}: caught in {caught} of 60 histories"
