"""The three ways in, as cheap as a client can be: raw SMTP, raw HTTP for webhooks, WebSockets.

``send`` never raises: it answers the arrival's message id, how it was answered, and whether that
was an acknowledgement. Connections are used again while they live; where none is free a new one is
made, because other people's servers don't wait for each other either.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
from chaos.load import TEXTS

from vaxel_shared.channels.standard import sign

MAIL_PATIENCE_S = 120.0
"""As real mail servers, which hang up after two minutes at the earliest."""
HOOK_PATIENCE_S = 10.0
"""As providers; the hastiest wait three seconds."""
CHAT_PATIENCE_S = 20.0
CONNECT_PATIENCE_S = 20.0
MAILS_PER_CONNECTION = 20
IDLE_MAX = 100
"""Connections kept for the next one."""
MESSAGES_PER_VISITOR = 4
LONG_EVERY = 40
"""Every so many mails one is long: a forwarded thread."""

Sent = tuple[str, str, bool]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One contact to be: ``key`` is unique, ``mood`` chooses the rest (0 to 1)."""

    key: str
    number: int
    mood: float

    @property
    def words(self) -> tuple[str, str, str]:
        """Language, subject and text."""
        return TEXTS[int(self.mood * 1000) % len(TEXTS)]

    @property
    def customer(self) -> str:
        """Who writes: five hundred people."""
        return f"customer{int(self.mood * 500)}@load.example"


class Way(Protocol):
    """A way in."""

    async def send(self, arrival: Arrival) -> Sent:
        """Send one; message id, outcome, whether it was acknowledged."""
        ...

    async def close(self) -> None:
        """Hang up."""
        ...


class Unanswered(Exception):
    """No answer, or none that the protocol knows; its text is the outcome."""


class Line:
    """A connection and how often it was used."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.used = 0

    def close(self) -> None:
        """At once."""
        self.writer.transport.abort()


class Lines:
    """Idle connections to one place."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._idle: list[Line] = []

    async def take(self) -> Line:
        """An idle connection or a new one. Raises OSError."""
        while self._idle:
            line = self._idle.pop()
            if not line.reader.at_eof() and not line.writer.transport.is_closing():
                return line
            line.close()
        try:
            async with asyncio.timeout(CONNECT_PATIENCE_S):
                return Line(*await asyncio.open_connection(self._host, self._port))
        except TimeoutError as error:
            raise Unanswered("no connection in time") from error

    def give(self, line: Line) -> None:
        """It can be used again."""
        if len(self._idle) < IDLE_MAX:
            self._idle.append(line)
        else:
            line.close()

    def close(self) -> None:
        """All of them."""
        for line in self._idle:
            line.close()
        self._idle.clear()


async def _guarded(attempt: Callable[[], object], patience_s: float) -> tuple[str, bool]:
    """The outcome of an attempt, whatever goes wrong with it."""
    try:
        async with asyncio.timeout(patience_s):
            return await attempt()  # type: ignore[misc, no-any-return]
    except Unanswered as error:
        return str(error), False
    except TimeoutError:
        return "no answer in time", False
    except (asyncio.IncompleteReadError, ConnectionError):
        return "hung up", False
    except OSError as error:
        return type(error).__name__, False


class Mails:
    """Raw SMTP with pipelining."""

    def __init__(self, host: str, port: int, recipient: str) -> None:
        self._lines = Lines(host, port)
        self._recipient = recipient
        quoted = "\r\n".join(f"> line {n} of what was said before, quoted" for n in range(1_500))
        self._long = f"\r\n\r\nOn Monday somebody wrote:\r\n{quoted}\r\n"

    async def send(self, arrival: Arrival) -> Sent:
        """One mail."""
        message_id = f"{arrival.key}@load.example"
        content = self._mail(arrival, message_id)
        outcome, accepted = await _guarded(
            lambda: self._attempt(arrival.customer, content), MAIL_PATIENCE_S
        )
        return message_id, outcome, accepted

    async def close(self) -> None:
        """Hang up."""
        self._lines.close()

    def _mail(self, arrival: Arrival, message_id: str) -> bytes:
        _, subject, text = arrival.words
        more = self._long if arrival.number % LONG_EVERY == 0 else "\r\n"
        return (
            f"From: Customer <{arrival.customer}>\r\nTo: {self._recipient}\r\nSubject: {subject}\r\n"
            f"Message-ID: <{message_id}>\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n"
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
            f"{text}{more}.\r\n"
        ).encode()

    async def _attempt(self, sender: str, content: bytes) -> tuple[str, bool]:
        line = await self._lines.take()
        kept = False
        try:
            if line.used == 0:
                code = await _reply(line)
                if code != "220":
                    return code, False
                line.writer.write(b"EHLO load.example\r\n")
                await _reply(line)
            line.used += 1
            line.writer.write(
                f"MAIL FROM:<{sender}>\r\nRCPT TO:<{self._recipient}>\r\nDATA\r\n".encode()
            )
            codes = [await _reply(line) for _ in range(3)]
            if codes[2] != "354":
                kept = await self._reset(line, codes)
                return next(code for code in codes if code[0] in "45"), False
            line.writer.write(content)
            code = await _reply(line)
            kept = code != "421"
            return code, code == "250"
        finally:
            if kept and line.used < MAILS_PER_CONNECTION:
                self._lines.give(line)
            else:
                line.close()

    async def _reset(self, line: Line, codes: list[str]) -> bool:
        """After a refusal; whether the line is still good."""
        if "421" in codes:
            return False
        line.writer.write(b"RSET\r\n")
        return await _reply(line) == "250"


