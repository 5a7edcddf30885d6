"""The WebSocket of a visitor: ``/chat/<account>/ws``.

A malformed frame or a flood is answered with an error frame that names the rule, then the socket
is closed. Reading, keeping and writing are three tasks, so that pings are answered while the
broker is slow.
"""

from __future__ import annotations

import asyncio
import json

from aiohttp import WSMsgType, web

from vaxel_ingest_chat.core import protocol
from vaxel_ingest_chat.core.bucket import Bucket
from vaxel_ingest_chat.core.protocol import Hello, Message, Ping, Refused, Signal
from vaxel_ingest_chat.shell.accounts import Chat
from vaxel_ingest_chat.shell.outbox import (
    FLOOD,
    GOING_AWAY,
    HELLO_LATE,
    IDLE,
    MALFORMED,
    NORMAL,
    TOO_LARGE,
    TRY_LATER,
    Outbox,
)
from vaxel_ingest_chat.shell.session import House, Session
from vaxel_shared.errors import VaxelError
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger

CLOSE_TIMEOUT_S = 2.0
"""For a visitor's goodbye."""


class Gone(Exception):
    """The visitor hung up."""


class Socket:
    """One connection from upgrade to close."""

    def __init__(self, house: House, chat: Chat, peer: str | None) -> None:
        settings = house.settings
        self._house = house
        self._chat = chat
        self._peer = peer
        self._outbox = Outbox(settings.chat_outgoing_max)
        self._pending: asyncio.Queue[Message] = asyncio.Queue(settings.chat_pending_max)
        now_s = house.clock.monotonic_ms() / 1000
        self._frames = Bucket(
            settings.chat_frames_burst_max, settings.chat_frames_per_second_max, now_s
        )
        self._conversation = ""

    async def run(self, request: web.Request) -> web.WebSocketResponse:
        """Serve it to its end."""
        settings = self._house.settings
        socket = web.WebSocketResponse(
            heartbeat=settings.chat_heartbeat_ms / 1000,
            # What is a little too large gets an error frame; what is much too large, only 1009.
            max_msg_size=settings.chat_frame_bytes_max * 2,
            compress=False,
            timeout=CLOSE_TIMEOUT_S,
        )
        await socket.prepare(request)
        writer = asyncio.ensure_future(self._write(socket))
        try:
            await self._serve(socket)
        except Refused as refused:
            metrics.CHAT_REFUSED.labels(refused.code).inc()
            get_logger().info("chat_closed", channel="chat", reason=refused.code)
            self._outbox.close(_CLOSES.get(refused.code, MALFORMED), refused.code, refused.detail)
        except VaxelError as error:  # also a log that was trimmed while it was read
            get_logger().warning("chat_closed", channel="chat", reason="later", error=str(error))
            self._outbox.close(TRY_LATER, "later", "we can't reach our own log; come back soon")
        except Gone:
            self._outbox.close(NORMAL, "gone")
        finally:
            self._outbox.close(NORMAL, "end")
            await asyncio.wait({writer}, timeout=CLOSE_TIMEOUT_S * 2)
            writer.cancel()
        return socket

    def stop(self) -> None:
        """We are going down: the widget comes back by itself, to whoever is up then."""
        self._outbox.put({"type": "bye"})
        self._outbox.close(GOING_AWAY, "restart")

    async def _serve(self, socket: web.WebSocketResponse) -> None:
        hello = await self._hello(socket)
        who, token = self._house.admit(self._chat, hello.token, self._peer)
        self._conversation = who.conversation_id
        session = Session(self._house, self._chat, who, self._outbox)
        tasks: set[asyncio.Future[None]] = set()
        try:
            # What the visitor says is taken while history is read.
            for body in (
                session.open(hello.cursor, token),
                self._read(socket, session),
                self._keep(session),
                self._watch(session),
            ):
                tasks.add(asyncio.ensure_future(body))
            await _until_one_ends(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            session.end()

    async def _hello(self, socket: web.WebSocketResponse) -> Hello:
        try:
            async with asyncio.timeout(self._house.settings.chat_hello_timeout_ms / 1000):
                said = await self._receive(socket)
        except TimeoutError as error:
            raise Refused("hello_late", "say hello first: chat_hello_timeout_ms") from error
        if not isinstance(said, Hello):
            raise Refused("hello_missing", "the first frame is hello")
        return said

    async def _receive(self, socket: web.WebSocketResponse) -> protocol.Said:
        received = await socket.receive()
        if received.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            raise Gone
        if not self._frames.take(self._house.clock.monotonic_ms() / 1000):
            raise Refused("flood", "too many frames: chat_frames_per_second_max")
        settings = self._house.settings
        said = protocol.parse(
            received.data,
            bytes_max=settings.chat_frame_bytes_max,
            text_chars_max=settings.chat_text_chars_max,
        )
        metrics.CHAT_FRAMES.labels(type(said).__name__.lower()).inc()
        return said

    async def _read(self, socket: web.WebSocketResponse, session: Session) -> None:
        while True:
            try:
                said = await self._receive(socket)
            except Refused as refused:
                if refused.fatal:
                    raise
                self._outbox.put(refused.frame())
                continue
            session.touch()
            if isinstance(said, Message):
                self._accept(said)
            elif isinstance(said, Signal):
                session.signal("typing" if said.kind == "typing" else "read")
            elif isinstance(said, Ping):
                self._outbox.put({"type": "pong"})
            else:
                raise Refused("hello_twice", "hello is said once")

    def _accept(self, message: Message) -> None:
        if self._house.edge.messages.take(self._conversation) is not None:
            raise Refused("flood", "too many messages: chat_messages_per_second_max")
        try:
            self._pending.put_nowait(message)
        except asyncio.QueueFull as error:
            raise Refused("flood", "too many unanswered messages: chat_pending_max") from error

    async def _keep(self, session: Session) -> None:
        """Messages leave one by one, so that their order on the log is the visitor's."""
        while True:
            await session.say(await self._pending.get())

    async def _watch(self, session: Session) -> None:
        settings = self._house.settings
        idle_s = settings.chat_idle_timeout_ms / 1000
        while True:
            await asyncio.sleep(min(settings.chat_heartbeat_ms / 1000, idle_s / 2))
            session.tick()
            if self._house.clock.monotonic_ms() / 1000 - session.active_s > idle_s:
                raise Refused("idle", "nothing was said for long: chat_idle_timeout_ms")
            if self._outbox.closed is not None:
                raise Gone

    async def _write(self, socket: web.WebSocketResponse) -> None:
        try:
            while (frame := await self._outbox.take()) is not None:
                await socket.send_str(json.dumps(frame, ensure_ascii=False, separators=(",", ":")))
            code, reason = self._outbox.closed or (NORMAL, "")
            await socket.close(code=code, message=reason.encode())
        except ConnectionError:  # hung up meanwhile; whoever reads sees it too
            self._outbox.close(NORMAL, "gone")


async def _until_one_ends(tasks: set[asyncio.Future[None]]) -> None:
    """Wait until a task fails; one that simply finishes (the history) is no end."""
    pending = set(tasks)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


_CLOSES = {
    "flood": FLOOD,
    "frame_too_large": TOO_LARGE,
    "hello_late": HELLO_LATE,
    "idle": IDLE,
    "too_many_conversations": FLOOD,
}
