"""Who is there, and who has left: nobody at any of a conversation's lines for some time.

A page that is loaded again, or a line that breaks, is no leaving. Only of whoever wrote something
it is told, so that the router may give up what waits for nobody. A service that goes down tells
nothing: the visitors come back to another, or to it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from vaxel_ingest_chat.core.visitor import Visitor
from vaxel_ingest_chat.shell.intake import Intake
from vaxel_shared.errors import Retryable
from vaxel_shared.obs.logging import get_logger

AGAIN_S = 2.0
"""After the log didn't take it."""
KNOWN_MAX = 50_000
"""Conversations with somebody there, or gone for a moment; of more none is told."""


@dataclass(slots=True)
class _Known:
    lines: int = 0
    wrote: bool = False
    telling: asyncio.Task[None] | None = field(default=None)


class Leaving:
    """Counts the lines of conversations; ``after_ms`` 0: nothing is ever told."""

    def __init__(self, intake: Intake, after_ms: int) -> None:
        self._intake = intake
        self._after_s = after_ms / 1000
        self._known: dict[str, _Known] = {}

    def enter(self, who: Visitor) -> None:
        """A line more."""
        known = self._known.get(who.conversation_id)
        if known is None:
            if not self._after_s or len(self._known) >= KNOWN_MAX:
                return
            known = self._known[who.conversation_id] = _Known()
        known.lines += 1
        if known.telling is not None:
            known.telling.cancel()
            known.telling = None

    def wrote(self, who: Visitor) -> None:
        """The visitor wrote something, now or before."""
        if (known := self._known.get(who.conversation_id)) is not None:
            known.wrote = True

    def leave(self, who: Visitor, conversation_key: str) -> None:
        """A line less; the last may be the end."""
        known = self._known.get(who.conversation_id)
        if known is None or not known.lines:
            return
        known.lines -= 1
        if known.lines:
            return
        if known.wrote:
            known.telling = asyncio.ensure_future(self._tell(who, conversation_key))
        else:
            del self._known[who.conversation_id]

    async def close(self) -> None:
        """We go down: whoever isn't there may be at the next."""
        for known in self._known.values():
            if known.telling is not None:
                known.telling.cancel()
        self._known.clear()

    async def _tell(self, who: Visitor, conversation_key: str) -> None:
        await asyncio.sleep(self._after_s)
        while True:
            try:
                await self._intake.left(who, conversation_key)
            except Retryable as error:
                get_logger().warning("leaving_not_told", channel="chat", error=str(error))
                await asyncio.sleep(AGAIN_S)
            else:
                break
        self._known.pop(who.conversation_id, None)
