"""What a restore would cost is counted, told, and said aloud beyond its limit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY

from vaxel_router.config import RouterSettings
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
