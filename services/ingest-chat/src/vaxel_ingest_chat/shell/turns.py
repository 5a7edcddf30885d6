"""Turns at what is scarce: so many at work at once, and whoever waits is let in account by account.

Within an account first come, first served; among accounts one each. However long the line of one
is, another's first waits for one turn to end and for the first of each other account, no more.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """At most ``at_once`` at work."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._lines: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def one(self, account: str) -> AsyncIterator[None]:
        """Wait for a turn, and have it."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(account)
        try:
            yield
        finally:
            self._next()

    async def _wait(self, account: str) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(account, deque()).append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():  # it was given, and nobody is there to have it
                self._next()
            raise

    def _next(self) -> None:
        """A turn is over: it is the next account's, or nobody's."""
        while self._lines:
            account, line = self._lines.popitem(last=False)
            mine = line.popleft()
            if line:
                self._lines[account] = line  # behind the others
            if not mine.done():
                mine.set_result(None)
                return
        self._free += 1
