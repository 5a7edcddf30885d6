"""How a customer's message goes in: real SMTP, a WebSocket, a signed webhook; one attempt each.

Nothing here is the product's code: a mail client, a browser and somebody's server would do the same.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiosmtplib
from aiohttp import ClientError, ClientSession, ClientTimeout

ATTEMPT_S_MAX = 40.0
"""Above the receiver's own patience: it answers 451 after 25 s."""


class Refused(Exception):
    """Not acknowledged; ``code`` says by what or why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Message:
    """One message of a conversation; a repeat is the same message, byte for byte."""

    id: str
    way: str
    sender: str
    language: str
    subject: str
    text: str
    first: str
    """Id of the conversation's first message."""
    state: dict[str, str] = field(default_factory=dict)
    """What the conversation keeps between messages: the visitor's token."""


class Senders:
    """Sends by any way. Raises :class:`Refused` for all that isn't an acknowledgement."""

    def __init__(self, run: dict[str, Any], http: ClientSession) -> None:
        self._run, self._http = run, http

    async def send(self, message: Message) -> None:
        """One attempt."""
        attempt = {"email": self._mail, "chat": self._chat, "webhook": self._hook}[message.way]
        try:
            await attempt(message)
        except (ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            raise Refused(type(error).__name__) from error

    async def _mail(self, message: Message) -> None:
        smtp, to = self._run["smtp"], self._run["mailboxes"][0]
        thread = ""
        if message.first != message.id:
            first = f"<{message.first}@load.example>"
            thread = f"In-Reply-To: {first}\r\nReferences: {first}\r\n"
        raw = (
            f"From: Customer <{message.sender}>\r\nTo: {to}\r\nSubject: {message.subject}\r\n"
            f"Message-ID: <{message.id}@load.example>\r\n{thread}"
            "Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Transfer-Encoding: 8bit\r\n\r\n{message.text}\r\n"
        ).encode()
        client = aiosmtplib.SMTP(
            hostname=smtp["host"], port=smtp["port"], timeout=ATTEMPT_S_MAX, start_tls=False
        )
        try:
            async with client:
                await client.sendmail(message.sender, [to], raw)
        except aiosmtplib.SMTPResponseException as error:
            raise Refused(str(error.code)) from error
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise Refused(str(error.recipients[0].code)) from error
        except aiosmtplib.SMTPException as error:
            raise Refused(type(error).__name__) from error

    async def _chat(self, message: Message) -> None:
        base = self._run["services"]["ingest-chat"]["url"]
        url = f"{base}/chat/{self._run['chats'][0]}/ws"
        async with self._http.ws_connect(url, origin=base, timeout=None) as socket:  # type: ignore[arg-type] # the session's
            await socket.send_json({"type": "hello", "token": message.state.get("token")})
            async for got in socket:
                frame = json.loads(got.data)
                if frame["type"] == "welcome":
                    if frame.get("token"):  # who came with a good one keeps it
                        message.state["token"] = frame["token"]
                    said = {"id": message.id, "text": message.text, "language": message.language}
                    await socket.send_json({"type": "message", **said})
                elif frame["type"] in ("error", "not_sent"):
                    raise Refused(str(frame["code"]))
                elif frame["type"] == "ack" and frame["id"] == message.id:
                    return
        raise Refused("closed")

    async def _hook(self, message: Message) -> None:
        account = self._run["webhooks"][0]
        data = {
            "conversation_id": message.first,
            "message_id": message.id,
            "sender": {"id": message.sender, "name": "Customer"},
            "subject": message.subject,
            "text": message.text,
            "language": message.language,
        }
        body = json.dumps({"type": "message.received", "data": data}).encode()
        headers = {"Content-Type": "application/json", **self._signed(account, message.id, body)}
        url = f"{self._run['services']['ingest-chat']['url']}/hooks/{account}"
        timeout = ClientTimeout(total=ATTEMPT_S_MAX)
        async with self._http.post(url, data=body, headers=headers, timeout=timeout) as answer:
            if answer.status >= 300:
                raise Refused(str(answer.status))

    def _signed(self, account: str, name: str, body: bytes) -> dict[str, str]:
        """By Standard Webhooks: HMAC-SHA256 over id, time and body."""
        path = Path(self._run["data_dir"]) / "secrets" / f"{account}-webhook"
        key = base64.b64decode(path.read_text().split()[0].removeprefix("whsec_"))
        seconds = str(int(time.time()))
        mac = hmac.digest(key, f"{name}.{seconds}.".encode() + body, hashlib.sha256)
        return {
            "webhook-id": name,
            "webhook-timestamp": seconds,
            "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
        }
