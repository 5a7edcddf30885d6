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

    def after_death(self, uptime_ms: int) -> int:
        """The pause in ms after a life of ``uptime_ms``; doubles with each quick death."""
        self.deaths = 1 if uptime_ms >= STEADY_MS else self.deaths + 1
        return min(FIRST_MS << min(self.deaths - 1, 16), MAX_MS)
