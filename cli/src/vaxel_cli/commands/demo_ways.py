"""The three ways in, as customers use them: real SMTP, a real WebSocket, a signed webhook.

Whatever isn't acknowledged is sent again under the same id, as a mail server, the widget and a
webhook's sender do; so a service that is killed in between loses and doubles nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import smtplib
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, ClientWebSocketResponse

from vaxel_cli.commands.demo_plan import Contact, Way
from vaxel_cli.console import unreachable
from vaxel_cli.runinfo import RunInfo
from vaxel_shared.channels.standard import sign
from vaxel_shared.config import source
from vaxel_shared.config.channels import Channels
from vaxel_shared.ids import event_id

ATTEMPT_TIMEOUT_S = 40.0
"""Above the receiver's own: it answers 451 after 25 s."""
SMTP_AT_ONCE = 32
HEAR_TIMEOUT_S = 120.0
"""How long a visitor stays for an answer."""

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Heard = Callable[[], None]


class NotTaken(Exception):
    """An attempt that wasn't acknowledged: ``code`` says by whom or why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Ways:
    """How to send; answers the interaction's id once the system says that it has the contact."""

    def __init__(self, run: RunInfo, http: ClientSession, heard: Heard) -> None:
        self._run = run
        self._http = http
        self._heard = heard
        self._threads = ThreadPoolExecutor(SMTP_AT_ONCE)
        self._listening: set[asyncio.Task[None]] = set()
        self._tokens: dict[str, str] = {}
        self._hooks = _hooks(run)
        self._mails: dict[str, bytes] = {}
        """As they were sent first: a mail server sends the same mail again, not one like it."""
        self._senders: dict[Way, Callable[[Contact], Awaitable[str]]] = {
            "email": self._mail,
            "chat": self._chat,
            "webhook": self._hook,
        }

    @property
    def there(self) -> list[Way]:
        """The ways that this deployment has."""
        found: list[Way] = []
        if self._run.mailboxes:
            found.append("email")
        if "ingest-chat" in self._run.services and self._run.chats:
            found.append("chat")
        if "ingest-chat" in self._run.services and self._hooks:
            found.append("webhook")
        return found

    async def send(self, contact: Contact) -> str:
        """One attempt. Raises :class:`NotTaken`."""
        try:
            async with asyncio.timeout(ATTEMPT_TIMEOUT_S):
                return await self._senders[contact.way](contact)
        except (ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            raise NotTaken(type(error).__name__) from error

    async def close(self) -> None:
        """Let everybody hang up."""
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _mail(self, contact: Contact) -> str:
        loop, to = asyncio.get_running_loop(), self._run.mailboxes[0]
        if contact.key not in self._mails:
            self._mails[contact.key] = _written(contact, to)
        mail = self._mails[contact.key]
        found = await loop.run_in_executor(self._threads, self._smtp, contact.address, to, mail)
        del self._mails[contact.key]
        return found

    def _smtp(self, sender: str, to: str, mail: bytes) -> str:
        smtp = self._run.smtp
        try:
            with smtplib.SMTP(smtp.host, smtp.port, timeout=ATTEMPT_TIMEOUT_S) as client:
                client.ehlo()
                for reply in (client.mail(sender), client.rcpt(to)):
                    _must(reply)
                said = _must(client.data(mail))
        except smtplib.SMTPResponseException as error:
            raise NotTaken(str(error.smtp_code)) from error
        except smtplib.SMTPException as error:
            raise NotTaken(type(error).__name__) from error
        found = _ID.search(said)
        if found is None:
            raise NotTaken("no_id_in_reply")
        return found[0]

    async def _chat(self, contact: Contact) -> str:
        socket = await self._enter(contact)
        try:
            frame = {
                "type": "message",
                "id": contact.key,
                "text": contact.text,
                "language": contact.language,
                "name": contact.name,
            }
            await socket.send_json(frame)
            answer = await _until(socket, "ack")
        except BaseException:
            await socket.close()
            raise
        task = asyncio.ensure_future(self._hear(contact, socket))
        self._listening.add(task)
        task.add_done_callback(self._listening.discard)
        return str(answer["message_id"])

    async def _enter(self, contact: Contact) -> ClientWebSocketResponse:
        """Connect and be welcomed; with the token of an earlier try in the same conversation."""
        url = f"{self._run.url('ingest-chat')}/chat/{self._run.chats[0]}/ws"
        origin = self._run.url("ingest-chat")
        socket = await self._http.ws_connect(url, origin=origin, max_msg_size=0)
        try:
            await socket.send_json({"type": "hello", "token": self._tokens.get(contact.key)})
            welcome = await _until(socket, "welcome")
        except BaseException:
            await socket.close()
            raise
        self._tokens[contact.key] = str(welcome["token"])
        return socket

    async def _hear(self, contact: Contact, socket: ClientWebSocketResponse) -> None:
        """Stay for the answer; whoever is cut off comes back."""
        give_up = time.monotonic() + HEAR_TIMEOUT_S
        while time.monotonic() < give_up:
            try:
                async with asyncio.timeout(HEAR_TIMEOUT_S):
                    if socket.closed:
                        socket = await self._enter(contact)
                    while not _answers(await _until(socket, "message", "history", "welcome")):
                        pass
                self._heard()
                break
            except (NotTaken, ClientError, OSError, ValueError):
                await socket.close()
                await asyncio.sleep(1)
        await socket.close()
        self._tokens.pop(contact.key, None)

    async def _hook(self, contact: Contact) -> str:
        account, secret = self._hooks[0]
        data = {
            "conversation_id": contact.key,
            "message_id": contact.key,
            "sender": {"id": contact.address, "name": contact.name},
            "subject": contact.subject,
            "text": contact.text,
            "language": contact.language,
        }
        body = json.dumps({"type": "message.received", "data": data}, sort_keys=True).encode()
        seconds = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": contact.key,
            "webhook-timestamp": str(seconds),
            "webhook-signature": sign(secret, contact.key, seconds, body),
        }
        url = f"{self._run.url('ingest-chat')}/hooks/{account}"
        timeout = ClientTimeout(total=ATTEMPT_TIMEOUT_S)
        async with self._http.post(url, data=body, headers=headers, timeout=timeout) as answer:
            if answer.status >= 300:
                raise NotTaken(str(answer.status))
        return event_id("webhook", account, contact.key, hashlib.sha256(body).hexdigest())


