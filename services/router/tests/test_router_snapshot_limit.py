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
from vaxel_router.shell.snapshotting import Snapshots
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
    snapshots = Snapshots(shelf, 7, every=3)  # type: ignore[arg-type]
    snapshots.restored(2, 0)
    world, at = World(State(LOG_ID, 7)), chain.genesis(LOG_ID, 7)
    assert behind() == 2
    assert snapshots.is_due(6, 0)
    shelf.full = True
    snapshots.take(world, at, 0, 0)
    await snapshots.settle()
    assert (snapshots.behind, behind()) == (3, 3)
    shelf.full = False
    assert [snapshots.is_due(seq, 0) for seq in (9, 10, 12)] == [False, False, True]
    snapshots.take(world, at, 0, 0)
    snapshots.is_due(13, 0)  # while it is written
    await snapshots.settle()
    assert (snapshots.behind, behind()) == (1, 1)


async def test_one_encoding_serves_the_snapshot_and_the_digest_in_the_next_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoded: list[State] = []
    encode = states.encode
    monkeypatch.setattr(states, "encode", lambda state: encoded.append(state) or encode(state))
    snapshots = Snapshots(Shelf(), 7, every=5)  # type: ignore[arg-type]
    snapshots.restored(0, 0)
    world, at = World(State(LOG_ID, 7)), chain.genesis(LOG_ID, 7)
    due = []
    for seq in range(1, 12):
        if snapshots.is_due(seq, 0):
            due.append(seq)
            snapshots.take(world, replace(at, seq=seq), 0, 0)
            await snapshots.settle()
    assert due == [4, 9], "where the next record carries the digest"
    assert [seq for seq in range(12) if snapshots.needs_digest(seq)] == [5, 10]
    encoded.clear()
    assert snapshots.digest_before(10, world) == hashlib.sha256(encode(world.state)).hexdigest()
    assert not encoded
    snapshots.restored(0, 0)  # whatever was known is another's now
    assert snapshots.digest_before(10, world) == states.digest(world.state)
    assert len(encoded) == 2, "once by the router, once here"


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
