"""What waits and who works, as metrics: read from confirmed state every few seconds."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from vaxel_router.core import views
from vaxel_router.shell.partition import Partition
from vaxel_shared.errors import Retryable
from vaxel_shared.obs import metrics

EVERY_S = 5.0
"""Half of what Prometheus usually waits between two looks."""

Key = tuple[str, str]


class Gauges:
    """Sets the gauges; what is gone since the last look goes to 0 instead of staying."""

    def __init__(self, partitions: Mapping[int, Partition]) -> None:
        self._partitions = partitions
        self._queues: set[Key] = set()
        self._presences: set[Key] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """A task: look until asked to stop."""
        while not stop.is_set():
            await self.look(time.time() * 1000)
            try:
                await asyncio.wait_for(stop.wait(), EVERY_S)
            except TimeoutError:
                continue

    async def look(self, wall_ms: float) -> None:
        """Once, at this time of the clock (ms UTC)."""
        queues: list[dict[str, Any]] = []
        agents: Counter[Key] = Counter()
        try:
            for partition in self._partitions.values():
                async with partition.confirmed() as world:
                    queues += views.queues(world)
                    agents.update((one["pool"], one["presence"]) for one in views.agents(world))
        except Retryable:
            return  # being restored: what was known a moment ago stands
        self._set_queues(queues, wall_ms)
        for key in self._presences | agents.keys():
            metrics.AGENTS.labels(*key).set(agents[key])
        self._presences |= agents.keys()

    def _set_queues(self, rows: list[dict[str, Any]], wall_ms: float) -> None:
        found = {(row["pool"], row["queue"]): row for row in rows}
        for key in self._queues | found.keys():
            row = found.get(key, {"waiting": 0})
            metrics.QUEUED.labels(*key).set(row["waiting"])
            age_ms = wall_ms - row.get("oldest_since_ms", wall_ms)
            metrics.OLDEST.labels(*key).set(max(0.0, age_ms / 1000))
        self._queues |= found.keys()