async def _reply(line: Line) -> str:
    """The code of a reply, of however many lines."""
    while True:
        text = await line.reader.readline()
        if not text.endswith(b"\r\n"):
            raise ConnectionResetError
        if text[3:4] != b"-":
            return text[:3].decode()


class Hooks:
    """Signed webhooks over raw HTTP/1.1."""

    def __init__(self, url: str, account: str, data_dir: Path) -> None:
        parts = urlsplit(url)
        self._lines = Lines(str(parts.hostname), int(parts.port or 80))
        self._secret = (data_dir / "secrets" / f"{account}-webhook").read_text().split()[0]
        self._path = f"/hooks/{account}"

    async def send(self, arrival: Arrival) -> Sent:
        """One webhook."""
        language, subject, text = arrival.words
        data = {
            "conversation_id": f"thread-{arrival.key[:-1]}",
            "message_id": arrival.key,
            "sender": {"id": arrival.customer, "name": "Customer"},
            "subject": subject,
            "text": text,
            "language": language,
        }
        body = json.dumps({"type": "message.received", "data": data}).encode()
        outcome, accepted = await _guarded(
            lambda: self._attempt(arrival.key, body), HOOK_PATIENCE_S
        )
        return arrival.key, outcome, accepted

    async def close(self) -> None:
        """Hang up."""
        self._lines.close()

    async def _attempt(self, key: str, body: bytes) -> tuple[str, bool]:
        line = await self._lines.take()
        kept = False
        try:
            seconds = int(time.time())
            head = (
                f"POST {self._path} HTTP/1.1\r\nHost: load\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nwebhook-id: {key}\r\nwebhook-timestamp: {seconds}\r\n"
                f"webhook-signature: {sign(self._secret, key, seconds, body)}\r\n\r\n"
            )
            line.writer.write(head.encode() + body)
            status, retry_after = await self._answer(line)
            kept = True
            if status in ("429", "503") and not retry_after:
                return f"{status} without Retry-After", False
            return status, status[0] == "2"
        finally:
            if kept:
                self._lines.give(line)
            else:
                line.close()

    async def _answer(self, line: Line) -> tuple[str, bool]:
        head = (await line.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        fields = dict(one.split(": ", 1) for one in head.split("\r\n")[1:] if ": " in one)
        await line.reader.readexactly(int(fields.get("content-length", "0")))
        return head.split(" ", 2)[1], "retry-after" in fields


class Chats:
    """Visitors over WebSockets, each with a few messages, one after the other."""

    def __init__(self, url: str, account: str) -> None:
        self._url = f"{url.replace('http', 'ws', 1)}/chat/{account}/ws"
        self._origin = url
        self._session: aiohttp.ClientSession | None = None
        self._idle: list[tuple[aiohttp.ClientWebSocketResponse, int]] = []

    async def send(self, arrival: Arrival) -> Sent:
        """One message."""
        outcome, accepted = await _guarded(lambda: self._attempt(arrival), CHAT_PATIENCE_S)
        return arrival.key, outcome, accepted

    async def close(self) -> None:
        """Hang up."""
        if self._session is not None:
            await self._session.close()

    async def _attempt(self, arrival: Arrival) -> tuple[str, bool]:
        socket: aiohttp.ClientWebSocketResponse | None = None
        used, kept = 0, False
        try:
            socket, used = self._idle.pop() if self._idle else (await self._open(), 0)
            await socket.send_json({"type": "message", "id": arrival.key, "text": arrival.words[2]})
            outcome = await _chat_answer(socket, arrival.key)
            kept = outcome in ("ack", "not_sent") and used + 1 < MESSAGES_PER_VISITOR
            if kept:
                self._idle.append((socket, used + 1))
        except aiohttp.WSServerHandshakeError as error:
            return f"{error.status}", False
        except aiohttp.ClientError as error:
            raise Unanswered(type(error).__name__) from error
        else:
            return outcome, outcome == "ack"
        finally:
            if socket is not None and not kept:
                await socket.close()

    async def _open(self) -> aiohttp.ClientWebSocketResponse:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        socket = await self._session.ws_connect(self._url, origin=self._origin, compress=0)
        await socket.send_json({"type": "hello"})
        return socket


async def _chat_answer(socket: aiohttp.ClientWebSocketResponse, key: str) -> str:
    """``ack``, ``not_sent``, or the code with which the socket was closed."""
    while True:
        message = await socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            return f"close {socket.close_code}"
        frame = json.loads(message.data)
        if frame.get("id") == key and frame["type"] in ("ack", "not_sent"):
            return str(frame["type"])
