"""A visitor in a chat, over a real WebSocket, as the widget is one: for sending and for demos."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, WSMsgType

from vaxel_cli.console import answer_is_no, unreachable

HELLO_TIMEOUT_S = 30
ACK_TIMEOUT_S = 30
TRIES_MAX = 5
"""Of one message while it isn't sent; ingest-chat says how long to wait between two."""

Frame = dict[str, Any]


class Visitor:
    """One visitor with one conversation; use it as an async context manager.

    ``url`` is ingest-chat's address, ``account`` the chat. With the ``token`` and ``cursor`` of an
    earlier one it goes on where that one stopped.
    """

    def __init__(
        self, url: str, account: str, *, token: str | None = None, cursor: str | None = None
    ) -> None:
        self._url = url
        self._account = account
        self.token = token
        self.cursor = cursor
        self.messages: list[Frame] = []
        """What the conversation holds, each message once, in order."""
        self._http = ClientSession()
        self._socket: ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._answers: dict[str, asyncio.Future[Frame]] = {}
        self._news = asyncio.Event()
        self._welcome: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()

    @property
    def visitor_id(self) -> str:
        """What interactions call the visitor: it stands in the clear in the token."""
        body = (self.token or "").split(".")[1]
        payload = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return str(payload["v"])

    async def __aenter__(self) -> Self:
        """Connect and be welcomed. Raises (exit 3) where nobody answers, (exit 1) if refused."""
        try:
            self._socket = await self._http.ws_connect(
                f"{self._url}/chat/{self._account}/ws", origin=self._url, max_msg_size=0
            )
            hello = {"type": "hello", "token": self.token, "cursor": self.cursor}
            await self._socket.send_json(hello)
            self._reader = asyncio.create_task(self._read(self._socket))
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                await self._welcome
        except (ClientError, TimeoutError, OSError) as error:
            await self.close()
            where = f"{self._url}/chat/{self._account}"
            raise unreachable(
                f"no chat at {where} ({type(error).__name__}): is it in channels.yaml, is "
                "`vaxel up` running?"
            ) from error
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Hang up."""
        await self.close()

    async def close(self) -> None:
        """Hang up."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()
        await self._http.close()

    async def say(self, text: str, **more: str | None) -> str:
        """Send a message until it is acknowledged; answers its interaction's id.

        ``more`` are language, name and email. Raises (exit 1) for a refusal, (exit 3) where it
        can't be stored.
        """
        given = {name: value for name, value in more.items() if value is not None}
        frame = {"type": "message", "id": secrets.token_hex(16), "text": text, **given}
        for _ in range(TRIES_MAX):
            answer = await self._ask(frame)
            if answer["type"] == "ack":
                return str(answer["message_id"])
            if answer["type"] == "error":
                raise answer_is_no(f"the chat refused it: {answer['code']}: {answer['detail']}")
            await asyncio.sleep(answer["retry_after_ms"] / 1000)
        raise unreachable("the chat can't store it just now; is Kafka up?")

    async def until(self, count: int, timeout_s: float) -> bool:
        """Wait until the conversation holds so many messages; False where it doesn't in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while len(self.messages) < count:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    async def _ask(self, frame: Frame) -> Frame:
        if self._socket is None:
            raise RuntimeError("enter the visitor first")
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._answers[frame["id"]] = answer
        try:
            await self._socket.send_json(frame)
            async with asyncio.timeout(ACK_TIMEOUT_S):
                return await answer
        except (ClientError, TimeoutError, OSError) as error:
            raise unreachable(f"the chat was cut ({type(error).__name__}); try again") from error
        finally:
            self._answers.pop(frame["id"], None)

    async def _read(self, socket: ClientWebSocketResponse) -> None:
        async for received in socket:
            if received.type is WSMsgType.TEXT:
                self._hear(json.loads(received.data))
        gone = ClientError("closed")
        for waiting in (self._welcome, *self._answers.values()):
            if not waiting.done():
                waiting.set_exception(gone)

    def _hear(self, frame: Frame) -> None:
        kind = frame["type"]
        if kind in ("welcome", "history"):
            self.token = frame.get("token", self.token)
            for message in frame["messages"]:
                self._keep(message)
            if not frame["more"] and not self._welcome.done():
                self._welcome.set_result(frame)
        elif kind == "message":
            self._keep(frame)
        elif kind in ("ack", "not_sent", "error"):
            answer = self._answers.get(frame.get("id", ""))
            waiting = [answer] if answer is not None else list(self._answers.values())
            for one in waiting:
                if not one.done():
                    one.set_result(frame)
        self.cursor = frame.get("cursor", self.cursor)

    def _keep(self, message: Frame) -> None:
        if all(message["id"] != known["id"] for known in self.messages):
            self.messages.append(message)
            self._news.set()
