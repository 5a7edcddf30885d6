"""What a restore would cost is counted, told, and said aloud beyond its limit."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from vaxel_router.config import RouterSettings
from vaxel_router.core import state as states
from vaxel_router.core.state import State, World
from vaxel_router.shell.partition import Partition
from vaxel_router.shell.snapshotting import SMALL_BYTES, Snapshots
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka import chain

LOG_ID = "0" * 32


class Shelf:
    """A store of snapshots whose disk may be full."""

    def __init__(self) -> None:
        self.full = False

    async def write(self, *_: Any, **__: Any) -> bool:
        if self.full:
            raise Retryable("no space; free some")
        return True


def behind() -> float | None:
    return REGISTRY.get_sample_value("vaxel_snapshot_behind_records", {"partition": "7"})


async def test_records_count_until_a_snapshot_is_stored() -> None:
    shelf = Shelf()
    snapshots = Snapshots(shelf, 7, every=3, most=9)  # type: ignore[arg-type]
    snapshots.restored(2, 0)
    world, at = World(State(LOG_ID, 7)), chain.genesis(LOG_ID, 7)
    assert behind() == 2
    assert snapshots.is_due(0)
    shelf.full = True
    snapshots.take(world, at, 0, 0)
    await snapshots.settle()
    assert (snapshots.behind, behind()) == (3, 3)
    shelf.full = False
    assert [snapshots.is_due(0) for _ in range(3)] == [False, False, True]
    snapshots.take(world, at, 0, 0)
    snapshots.is_due(0)  # while it is written
    await snapshots.settle()
    assert (snapshots.behind, behind()) == (1, 1)


async def test_one_encoding_serves_the_snapshot_and_the_digest_in_the_next_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoded: list[State] = []
    encode = states.encode
    monkeypatch.setattr(states, "encode", lambda state: encoded.append(state) or encode(state))
    snapshots = Snapshots(Shelf(), 7, every=5, most=50)  # type: ignore[arg-type]
    snapshots.restored(0, 0)
    world, at = World(State(LOG_ID, 7)), chain.genesis(LOG_ID, 7)
    taken, digests = [], []
    for seq in range(1, 12):
        if (digest := snapshots.digest_before(seq, world)) is not None:
            digests.append((seq, digest))
        if snapshots.is_due(0):
            taken.append(seq)
            snapshots.take(world, replace(at, seq=seq), 0, 0)
            await snapshots.settle()
    assert taken == [5, 10]
    digest = hashlib.sha256(encode(world.state)).hexdigest()
    assert digests == [(seq, digest) for seq in (3, 6, 8, 11)], "after them, and half-way"
    assert len(encoded) == 4
    snapshots.restored(0, 0)
    assert snapshots.digest_before(11, world) is None, "whatever was known is another's now"


async def test_the_larger_a_state_the_longer_until_the_next_but_for_a_limit_of_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, at = World(State(LOG_ID, 7)), chain.genesis(LOG_ID, 7)
    monkeypatch.setattr(states, "encode", lambda _state: bytes(SMALL_BYTES + 5_000_000))
    snapshots = Snapshots(Shelf(), 7, every=5, most=50)  # type: ignore[arg-type]
    snapshots.restored(0, 0)
    seqs = {}
    for ms_a_record in (1_000, 10):
        taken, now_ms = [], 0
        snapshots.take(world, at, 0, now_ms)
        await snapshots.settle()
        for seq in range(1, 121):
            now_ms += ms_a_record
            halfway = snapshots.digest_before(seq, world)
            assert halfway is None or seq - 1 in [0, *taken], "that is another encoding"
            if snapshots.is_due(now_ms):
                taken.append(seq)
                snapshots.take(world, replace(at, seq=seq), 0, now_ms)
                await snapshots.settle()
        seqs[ms_a_record] = taken
    assert seqs[1_000][:2] == [5, 10], "four seconds have passed by then"
    assert seqs[10] == [50, 100]


@pytest.mark.parametrize(("records", "ready"), [(5, True), (6, False)])
async def test_beyond_the_limit_the_router_says_so(records: int, ready: bool) -> None:
    settings = RouterSettings(snapshot_records_max=5)
    partition = Partition(settings, LOG_ID, 0, _Nothing())  # type: ignore[arg-type]
    partition._trouble = None
    partition._snapshots.restored(records, 0)
    said = [reason for reason in partition.reasons if "since a snapshot could be stored" in reason]
    assert bool(said) is not ready
    await asyncio.sleep(0)


class _Nothing:
    """Ports that nobody uses."""

    def __getattr__(self, name: str) -> Any:
        return None
