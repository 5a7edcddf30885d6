"""ingest-chat: visitors and a provider, who keep what isn't acknowledged and say it again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from everycall.faults import PROCESS
from everycall.sweep import Scenario, World

from vaxel_ingest_chat import bootstrap
from vaxel_ingest_chat.config import IngestChatSettings
from vaxel_ingest_chat.core.cursor import Cursor
from vaxel_ingest_chat.core.protocol import Message
from vaxel_ingest_chat.core.visitor import Visitor
from vaxel_ingest_chat.shell.hooks import Hooks
from vaxel_ingest_chat.shell.intake import Intake
from vaxel_ingest_chat.shell.spool import Spool
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.channels.standard import sign
from vaxel_shared.crypto.keys import create_key
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.topics import INTERACTIONS
from vaxel_shared.service import Service

AGAIN_S = 3.0
SAID = 3
AWAY_S = 12.0
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = "main|chat|web|root"
CHANNELS = """
deployment: test
languages: [en]
default_language: en
accounts:
  - {id: web, channel: chat, origins: [], pool: main, queue: general}
  - {id: partner, channel: webhook, secret_file: partner, pool: main, queue: general}
"""
POSTED = json.dumps(
    {"type": "message.received", "data": {"sender": {"id": "u1"}, "text": "Hei! " * 15_000}}
).encode()
"""Too long for the topic: it stands there by reference."""


class ChatScenario(Scenario):
    """A visitor's two messages, in order, and one webhook."""

    name = "ingest-chat"

    def __init__(self, world: World) -> None:
        self.world = world
        self.settings = IngestChatSettings(data_dir=world.folder, config_dir=world.folder)
        self.taken: set[str] = set()

    async def prepare(self) -> None:
        create_key(self.settings.secrets)
        (self.world.folder / "channels.yaml").write_text(CHANNELS)
        (self.settings.secrets / "partner").write_text(f"{SECRET}\n")

    async def build(self) -> Service:
        made: list[Any] = []

        def kept(cls: type) -> Callable[..., Any]:
            def make(*args: Any, **named: Any) -> Any:
                made.append(cls(*args, **named))
                return made[-1]

            return make

        with (
            patch("vaxel_ingest_chat.bootstrap.Intake", kept(Intake)),
            patch("vaxel_ingest_chat.bootstrap.Hooks", kept(Hooks)),
            patch("vaxel_ingest_chat.bootstrap.Spool", kept(Spool)),
        ):
            service = await bootstrap.build(self.settings)
        self.spool, self.intake, self.hooks = made
        return service

    async def drive(self, _service: Service) -> None:
        await asyncio.gather(self._visitor(), self._provider())
        await self.world.until(
            lambda: len({row.value for row in self.world.topic(INTERACTIONS)}) >= SAID
        )
        await self.world.until(lambda: not self.spool.busy)

    async def _visitor(self) -> None:
        visitor = Visitor("web", "a" * 32, "b" * 32, Cursor(0, -1), 0)
        for number in range(2):
            said = Message(f"message-{number:04}", f"Hei {number}")
            await self._again(
                said.client_id, lambda said=said: self.intake.message(visitor, said, KEY)
            )

    async def _provider(self) -> None:
        await self._again("hook", self._post)

    async def _again(self, name: str, say: Callable[[], Awaitable[Any]]) -> None:
        """As a widget or a provider does: until it is acknowledged."""
        process = PROCESS.get()
        while name not in self.taken:
            try:
                await say()
            except Retryable:
                await asyncio.sleep(AGAIN_S)
            else:
                if process is not None and not process.alive:
                    return  # nobody was told
                self.taken.add(name)

    async def _post(self) -> None:
        seconds = self.world.loop.wall_ms() // 1000
        headers = {
            "Content-Type": "application/json", "Webhook-Id": "m1",
            "Webhook-Timestamp": str(seconds),
            "Webhook-Signature": sign(SECRET, "m1", seconds, POSTED),
        }  # fmt: skip
        hook = self.hooks._accounts.hook("partner")
        assert hook is not None
        assert hook.platform is not None
        request: Any = SimpleNamespace(method="POST", headers=headers, raw_path="/hooks/partner")
        got = self.hooks._receive(request, POSTED, hook, hook.platform)
        answer = await self.hooks._take(POSTED, hook, hook.platform.manifest, got)
        if answer.status >= 500:
            raise Retryable("later")
        assert answer.status < 300, answer

    def check(self) -> Iterator[str]:
        first: dict[str, dict[str, Any]] = {}
        for row in self.world.topic(INTERACTIONS):
            one = json.loads(row.value or b"")
            known = first.setdefault(one["id"], one)
            if {**known, "received_at": None} != {**one, "received_at": None}:
                yield f"{one['id']} is another the second time"
        said = [one["text"] for one in first.values() if one["channel"] == "chat"]
        if said != ["Hei 0", "Hei 1"]:
            yield f"the visitor's messages: {said}"
        posted = [one for one in first.values() if one["channel"] != "chat"]
        if len(posted) != 1:
            yield f"{len(posted)} interactions of one webhook"
        blobs = FolderBlobs(self.settings.blobs)
        for one in posted:
            if b"Hei! " not in blobs.get_now(one["text_ref"]):
                yield "the webhook's text is another"


class SpoolScenario(ChatScenario):
    """The same while the broker takes nothing: the spool keeps it, and sends it in order later."""

    name = "ingest-chat, broker away"

    async def prepare(self) -> None:
        await super().prepare()
        self.world.kafka.refuses_until_s = AWAY_S