def _written(contact: Contact, to: str) -> bytes:
    """The mail, dated now."""
    message = EmailMessage(policy=SMTP)
    message["From"] = f"{contact.name} <{contact.address}>"
    message["To"] = to
    message["Subject"] = contact.subject
    message["Date"] = formatdate(time.time())
    message["Message-ID"] = f"<{contact.key}@demo.example>"
    message.set_content(contact.text)
    return bytes(message)


async def _until(socket: ClientWebSocketResponse, *kinds: str) -> dict[str, Any]:
    """The next frame of one of these types.

    Raises NotTaken for a refusal, and where the socket ends before.
    """
    async for message in socket:
        frame: dict[str, Any] = json.loads(message.data)
        if frame["type"] in ("error", "not_sent"):
            raise NotTaken(str(frame["code"]))
        if frame["type"] in kinds:
            return frame
    raise NotTaken("closed")


def _answers(frame: dict[str, Any]) -> bool:
    """Whether a frame holds a message of an agent."""
    messages = frame.get("messages", [frame] if frame["type"] == "message" else [])
    return any(one.get("from") == "us" for one in messages)


def _must(reply: tuple[int, bytes]) -> str:
    if reply[0] >= 400:
        raise NotTaken(str(reply[0]))
    return reply[1].decode(errors="replace")


def _hooks(run: RunInfo) -> list[tuple[str, str]]:
    """The webhooks that can be signed for: account and secret."""
    path = run.config_dir / "channels.yaml"
    channels = source.validate(Channels, source.read(path))
    found = []
    for account in channels.accounts:
        if account.id in run.webhooks and account.platform == "standard":
            file = run.settings().secrets / account.secret_file
            try:
                found.append((account.id, file.read_text(encoding="utf-8").split()[0]))
            except (OSError, IndexError) as error:
                raise unreachable(f"{file}: no secret to sign with; `vaxel up` makes it") from error
    return found
