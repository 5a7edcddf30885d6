"""Whether the broker answers: looked at in the background, told when asked."""

from __future__ import annotations

import asyncio

from vaxel_shared.kafka.client import answers, unreachable
from vaxel_shared.settings import Settings

POLL_MS = 3_000


class Health:
    """The broker, as last seen; taken to be there at first, because triage starts only with one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reasons: list[str] = []

    def reasons(self) -> list[str]:
        """Why triage isn't ready, a line each."""
        return list(self._reasons)

    async def run(self, stop: asyncio.Event) -> None:
        """Look until ``stop``."""
        while not stop.is_set():
            there = await answers(self._settings)
            self._reasons = [] if there else [str(unreachable(self._settings))]
            try:
                await asyncio.wait_for(stop.wait(), timeout=POLL_MS / 1000)
            except TimeoutError:
                continue
