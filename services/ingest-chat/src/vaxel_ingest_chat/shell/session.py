"""One visitor who is here, whatever the transport: what they missed, what is new, what they say.

Whoever comes is first told what they missed; what comes in meanwhile is held back and follows in
order. The cursor in the last frame is all that the widget needs to come back: nothing is lost, and
what is told twice has the same id.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from vaxel_ingest_chat.config import IngestChatSettings
from vaxel_ingest_chat.core import cursor, protocol, visitor
from vaxel_ingest_chat.core.cursor import Cursor
from vaxel_ingest_chat.core.protocol import Frame, Message, Refused
from vaxel_ingest_chat.core.recent import Entry
from vaxel_ingest_chat.core.visitor import Visitor
from vaxel_ingest_chat.shell.accounts import Chat
from vaxel_ingest_chat.shell.edge import Edge
from vaxel_ingest_chat.shell.feed import Feed
from vaxel_ingest_chat.shell.history import History
from vaxel_ingest_chat.shell.intake import Intake
from vaxel_ingest_chat.shell.leaving import Leaving
from vaxel_ingest_chat.shell.outbox import TRY_LATER, Outbox
from vaxel_shared.clock import Clock
from vaxel_shared.contracts.interaction import Kind
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.errors import Retryable
from vaxel_shared.obs.logging import get_logger

RETRY_AFTER_MS = 2_000
"""About what a broker needs to come back."""
SIGNAL_EVERY_S = 2.0
"""Of one visitor; typing says nothing new sooner."""


@dataclass(frozen=True, slots=True)
class House:
    """What all sessions share."""

    settings: IngestChatSettings
    keyring: Keyring
    clock: Clock
    edge: Edge
    feed: Feed
    history: History
    intake: Intake
    leaving: Leaving

    def admit(self, chat: Chat, token: object, peer: str | None) -> tuple[Visitor, str | None]:
        """The visitor that a token names, or a new one; second, a token to keep if it is new.

        Raises Refused where a network begins too many conversations, Retryable before the log was
        ever reached.
        """
        now_ms, ttl_ms = self.clock.wall_ms(), self.settings.chat_token_ttl_ms
        known = visitor.read(self.keyring, token, chat.id, now_ms, ttl_ms)
        if known is not None:
            if not known.is_due(now_ms, ttl_ms):
                return known, None
            renewed = replace(known, issued_ms=now_ms)
            return renewed, renewed.token(self.keyring)
        self.edge.begin(peer)
        one = Visitor(chat.id, secrets.token_hex(16), secrets.token_hex(16), Cursor(0, -1), now_ms)
        start = self.feed.place(one.conversation_key(chat.pool, self.keyring))
        one = replace(one, start=start)
        return one, one.token(self.keyring)


class Session:
    """A visitor at a chat. :meth:`open` it, then :meth:`say` what comes in; :meth:`end` it."""

    def __init__(self, house: House, chat: Chat, who: Visitor, outbox: Outbox) -> None:
        self._house = house
        self._who = who
        self._key = who.conversation_key(chat.pool, house.keyring)
        self._outbox = outbox
        self._held: list[Entry] | None = []
        self._end_listening: Callable[[], None] | None = None
        self._told = who.start
        self._now_s = house.clock.monotonic_ms() / 1000
        self.active_s = self._now_s
        self._signalled_s = -SIGNAL_EVERY_S
        self._signals: set[asyncio.Task[None]] = set()
        self._is_in = False

    async def open(self, seen: object, token: str | None) -> None:
        """Welcome, with what was missed after the cursor ``seen``; then what is new."""
        feed = self._house.feed
        self._house.leaving.enter(self._who)
        self._is_in = True
        now = feed.place(self._key)
        self._end_listening = feed.listen(self._key, self._on_news)
        since, resync = _since(seen, self._who.start, now)
        kind = "welcome"
        async for part in self._house.history.parts(self._key, since, now):
            frame: Frame = {
                "type": kind,
                "messages": part.messages,
                "cursor": str(part.cursor),
                "more": part.more,
            }
            if kind == "welcome":
                frame |= {"conversation": self._who.conversation_id[:8], "resync": resync}
                frame |= {"token": token} if token is not None else {}
                frame |= {"trimmed": True} if part.trimmed else {}
                frame["limits"] = {"text_chars_max": self._house.settings.chat_text_chars_max}
            self._outbox.put(frame)
            kind = "history"
            if any(one["from"] == "visitor" for one in part.messages):
                self._house.leaving.wrote(self._who)
        self._told = now
        held, self._held = self._held or [], None
        for entry in held:
            self._push(entry)

    def end(self) -> None:
        """The visitor is gone."""
        if self._end_listening is not None:
            self._end_listening()
            self._end_listening = None
        for task in self._signals:
            task.cancel()
        if self._is_in:
            self._is_in = False
            self._house.leaving.leave(self._who, self._key)

    async def say(self, message: Message) -> None:
        """Keep a message and acknowledge it; where that fails, say that it isn't sent yet."""
        try:
            taken = await self._house.intake.message(self._who, message, self._key)
        except Retryable as error:
            get_logger().warning("message_not_sent", channel="chat", error=str(error))
            self._outbox.put(protocol.not_sent(message.client_id, RETRY_AFTER_MS))
        except Refused as refused:
            self._outbox.put(refused.frame())
        else:
            self._house.leaving.wrote(self._who)
            self._outbox.put(protocol.acknowledged(message.client_id, taken))

    def signal(self, kind: Kind) -> None:
        """Pass on that the visitor types or has read; seldom enough, and without waiting."""
        now_s = self._house.clock.monotonic_ms() / 1000
        if kind == "typing" and now_s - self._signalled_s < SIGNAL_EVERY_S:
            return
        if self._signals:
            return
        self._signalled_s = now_s
        task = asyncio.ensure_future(self._signal(kind))
        self._signals.add(task)
        task.add_done_callback(self._signals.discard)

    async def _signal(self, kind: Kind) -> None:
        try:
            await self._house.intake.signal(self._who, kind, self._key)
        except Retryable as error:
            get_logger().info("signal_lost", kind=kind, error=str(error))

    def touch(self) -> None:
        """The visitor gave a sign of life."""
        self.active_s = self._house.clock.monotonic_ms() / 1000

    def tick(self) -> None:
        """Let the visitor's cursor follow the log while nothing is said."""
        if self._held is not None:
            return
        try:
            now = self._house.feed.place(self._key)
        except Retryable:
            return
        if now.offset > self._told.offset:
            self._told = now
            self._outbox.put({"type": "cursor", "cursor": str(now)})

    def _on_news(self, entry: Entry) -> None:
        if self._held is None:
            self._push(entry)
        elif len(self._held) < self._house.settings.chat_outgoing_max:
            self._held.append(entry)
        else:
            self._outbox.close(TRY_LATER, "too_much_news", "come back with your cursor")

    def _push(self, entry: Entry) -> None:
        if entry.offset > self._told.offset:
            self._told = Cursor(self._told.partition, entry.offset)
            self.touch()
            self._outbox.put(entry.frame)


def _since(seen: object, start: Cursor, now: Cursor) -> tuple[Cursor, bool]:
    """Where to go on, and whether the widget must forget what it shows.

    A cursor that doesn't fit the log (another one, or cut) is worth nothing: from the start.
    """
    given = cursor.parse(seen)
    start = Cursor(now.partition, start.offset if start.partition == now.partition else -1)
    if given is None:
        return start, False
    if given.partition != now.partition or given.offset > now.offset:
        return start, True
    return Cursor(now.partition, max(given.offset, start.offset)), False
