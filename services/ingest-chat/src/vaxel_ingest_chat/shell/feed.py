"""The log's news, to whoever has a socket: tails ``vaxel.interactions`` without a group.

It starts at the log's end: what was before is read for those who ask (``history``). A reply is
visible to the visitor when it stands on the log, and only then.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from vaxel_ingest_chat.core.cursor import Cursor
from vaxel_ingest_chat.core.interactions import shown
from vaxel_ingest_chat.core.recent import Entry, Recent
from vaxel_shared.blobs import BlobStore
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.errors import Poison, Retryable
from vaxel_shared.kafka.retry import Backoff, Stopping
from vaxel_shared.kafka.topic_reader import Record, TopicCursor, TopicReader
from vaxel_shared.kafka.topics import INTERACTIONS, partition_for
from vaxel_shared.obs.logging import get_logger
from vaxel_shared.settings import Settings

AWAY_MS_MAX = 600_000
"""So long without a broker and the process starts afresh."""
BLOB_TIMEOUT_S = 2.0

Listener = Callable[[Entry], None]


class Feed:
    """What is new on the log, by conversation."""

    def __init__(self, settings: Settings, blobs: BlobStore, recent_max: int) -> None:
        self._settings = settings
        self._blobs = blobs
        self._cursors: dict[int, TopicCursor] = {}
        self._read: dict[int, int] = {}
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)
        self._problem: str | None = "the log isn't read yet"
        self.recent = Recent(recent_max)

    def reasons(self) -> list[str]:
        """Why visitors see nothing new, if so."""
        return [self._problem] if self._problem else []

    @property
    def begun(self) -> bool:
        """Whether the log was ever reached: from then on visitors can come, whatever happens."""
        return bool(self._read)

    def place(self, key: str) -> Cursor:
        """How far the partition of a conversation has been read. Raises Retryable before that."""
        if not self._read:
            raise Retryable(self._problem or "the log isn't read yet")
        partition = partition_for(key.encode(), len(self._read))
        return Cursor(partition, self._read[partition])

    def listen(self, key: str, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with everything new in a conversation; answers what ends that."""
        self._listeners[key].add(listener)

        def end() -> None:
            self._listeners[key].discard(listener)
            if not self._listeners[key]:
                del self._listeners[key]

        return end

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the log until asked to stop; a broker that is away is waited for."""
        backoff = Backoff(AWAY_MS_MAX)
        while not stop.is_set():
            reader = TopicReader(self._settings, INTERACTIONS, self._cursors, cold_start="end")
            try:
                await reader.start()
                for partition in reader.partitions:
                    self._cursors.setdefault(partition, reader.cursor(partition))
                self.begin({p: one.offset for p, one in self._cursors.items()})
                while not stop.is_set():
                    await self.take(await reader.poll())
                    for partition in reader.partitions:
                        self._cursors[partition] = reader.cursor(partition)
                    backoff.reset()
            except Stopping:
                return
            except Retryable as error:
                self._problem = str(error)
                try:
                    await backoff.pause("feed", error, stop)
                except Stopping:
                    return
            finally:
                await reader.close()

    def begin(self, offsets: Mapping[int, int]) -> None:
        """News follow after these offsets, by partition; what was before stays as it was."""
        for partition, offset in offsets.items():
            self._read.setdefault(partition, offset)
            self.recent.begin(partition, offset)
        self._problem = None

    async def take(self, records: list[Record]) -> None:
        """Remember what belongs to chats, and hand it to those who listen."""
        for record in records:
            key = chat_key(record)
            frame = await self.frame(record) if key is not None else None
            if key is not None and frame is not None:
                entry = Entry(record.offset, frame)
                self.recent.add(record.partition, key, entry)
                for listener in list(self._listeners.get(key, ())):
                    listener(entry)
            # At once, so that whoever comes between two records of a batch misses none.
            self._read[record.partition] = record.offset

    async def frame(self, record: Record) -> dict[str, Any] | None:
        """What a visitor is shown of a record, if anything."""
        try:
            one = Interaction.model_validate_json(record.value)
        except ValidationError:  # triage parks it as a dead letter
            return None
        text = one.text if one.text is not None else await self._text(one.text_ref)
        return shown(one, text, Cursor(record.partition, record.offset))

    async def _text(self, ref: str | None) -> str:
        if ref is None:
            return ""
        try:
            async with asyncio.timeout(BLOB_TIMEOUT_S):
                return (await self._blobs.get(ref)).decode("utf-8", "replace")
        except (Poison, Retryable, TimeoutError) as error:
            get_logger().error("text_unreadable", blob_ref=ref, exception_type=type(error).__name__)
            return ""


def chat_key(record: Record) -> str | None:
    """The key of a chat's record; None for those of other channels."""
    key = record.key or b""
    if key.split(b"|", 2)[1:2] != [b"chat"]:
        return None
    return key.decode("utf-8", "replace")
