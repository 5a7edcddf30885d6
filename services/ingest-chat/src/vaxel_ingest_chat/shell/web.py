"""The visitors' routes: the WebSocket, and the same over plain HTTP where none gets through.

``POST …/session`` says hello and gives a token, ``GET …/events`` is the stream of frames
(server-sent events), ``POST …/messages`` says something. The token stands in ``Authorization``,
never in an address, which ends up in logs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from vaxel_ingest_chat.core import protocol, visitor
from vaxel_ingest_chat.core.protocol import Refused
from vaxel_ingest_chat.core.visitor import Visitor
from vaxel_ingest_chat.shell.accounts import Accounts, Chat
from vaxel_ingest_chat.shell.body import read_body
from vaxel_ingest_chat.shell.outbox import GOING_AWAY, TRY_LATER, Outbox
from vaxel_ingest_chat.shell.session import RETRY_AFTER_MS, House, Session
from vaxel_ingest_chat.shell.sockets import Socket
from vaxel_shared.channels import reading
from vaxel_shared.errors import Retryable, VaxelError
from vaxel_shared.http.problems import problem
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger

COMMENT_EVERY_S = 15.0
"""So that proxies keep an event stream open, and a visitor who is gone is noticed."""
HEADERS = {
    "Access-Control-Allow-Headers": "authorization, content-type, last-event-id",
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Max-Age": "600",
}
STATUS = {
    "body_late": 408,
    "origin_refused": 403,
    "token_invalid": 401,
    "frame_too_large": 413,
    "text_too_long": 413,
    "id_reused": 422,
    "flood": 429,
    "too_many_conversations": 429,
    "too_many_sockets_per_ip": 429,
    "too_many_sockets": 503,
}
"""The HTTP status of a refusal; 400 for any other."""

CORS: web.RequestKey[dict[str, str]] = web.RequestKey("cors")

Handler = Callable[[web.Request, Chat], Awaitable[web.StreamResponse]]


class Web:
    """Routes, and the sockets that are open."""

    def __init__(self, house: House, accounts: Accounts) -> None:
        self._house = house
        self._accounts = accounts
        self._stops: set[Callable[[], None]] = set()

    def routes(self) -> list[web.RouteDef]:
        """To add to the service's port."""
        path = "/chat/{account}"
        return [
            web.get(f"{path}/ws", self._guarded(self._socket)),
            web.post(f"{path}/session", self._guarded(self._begin)),
            web.get(f"{path}/events", self._guarded(self._events)),
            web.post(f"{path}/messages", self._guarded(self._message)),
            *(
                web.options(f"{path}/{name}", self._guarded(self._preflight))
                for name in ("session", "events", "messages")
            ),
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """When asked to stop, send everybody off."""
        await stop.wait()
        for end in list(self._stops):
            end()

    def _guarded(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """With account, origin and the answers to what goes wrong, for all routes alike."""

        async def handle(request: web.Request) -> web.StreamResponse:
            chat = self._accounts.chat(request.match_info["account"])
            if chat is None:
                return problem(404, "account_unknown", "no such chat in channels.yaml")
            origin = None
            try:
                upgrade = request.path.endswith("/ws")
                origin = self._house.edge.origin(request, chat, upgrade=upgrade)
                request[CORS] = _cors(origin)
                response = await handler(request, chat)
            except Refused as refused:
                response = _refusal(refused)
            except Retryable as error:
                response = problem(503, "later", str(error), retry_after_ms=RETRY_AFTER_MS)
                response.headers["Retry-After"] = str(RETRY_AFTER_MS // 1000)
            if not response.prepared:
                response.headers.update(_cors(origin))
            return response

        return handle

    async def _socket(self, request: web.Request, chat: Chat) -> web.StreamResponse:
        if not web.WebSocketResponse().can_prepare(request):
            return problem(426, "upgrade_required", "this is a WebSocket; or use …/events")
        peer = self._house.edge.peer(request)
        self._house.edge.enter(peer)
        socket = Socket(self._house, chat, peer)
        self._stops.add(socket.stop)
        try:
            return await socket.run(request)
        finally:
            self._stops.discard(socket.stop)
            self._house.edge.leave(peer)

    async def _begin(self, request: web.Request, chat: Chat) -> web.StreamResponse:
        body = await self._body(request)
        peer = self._house.edge.peer(request)
        who, token = self._house.admit(chat, body.get("token"), peer)
        return web.json_response({
            "token": token or body.get("token"),
            "conversation": who.conversation_id[:8],
            "limits": {"text_chars_max": self._house.settings.chat_text_chars_max},
        })  # fmt: skip

    async def _message(self, request: web.Request, chat: Chat) -> web.StreamResponse:
        who = self._who(request, chat)
        said = protocol.message(await self._body(request), self._house.settings.chat_text_chars_max)
        empty = self._house.edge.messages.take(who.conversation_id)
        if empty is not None:
            metrics.CHAT_REFUSED.labels("flood").inc()
            raise Refused("flood", "too many messages: chat_messages_per_second_max")
        metrics.CHAT_FRAMES.labels("message").inc()
        key = who.conversation_key(chat.pool, self._house.keyring)
        taken = await self._house.intake.message(who, said, key)
        self._house.leaving.wrote(who)
        return web.json_response(protocol.acknowledged(said.client_id, taken))

    async def _events(self, request: web.Request, chat: Chat) -> web.StreamResponse:
        who = self._who(request, chat)
        peer = self._house.edge.peer(request)
        self._house.edge.enter(peer)
        outbox = Outbox(self._house.settings.chat_outgoing_max)

        def end() -> None:
            outbox.put({"type": "bye"})
            outbox.close(GOING_AWAY, "restart")

        self._stops.add(end)
        session = Session(self._house, chat, who, outbox)
        opening = asyncio.ensure_future(
            _opened(
                session, outbox, request.headers.get("Last-Event-ID") or request.query.get("cursor")
            )
        )
        try:
            return await self._stream(request, session, outbox)
        finally:
            opening.cancel()
            session.end()
            self._stops.discard(end)
            self._house.edge.leave(peer)

    async def _stream(
        self, request: web.Request, session: Session, outbox: Outbox
    ) -> web.StreamResponse:
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store",
                   "X-Accel-Buffering": "no", **request[CORS]}  # fmt: skip
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        try:
            while True:
                try:
                    frame = await outbox.take(COMMENT_EVERY_S)
                except TimeoutError:
                    session.tick()
                    await response.write(b":\n\n")
                    continue
                if frame is None:
                    break
                text = json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
                mark = f"id: {frame['cursor']}\n" if "cursor" in frame else ""
                await response.write(f"{mark}data: {text}\n\n".encode())
            await response.write_eof()
        except ConnectionError:  # the visitor is gone
            return response
        return response

    async def _preflight(self, _request: web.Request, _chat: Chat) -> web.StreamResponse:
        return web.Response(status=204, headers=HEADERS)

    def _who(self, request: web.Request, chat: Chat) -> Visitor:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        house = self._house
        found = visitor.read(
            house.keyring, token if scheme.lower() == "bearer" else None, chat.id,
            house.clock.wall_ms(), house.settings.chat_token_ttl_ms,
        )  # fmt: skip
        if found is None:
            raise Refused("token_invalid", "begin with POST …/session and send its token")
        return found

    async def _body(self, request: web.Request) -> dict[str, Any]:
        most = self._house.settings.chat_frame_bytes_max
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise Refused("frame_malformed", "send the body without Content-Encoding")
        try:
            raw = await read_body(request, most, self._house.settings.http_body_timeout_ms)
        except TimeoutError as error:
            raise Refused("body_late", "send it faster: http_body_timeout_ms") from error
        if len(raw) > most:
            raise Refused("frame_too_large", f"at most {most} bytes: chat_frame_bytes_max")
        found = reading.decoded(raw) if raw else {}
        if not isinstance(found, dict):
            raise Refused("frame_malformed", "the body is a JSON object")
        return found


async def _opened(session: Session, outbox: Outbox, seen: str | None) -> None:
    """Begin the stream; whatever prevents it ends it, so that the visitor comes back."""
    try:
        await session.open(seen, None)
    except VaxelError as error:
        get_logger().warning("chat_closed", channel="chat", reason="later", error=str(error))
        outbox.close(TRY_LATER, "later", "we can't reach our own log; come back soon")
    except OSError as error:
        get_logger().error("chat_closed", channel="chat", exception_type=type(error).__name__)
        outbox.close(TRY_LATER, "later", "come back soon")


def _cors(origin: str | None) -> dict[str, str]:
    """What lets a page of another site read the answer; only ever a page that we know."""
    allowed = {"Access-Control-Allow-Origin": origin} if origin is not None else {}
    return {"Vary": "Origin", "X-Content-Type-Options": "nosniff", **allowed}


def _refusal(refused: Refused) -> web.Response:
    status = STATUS.get(refused.code, 400)
    response = problem(status, refused.code, refused.detail)
    if status in (429, 503):
        response.headers["Retry-After"] = "5"
    return response
