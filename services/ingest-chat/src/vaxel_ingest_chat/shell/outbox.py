"""Frames on their way to one visitor: bounded, in order, closed with a code and a reason."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from vaxel_ingest_chat.core.protocol import Frame, error

NORMAL: Final = 1000
GOING_AWAY: Final = 1012
TRY_LATER: Final = 1013
MALFORMED: Final = 4400
HELLO_LATE: Final = 4401
IDLE: Final = 4408
SLOW: Final = 4409
TOO_LARGE: Final = 1009
FLOOD: Final = 4429
"""Close codes: those of RFC 6455 (7.4.1) where they fit, else ours, as HTTP statuses plus 4000."""


class Outbox:
    """Whoever puts never waits; a visitor who takes too slowly is closed, and resumes."""

    def __init__(self, frames_max: int) -> None:
        self._frames_max = frames_max
        self._frames: deque[Frame] = deque()
        self._wake = asyncio.Event()
        self.closed: tuple[int, str] | None = None

    def put(self, frame: Frame) -> None:
        """Send a frame, unless it is over."""
        if self.closed is not None:
            return
        if len(self._frames) >= self._frames_max:
            self._frames.clear()
            self.close(SLOW, "slow_visitor", "frames come faster than they are taken")
            return
        self._frames.append(frame)
        self._wake.set()

    def close(self, code: int, reason: str, detail: str | None = None) -> None:
        """Send what waits, an error last where there is a ``detail``; then end."""
        if self.closed is not None:
            return
        if detail is not None:
            self._frames.append(error(reason, detail))
        self.closed = (code, reason)
        self._wake.set()

    async def take(self, timeout_s: float | None = None) -> Frame | None:
        """The next frame; None when it is over. Raises ``TimeoutError`` where none came in time."""
        while not self._frames:
            if self.closed is not None:
                return None
            self._wake.clear()
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        return self._frames.popleft()
