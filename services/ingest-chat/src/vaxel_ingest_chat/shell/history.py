"""What a visitor missed: out of memory where they were away for moments, else read from the log.

The log is read for few visitors at a time, so many records each, and then again: whoever was away
for long gets everything, in parts, and nobody else waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from vaxel_ingest_chat.core.cursor import Cursor
from vaxel_ingest_chat.core.recent import Entry, Frame
from vaxel_ingest_chat.shell.feed import Feed, chat_key
from vaxel_shared.kafka import scan
from vaxel_shared.kafka.topics import INTERACTIONS
from vaxel_shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Part:
    """Some messages in order; everything up to ``cursor`` is told with it.

    ``more`` says that another part follows, ``trimmed`` that the log no longer reaches back to
    where the visitor was.
    """

    messages: list[Frame]
    cursor: Cursor
    more: bool = False
    trimmed: bool = False


class History:
    """Answers what came after a cursor."""

    def __init__(self, settings: Settings, feed: Feed, records_max: int, readers_max: int) -> None:
        self._settings = settings
        self._feed = feed
        self._records_max = records_max
        self._readers = asyncio.Semaphore(readers_max)

    async def parts(self, key: str, seen: Cursor, now: Cursor) -> AsyncGenerator[Part, None]:
        """What is in a conversation after ``seen`` and up to ``now``; at least one part.

        Raises Retryable without a broker.
        """
        entries = self._feed.recent.after(seen.partition, key, seen.offset)
        if entries is not None:
            yield Part([entry.frame for entry in entries if entry.offset <= now.offset], now)
            return
        first = True
        while first or seen.offset < now.offset:
            async with self._readers:
                part = await self._read(key, seen, now)
            yield part if first else Part(part.messages, part.cursor, part.more)
            first, seen = False, part.cursor

    async def _read(self, key: str, seen: Cursor, now: Cursor) -> Part:
        held = (await scan.bounds(self._settings, INTERACTIONS))[seen.partition]
        begin = max(seen.offset + 1, held.begin)
        end = min(now.offset + 1, begin + self._records_max)
        trimmed = held.begin > seen.offset + 1
        found: list[Entry] = []
        within = {seen.partition: scan.Bounds(begin, end)}
        async for record in scan.scan(self._settings, INTERACTIONS, within):
            if chat_key(record) != key:
                continue
            frame = await self._feed.frame(record)
            if frame is not None:
                found.append(Entry(record.offset, frame))
        reached = Cursor(seen.partition, max(end - 1, seen.offset))
        frames = [entry.frame for entry in found]
        return Part(frames, reached, reached.offset < now.offset, trimmed)
