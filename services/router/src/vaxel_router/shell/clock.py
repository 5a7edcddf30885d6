"""The broker's clock, read through its acknowledgements.

Now is the append time of the owner's last confirmed record plus the monotonic time since. So all
times of a partition come from one clock, and a machine whose own clock is wrong does no harm.
"""

from __future__ import annotations

from vaxel_shared.clock import Clock

AHEAD_MS_MAX = 5_000
"""An input may be this much ahead of what monotonic time allows; more is a clock that jumped."""


class LogClock:
    """Now in milliseconds UTC by the broker; ``set`` before the first reading."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._append_ms = 0
        self._since_ms = 0

    def set(self, append_ms: int) -> None:
        """The broker's append time of the record that was just acknowledged."""
        self._append_ms = append_ms
        self._since_ms = self._clock.monotonic_ms()

    def now_ms(self) -> int:
        """The broker's time, as of the last acknowledgement and the monotonic time since."""
        return self._append_ms + self._clock.monotonic_ms() - self._since_ms

    def wall_ms(self) -> int:
        """This machine's clock, as records state it."""
        return self._clock.wall_ms()

    def is_ahead(self, append_ms: int) -> bool:
        """Whether an input's time can't be right by what we know."""
        return append_ms > self.now_ms() + AHEAD_MS_MAX
