"""A growing, jittered pause between tries, with an end."""

from __future__ import annotations

import asyncio
import random
import time

from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger

PAUSE_MS_MIN, PAUSE_MS_MAX = 50, 5_000


class Stopping(Retryable):
    """The process was asked to stop while it waited for a better moment."""


class Backoff:
    """Pauses from 50 ms doubling to 5 s, each cut at random, for at most ``total_ms`` in a row."""

    def __init__(self, total_ms: int) -> None:
        self._total_ms = total_ms
        self._attempt = 0
        self._since: float | None = None

    def reset(self) -> None:
        """It worked: the next trouble is a new one."""
        self._attempt, self._since = 0, None

    async def pause(self, what: str, error: Retryable, stop: asyncio.Event) -> None:
        """Wait before the next try of ``what`` (a word for the metric).

        Raises Stopping when asked to stop, Fatal when ``total_ms`` are used up.
        """
        now = time.monotonic()
        if self._since is None:
            self._since = now
        waited_ms = int((now - self._since) * 1000)
        if waited_ms >= self._total_ms:
            raise Fatal(f"gave up after {waited_ms} ms: {error}") from error
        self._attempt += 1
        metrics.RETRIES.labels(what).inc()
        longest_ms = min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** (self._attempt - 1))
        pause_ms = random.uniform(longest_ms / 2, longest_ms)  # noqa: S311 - spreads load only
        get_logger().warning(
            "retrying",
            name=what,
            attempt=self._attempt,
            wait_ms=int(pause_ms),
            error=str(error),
        )
        try:
            await asyncio.wait_for(stop.wait(), pause_ms / 1000)
        except TimeoutError:
            return
        raise Stopping("asked to stop") from error
