"""Telling consoles what changed: one reader of the feed, bounded queues for those who listen.

The feed is a table, written in the transactions that change what it speaks of. So a console that
comes back, to this instance or another, after a restart too, goes on where it stopped.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from vaxel_register.core.limits import (
    FEED_KEPT_MAX,
    FEED_LOOK_MS,
    FEED_PAGE,
    STREAM_QUEUE_MAX,
    STREAMS_MAX,
    STREAMS_PER_SUBJECT_MAX,
)
from vaxel_register.shell.queries import Queries, Row
from vaxel_register.shell.store import Store
from vaxel_register.shell.tables import FEED
from vaxel_shared.errors import Retryable, VaxelError
from vaxel_shared.obs.logging import get_logger

TRIM_EVERY = 1_000
"""Rows between two looks at what may go."""


class TooMany(VaxelError):
    """No more streams, of this person or at all."""


class Listener:
    """One console: what it hasn't been told yet. ``cut`` once it was too slow or we stop."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Row | None] = asyncio.Queue(STREAM_QUEUE_MAX)
        self.cut = False

    def put(self, row: Row) -> None:
        """Tell it; a full queue cuts it off."""
        try:
            self._waiting.put_nowait(row)
        except asyncio.QueueFull:
            self.end()

    def end(self) -> None:
        """Let it go, whatever it still waits for."""
        self.cut = True
        with suppress(asyncio.QueueFull):
            self._waiting.put_nowait(None)

    async def next(self, timeout_ms: int) -> Row | None:
        """The next row; None when none came in time or it was cut off."""
        if self.cut:
            return None
        try:
            return await asyncio.wait_for(self._waiting.get(), timeout_ms / 1000)
        except TimeoutError:
            return None


class Feed:
    """Reads the feed's table as it grows and tells every listener."""

    def __init__(self, queries: Queries, store: Store) -> None:
        self._queries = queries
        self._store = store
        self._listeners: dict[Listener, str] = {}
        self._grown = asyncio.Event()
        self._trimmed_at = 0
        self._last = 0

    def grown(self) -> None:
        """Something was stored here just now."""
        self._grown.set()

    @contextmanager
    def listening(self, subject: str) -> Iterator[Listener]:
        """Listen to what is read from now on. Raises :class:`TooMany`."""
        if len(self._listeners) >= STREAMS_MAX:
            raise TooMany(f"{STREAMS_MAX} consoles listen already; close some")
        if Counter(self._listeners.values())[subject] >= STREAMS_PER_SUBJECT_MAX:
            raise TooMany(f"{STREAMS_PER_SUBJECT_MAX} tabs of yours listen already; close some")
        listener = Listener()
        self._listeners[listener] = subject
        try:
            yield listener
        finally:
            del self._listeners[listener]

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the table until ``stop``; then cut everybody off, so that they come back later."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            self._last = await self._newest(stop)
            while not stop.is_set():
                await self._look(stopping)
        finally:
            stopping.cancel()
            for listener in list(self._listeners):
                listener.end()

    async def _newest(self, stop: asyncio.Event) -> int:
        while not stop.is_set():
            try:
                return (await self._queries.feed_span())[1]
            except Retryable as error:
                get_logger().warning("feed_unreadable", error=str(error))
                await _pause(stop.wait())
        return 0

    async def _look(self, stopping: asyncio.Future[Any]) -> None:
        try:
            rows = await self._queries.feed(self._last, FEED_PAGE)
            self._tell(rows)
            await self._trim()
        except Retryable as error:
            get_logger().warning("feed_unreadable", error=str(error))
            rows = []
        if len(rows) == FEED_PAGE:
            return
        growing = asyncio.ensure_future(self._grown.wait())
        await asyncio.wait(
            {growing, stopping}, timeout=FEED_LOOK_MS / 1000, return_when=asyncio.FIRST_COMPLETED
        )
        growing.cancel()
        self._grown.clear()

    def _tell(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._last = row["id"]
            for listener in list(self._listeners):
                listener.put(row)

    async def _trim(self) -> None:
        if self._last - self._trimmed_at < TRIM_EVERY:
            return
        self._trimmed_at = self._last
        async with self._store.writing() as connection:
            old = FEED.c.id <= self._last - FEED_KEPT_MAX
            await connection.execute(FEED.delete().where(old))


async def _pause(stopped: Any) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stopped, FEED_LOOK_MS / 1000)
