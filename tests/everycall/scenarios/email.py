"""ingest-email: senders who keep a mail until they are told 250, and come again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from everycall import databases
from everycall.faults import PROCESS
from everycall.interactions import EXAMPLE
from everycall.sweep import Scenario, World

from vaxel_ingest_email import bootstrap
from vaxel_ingest_email.config import IngestEmailSettings
from vaxel_ingest_email.core.fields import Envelope
from vaxel_ingest_email.core.normalize import Parsed, parse
from vaxel_ingest_email.shell.receiver import Receiver
from vaxel_ingest_email.shell.seen import MIGRATIONS
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.crypto.keys import create_key
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.topics import INTERACTIONS
from vaxel_shared.service import Service

PLAIN = b"Message-ID: <%d@customer.example>\r\nSubject: Lasku\r\nFrom: m@customer.example\r\n\r\nHei\r\n"
WITH_HTML = (
    b"Message-ID: <html@customer.example>\r\nFrom: m@customer.example\r\n"
    b"Content-Type: text/html\r\n\r\n<p>Hei <b>taas</b></p>\r\n"
)
COME_AGAIN_S = 5.0


class EmailScenario(Scenario):
    """Three mails, one of them to two of our addresses."""

    name = "ingest-email"

    def __init__(self, world: World) -> None:
        self.world = world
        self.settings = IngestEmailSettings(data_dir=world.folder, config_dir=EXAMPLE)
        databases.make(self.settings, "ingest-email", MIGRATIONS)
        self.mails = [
            (PLAIN % 1, ["support@vaxel.example"]),
            (PLAIN % 2, ["support@vaxel.example", "billing@vaxel.example"]),
            (WITH_HTML, ["support@vaxel.example"]),
        ]
        self.told: dict[int, str] = {}
        """What each sender was told when it was told 250."""

    @classmethod
    def ready(cls) -> None:
        databases.empty("ingest-email", MIGRATIONS)

    def patches(self) -> ExitStack:
        stack = ExitStack()
        stack.enter_context(patch("vaxel_ingest_email.shell.seen.migrate", databases.migrated))
        return stack

    async def prepare(self) -> None:
        create_key(self.settings.secrets)

    async def build(self) -> Service:
        world = self.world

        class Parser:
            """In place of worker processes, one of which can die or hang."""

            def __init__(self, *_: Any) -> None:
                return

            async def start(self) -> None:
                return

            async def close(self) -> None:
                return

            async def parse(self, raw: bytes, envelope: Envelope, at_ms: int) -> Parsed:
                return await world.plan.call(
                    "parser", lambda: parse(raw, envelope, at_ms), _parser_died
                )

        made: list[Receiver] = []

        def receiver(*args: Any) -> Receiver:
            made.append(Receiver(*args))
            return made[0]

        with (
            patch("vaxel_ingest_email.bootstrap.ParsePool", Parser),
            patch("vaxel_ingest_email.bootstrap.Receiver", receiver),
        ):
            service = await bootstrap.build(self.settings)
        self.receiver = made[0]
        return service

    async def drive(self, _service: Service) -> None:
        await asyncio.gather(*(self._sender(number) for number in range(len(self.mails))))

    async def _sender(self, number: int) -> None:
        raw, recipients = self.mails[number]
        process = PROCESS.get()
        while number not in self.told:
            envelope = SimpleNamespace(mail_from="m@customer.example", rcpt_tos=recipients)
            hold = self.receiver.budget.hold(len(raw))
            assert hold is not None
            answer = await self.receiver.accept(raw, envelope, hold)
            if process is not None and not process.alive:
                return  # the connection broke: no answer came
            if answer.startswith("250"):
                self.told[number] = answer
            else:
                assert answer.startswith("4"), answer
                await asyncio.sleep(COME_AGAIN_S)

    def check(self) -> Iterator[str]:
        first: dict[str, dict[str, Any]] = {}
        for row in self.world.topic(INTERACTIONS):
            one = json.loads(row.value or b"")
            known = first.setdefault(one["id"], one)
            if {**known, "received_at": None} != {**one, "received_at": None}:
                yield f"{one['id']} is another the second time"
        if len(first) != 4:
            yield f"{len(first)} interactions, not 4"
        blobs = FolderBlobs(self.settings.blobs)
        for number, (raw, recipients) in enumerate(self.mails):
            ids = self.told.get(number, "").split()
            found = [one for id_, one in first.items() if any(id_ in word for word in ids)]
            if len(found) != len(recipients):
                yield f"mail {number} was taken as {ids}, found {len(found)}"
            for one in found:
                if blobs.get_now(one["raw_ref"]) != raw:
                    yield f"mail {number}: its raw bytes are others"
        if any(one["flags"].get("reused_id") for one in first.values() if one.get("flags")):
            yield "a mail that came again was taken for other words under its id"
        if self.receiver.budget.used:
            yield f"{self.receiver.budget.used} bytes of memory are still held"


def _parser_died() -> Exception:
    return Retryable("a mail's parser ended; is there memory?")
