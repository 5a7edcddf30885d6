"""A receiver on a real socket, with a broker, a disk and a parser that do as they are told."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from vaxel_ingest_email.config import IngestEmailSettings
from vaxel_ingest_email.core.fields import Envelope
from vaxel_ingest_email.core.normalize import Parsed, parse
from vaxel_ingest_email.shell.accounts import Accounts
from vaxel_ingest_email.shell.intake import Intake
from vaxel_ingest_email.shell.receiver import Receiver
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.clock import ManualClock
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.producer import Ack, Outgoing

CHANNELS = """
deployment: test
languages: [en, fi]
default_language: en
accounts:
  - {id: support, address: support@vaxel.example, pool: main, queue: general}
  - {id: billing, address: billing@vaxel.example, pool: main, queue: billing}
"""


def free_port() -> int:
    """A free port that an offset can reach, which keeps all others below those of connections."""
    while True:
        port = random.randrange(15_000, 27_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


class FakeSender:
    """Keeps what it is sent, unless told that the broker is away or slow."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []
        self.away = False
        self.gate: asyncio.Event | None = None

    async def send_many(self, records: Sequence[Outgoing]) -> list[Ack]:
        if self.away:
            raise Retryable("no acknowledgement; is Kafka up?")
        if self.gate is not None:
            await self.gate.wait()
        self.records += records
        return [Ack(0, len(self.records) - 1, 0) for _ in records]


class DirectParser:
    """Parses in place."""

    async def parse(self, raw: bytes, envelope: Envelope, received_at_ms: int) -> Parsed:
        return parse(raw, envelope, received_at_ms)


class Wire:
    """A client that says exactly what it is told to, and reads whole replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def reply(self) -> str:
        lines = []
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), 10)).decode()
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return "\n".join(lines)

    async def say(self, data: bytes | str) -> str:
        self.writer.write(data.encode() + b"\r\n" if isinstance(data, str) else data)
        await self.writer.drain()
        return await self.reply()

    async def envelope(self, *recipients: str, sender: str = "jane@customer.example") -> None:
        await self.say("EHLO client.example")
        assert (await self.say(f"MAIL FROM:<{sender}>")).startswith("250")
        for recipient in recipients or ("support@vaxel.example",):
            assert (await self.say(f"RCPT TO:<{recipient}>")).startswith("250")

    async def send(self, content: bytes, *recipients: str, sender: str = "j@c.example") -> str:
        await self.envelope(*recipients, sender=sender)
        assert (await self.say("DATA")).startswith("354")
        return await self.say(content + b"\r\n.\r\n")


class House:
    """A running receiver and everything around it."""

    def __init__(self, folder: Path, **overrides: Any) -> None:
        (folder / "channels.yaml").write_text(CHANNELS)
        self.settings = IngestEmailSettings(
            config_dir=folder, data_dir=folder, port_offset=free_port() - 2525, **overrides
        )
        self.sender = FakeSender()
        self.clock = ManualClock()
        self.blobs = FolderBlobs(folder / "blobs")
        self.accounts = Accounts(folder)
        self.parser: Any = DirectParser()
        self.keyring = Keyring(b"k" * 32)
        intake = Intake(
            parser=self,
            blobs=self.blobs,
            sender=self.sender,
            keyring=self.keyring,
            clock=self.clock,
            timeout_ms=self.settings.accept_timeout_ms,
        )
        self.receiver = Receiver(self.settings, self.accounts, intake)
        self.stop = asyncio.Event()

    async def parse(self, raw: bytes, envelope: Envelope, received_at_ms: int) -> Parsed:
        found: Parsed = await self.parser.parse(raw, envelope, received_at_ms)
        return found

    async def until(self, condition: Callable[[], Any]) -> None:
        """Return when ``condition`` holds; fails after ten seconds."""
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
                await asyncio.sleep(0.01)

    async def connect(self) -> Wire:
        return Wire(*await asyncio.open_connection("127.0.0.1", self.settings.port("smtp")))

    async def greeted(self) -> Wire:
        wire = await self.connect()
        assert (await wire.reply()).startswith("220")
        return wire

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(record.value) for record in self.sender.records]


@pytest.fixture
def house(tmp_path: Path) -> Callable[..., Any]:
    @asynccontextmanager
    async def make(**overrides: Any) -> AsyncIterator[House]:
        built = House(tmp_path, **overrides)
        task = asyncio.create_task(built.receiver.run(built.stop))
        await built.until(lambda: built.receiver.listening)
        try:
            yield built
        finally:
            built.stop.set()
            await asyncio.wait_for(task, 10)

    return make
