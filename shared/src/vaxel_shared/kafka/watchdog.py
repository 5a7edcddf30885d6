"""Liveness by progress: a log that grows while nothing is handled ends the process.

A consumer can stop for good without an error (aiokafka issues 625, 712, 847, 1037), and a process
that is up proves nothing. A restart mends it; a broker that is away is no stall.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from vaxel_shared.clock import Clock, SystemClock
from vaxel_shared.errors import Fatal, Retryable

STALL_MS = 120_000
"""Twice what a handler may spend on retries of one batch before it ends the process itself."""
PERIOD_MS = 5_000

Offsets = Callable[[], Awaitable[Mapping[int, int]]]
"""Offsets by partition, as of now; raises Retryable without a broker."""


class Progress:
    """Pure: since when each partition has had something to read and has not moved."""

    def __init__(self, stall_ms: int) -> None:
        self._stall_ms = stall_ms
        self._behind: dict[int, tuple[int, int]] = {}  # position, and since when it stands there

    def observe(
        self, now_ms: int, positions: Mapping[int, int], ends: Mapping[int, int]
    ) -> list[int]:
        """Note where each partition stands (next offset); answers the stalled ones."""
        stalled = []
        for partition, end in ends.items():
            position = positions.get(partition, 0)
            if position >= end:
                self._behind.pop(partition, None)
                continue
            before, since_ms = self._behind.get(partition, (position, now_ms))
            if position != before:
                since_ms = now_ms
            self._behind[partition] = (position, since_ms)
            if now_ms - since_ms > self._stall_ms:
                stalled.append(partition)
        return stalled

    def forget(self) -> None:
        """Begin to count anew: nobody could have made progress."""
        self._behind.clear()


class Watchdog:
    """Asks every few seconds for ``positions`` and ``ends``; its :meth:`run` is a task."""

    def __init__(
        self,
        topic: str,
        positions: Offsets,
        ends: Offsets,
        *,
        stall_ms: int = STALL_MS,
        period_ms: int = PERIOD_MS,
        clock: Clock | None = None,
    ) -> None:
        self._topic = topic
        self._positions, self._ends = positions, ends
        self._stall_ms, self._period_ms = stall_ms, period_ms
        self._clock = clock or SystemClock()

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until ``stop`` is set; raises Fatal when a partition has stalled."""
        progress = Progress(self._stall_ms)
        while not stop.is_set():
            try:
                ends = await self._ends()
                stalled = progress.observe(
                    self._clock.monotonic_ms(), await self._positions(), ends
                )
            except Retryable:
                progress.forget()
                stalled = []
            if stalled:
                raise Fatal(
                    f"{self._topic}: partitions {stalled} have unread records and none was handled "
                    f"for {self._stall_ms // 1000} s; restarting"
                )
            try:
                await asyncio.wait_for(stop.wait(), self._period_ms / 1000)
            except TimeoutError:
                continue
