"""Whether the broker answers: looked at in the background, told when asked."""

from __future__ import annotations

import asyncio

from vaxel_shared.kafka.client import answers, unreachable
from vaxel_shared.settings import Settings

POLL_S = 3.0


class Health:
    """The broker, as last seen."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reasons: list[str] = []

    def reasons(self) -> list[str]:
        """What is in the way, a line each."""
        return list(self._reasons)

    async def run(self, stop: asyncio.Event) -> None:
        """Look until asked to stop."""
        while not stop.is_set():
            there = await answers(self._settings)
            self._reasons = [] if there else [str(unreachable(self._settings))]
            try:
                await asyncio.wait_for(stop.wait(), POLL_S)
            except TimeoutError:
                continue
