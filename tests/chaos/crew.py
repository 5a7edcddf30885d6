"""A thread with an event loop of its own; what goes wrong in it goes wrong for who waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable


class Crew(threading.Thread):
    """Plays ``act`` to its end. A run whose customers or agents broke down proves nothing."""

    def __init__(self, act: Callable[[], Awaitable[None]]) -> None:
        super().__init__(daemon=True)
        self._act = act
        self._error: BaseException | None = None

    def run(self) -> None:
        """The thread's body."""

        async def play() -> None:
            await self._act()

        try:
            asyncio.run(play())
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            self._error = error

    def finish(self) -> None:
        """Wait for the end; raises what ended it early."""
        self.join()
        if self._error is not None:
            raise self._error
