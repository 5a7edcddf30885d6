"""Time as a port: whoever needs the clock is handed one, so tests and simulations own it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A wall clock for stamps and a monotonic one for durations."""

    def wall_ms(self) -> int:
        """Milliseconds since the Unix epoch, UTC."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds since an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def wall_ms(self) -> int:
        """See :class:`Clock`."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """See :class:`Clock`."""
        return time.clock_gettime_ns(_MONOTONIC) // 1_000_000


_MONOTONIC = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""On Linux the clock that counts a suspended machine's sleep, too: deadlines pass meanwhile."""


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, start_ms: int = 1_700_000_000_000) -> None:
        self.now_ms = start_ms

    def wall_ms(self) -> int:
        """See :class:`Clock`."""
        return self.now_ms

    def monotonic_ms(self) -> int:
        """See :class:`Clock`."""
        return self.now_ms

    def advance(self, ms: int) -> None:
        """Move both clocks ``ms`` forward."""
        self.now_ms += ms
