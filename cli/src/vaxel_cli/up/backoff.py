"""How long to wait before a process that died is started again: pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_MS = 200
"""Short: after a kill the customers wait."""
MAX_MS = 10_000
STEADY_MS = 30_000
"""Who ran that long has recovered; the next death counts as the first."""


@dataclass(slots=True)
class Backoff:
    """Counts deaths in a row."""

    deaths: int = 0

    def after_death(self, uptime_ms: int, *, from_outside: bool = False) -> int:
        """The pause in ms after a life of ``uptime_ms``; doubles with each quick death.

        ``from_outside``: it was ready, and somebody's signal ended it. That is no failure of its
        own: it waits as if it were the first, however often it happens.
        """
        steady = from_outside or uptime_ms >= STEADY_MS
        self.deaths = 1 if steady else self.deaths + 1
        return min(FIRST_MS << min(self.deaths - 1, 16), MAX_MS)
