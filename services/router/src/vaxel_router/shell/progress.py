"""Whether the router keeps up with ``vaxel.work``, for the watchdog and as a metric.

The lag is the router's own to export: its cursor stands in its decisions, not in a group.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from vaxel_router.shell.partition import Partition
from vaxel_shared.kafka.admin import Offsets
from vaxel_shared.kafka.topics import WORK
from vaxel_shared.kafka.watchdog import Watchdog
from vaxel_shared.obs import metrics
from vaxel_shared.settings import Settings


class Progress:
    """Where each partition stands and where its log ends; :meth:`run` is a task."""

    def __init__(self, settings: Settings, partitions: Mapping[int, Partition]) -> None:
        self._partitions = partitions
        self._offsets = Offsets(settings)
        self._watchdog = Watchdog(WORK, self.positions, self.ends)

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until ``stop``, at once also where the broker doesn't answer. Raises Fatal."""
        watching = asyncio.ensure_future(self._watchdog.run(stop))
        asked = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({watching, asked}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
        finally:
            asked.cancel()
            watching.cancel()

    async def positions(self) -> dict[int, int]:
        """The next input of each partition."""
        return {number: item.next_input for number, item in self._partitions.items()}

    async def ends(self) -> dict[int, int]:
        """Where each log of work ends; exports the lag. Raises Retryable without a broker.

        A partition that stands still on purpose counts as at its end: a restart would not help.
        """
        ends = await self._offsets.ends(WORK, self._partitions)
        for number, end in ends.items():
            left = max(0, end - self._partitions[number].next_input)
            metrics.LAG.labels(WORK, str(number)).set(left)
        waiting = {n: p.next_input for n, p in self._partitions.items() if p.waits_for_blob}
        return ends | waiting

    async def close(self) -> None:
        """Let go of the broker."""
        await self._offsets.close()
