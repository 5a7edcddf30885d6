"""The whole service on a real socket, with a log in memory that does as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web

from vaxel_ingest_chat.config import IngestChatSettings
from vaxel_ingest_chat.shell.accounts import Accounts
from vaxel_ingest_chat.shell.edge import Edge
from vaxel_ingest_chat.shell.feed import Feed
from vaxel_ingest_chat.shell.history import History
from vaxel_ingest_chat.shell.hooks import Hooks
from vaxel_ingest_chat.shell.intake import Intake
from vaxel_ingest_chat.shell.leaving import Leaving
from vaxel_ingest_chat.shell.pages import Pages
from vaxel_ingest_chat.shell.session import House
from vaxel_ingest_chat.shell.spool import Spool
from vaxel_ingest_chat.shell.web import Web
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.clock import SystemClock
from vaxel_shared.contracts.interaction import Interaction, Party
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.errors import Retryable
from vaxel_shared.http.app import make_app
from vaxel_shared.kafka.producer import Ack, Outgoing
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.kafka.topics import INTERACTIONS, partition_for

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PARTITIONS = 4
CHANNELS = """
deployment: test
languages: [en, fi]
default_language: en
accounts:
  - {id: web, channel: chat, origins: [https://shop.example], pool: main, queue: general}
  - {id: other, channel: chat, origins: [], pool: main, queue: general}
  - {id: partner, channel: webhook, secret_file: partner, pool: main, queue: general}
  - {id: second, channel: webhook, secret_file: partner, pool: main, queue: general}
  - {id: locked, channel: webhook, secret_file: missing, pool: main, queue: general}
  - {id: alien, channel: webhook, platform: alien, secret_file: partner, pool: main, queue: general}
"""


class FakeLog:
    """Appends and tells the feed, unless told that the broker is away or slow."""

    def __init__(self) -> None:
        self.feed: Feed | None = None
        self.records: list[Record] = []
        self.outgoing: list[Outgoing] = []
        self.signals: list[Outgoing] = []
        self.away = False
        self.quiet = False
        self.waiting = 0
        self.gate: asyncio.Event | None = None
        self._ends = dict.fromkeys(range(PARTITIONS), 0)

    async def send_many(self, records: Sequence[Outgoing]) -> list[Ack]:
        if self.gate is not None:
            self.waiting += 1
            await self.gate.wait()
        if self.away:
            raise Retryable("no acknowledgement; is Kafka up?")
        return [await self.append(record) for record in records]

    async def append(self, record: Outgoing) -> Ack:
        if record.topic != INTERACTIONS:
            self.signals.append(record)
            return Ack(0, 0, 0)
        partition = partition_for(record.key.encode(), PARTITIONS)
        offset = self._ends[partition]
        self._ends[partition] += 1
        self.outgoing.append(record)
        raw = Record(record.topic, partition, offset, 0, record.key.encode(), record.value, ())
        self.records.append(raw)
        if not self.quiet:
            assert self.feed is not None
            await self.feed.take([raw])
        return Ack(partition, offset, 0)

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(record.value) for record in self.outgoing]

    async def answer(self, conversation_key: str, text: str | None, **changed: Any) -> str:
        """What delivery appends when an agent has answered; the id."""
        one = Interaction(
            **{
                "id": f"out-{len(self.records)}",
                "conversation_key": conversation_key,
                "channel": "chat",
                "account": "web",
                "direction": "outbound",
                "kind": "message",
                "sender": Party(external_id="web", name="Aino"),
                "text": text,
                "received_at": "2026-11-22T14:37:57.123Z",
            }
            | changed
        )
        await self.append(Outgoing(INTERACTIONS, conversation_key, one.to_json(), None))  # type: ignore[arg-type]
        return one.id


class Talk:
    """A visitor who says exactly what they are told to."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self.welcome: dict[str, Any] = {}

    async def say(self, **frame: Any) -> None:
        await self.socket.send_json(frame)

    async def hear(self) -> dict[str, Any]:
        received = await asyncio.wait_for(self.socket.receive(), 10)
        assert received.type is WSMsgType.TEXT, f"{received} after {self.socket.close_code}"
        found: dict[str, Any] = json.loads(received.data)
        return found

    async def hear_until(self, kind: str) -> list[dict[str, Any]]:
        found = [await self.hear()]
        while found[-1]["type"] != kind:
            found.append(await self.hear())
        return found

    async def hello(self, token: Any = None, cursor: Any = None) -> dict[str, Any]:
        await self.say(type="hello", token=token, cursor=cursor)
        self.welcome = (await self.hear_until("welcome"))[-1]
        return self.welcome

    async def message(self, text: str, number: int = 0, **more: Any) -> list[dict[str, Any]]:
        await self.say(type="message", id=f"message-{number:04}", text=text, **more)
        return await self.hear_until("ack")

    async def closed(self) -> tuple[dict[str, Any] | None, int | None]:
        """What was said last, and the close code."""
        last = None
        async with asyncio.timeout(10):
            async for received in self.socket:
                last = json.loads(received.data)
        return last, self.socket.close_code


class Running:
    """A running service and everything around it."""

    def __init__(self, folder: Path, *, spooled: bool = False, **overrides: Any) -> None:
        (folder / "channels.yaml").write_text(CHANNELS)
        secrets = folder / "secrets"
        secrets.mkdir(exist_ok=True)
        (secrets / "partner").write_text(f"{SECRET}\n")
        self.settings = IngestChatSettings(
            config_dir=folder, data_dir=folder, broker="127.0.0.1:1", **overrides
        )
        self.keyring = Keyring(b"k" * 32)
        self.blobs = FolderBlobs(folder / "blobs")
        self.log = FakeLog()
        self.feed = Feed(self.settings, self.blobs, self.settings.chat_recent_messages_max)
        self.log.feed = self.feed
        self.accounts = Accounts(folder, secrets)
        clock = SystemClock()
        self.spool = Spool(
            self.settings.spool, self.log,
            bytes_max=self.settings.spool_bytes_max,
            free_bytes_min=self.settings.spool_free_bytes_min,
        )  # fmt: skip
        self._spooled = spooled
        self.intake = Intake(
            sender=self.log, blobs=self.blobs, clock=clock,
            send_timeout_ms=self.settings.chat_send_timeout_ms,
            storing_max=self.settings.hook_storing_max,
            spool=self.spool if spooled else None,
        )  # fmt: skip
        self.leaving = Leaving(self.intake, self.settings.chat_left_after_ms)
        edge = Edge(self.settings, lambda: clock.monotonic_ms() / 1000)
        house = House(
            self.settings, self.keyring, clock, edge, self.feed,
            History(self.settings, self.feed, 1000, 2), self.intake, self.leaving,
        )  # fmt: skip
        self.web = Web(house, self.accounts)
        hooks = Hooks(
            self.settings, accounts=self.accounts, intake=self.intake, keyring=self.keyring,
            clock=clock, edge=edge,
        )  # fmt: skip
        routes = [*self.web.routes(), *hooks.routes(), *Pages(self.accounts).routes()]
        self._runner = web.AppRunner(make_app(list, routes), shutdown_timeout=0.1)
        self.stop = asyncio.Event()
        self.url = ""

    async def start(self) -> None:
        self.feed.begin(dict.fromkeys(range(PARTITIONS), -1))
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.http = ClientSession(headers={"Origin": "https://shop.example"})
        running = [self.web.run(self.stop)]
        if self._spooled:
            self.spool.open()
            running.append(self.spool.run(self.stop))
        self._stopping = asyncio.gather(*running)

    async def close(self) -> None:
        self.stop.set()
        await self._stopping
        await self.leaving.close()
        await self.spool.close()
        await self.http.close()
        await self._runner.cleanup()

    @asynccontextmanager
    async def talk(self, account: str = "web", **headers: str) -> AsyncIterator[Talk]:
        where = f"{self.url}/chat/{account}/ws"
        async with self.http.ws_connect(where, headers=headers) as socket:
            yield Talk(socket)

    def key(self, number: int = -1) -> str:
        """The conversation key of a record on the log."""
        return self.log.outgoing[number].key

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
                await asyncio.sleep(0.01)
