"""register: four topics followed into SQL, a command asked for until it is answered."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

from everycall import databases
from everycall.chained import Decider, name_log, parked
from everycall.faults import PROCESS
from everycall.sweep import Scenario, World

sys.path.insert(0, str(Path(__file__).parents[3] / "services/register/tests"))
import register_kit as kit

from vaxel_register import bootstrap
from vaxel_register.config import RegisterSettings
from vaxel_register.shell.commander import Asked, Commander
from vaxel_shared.contracts.commands import Actor, Command
from vaxel_shared.crypto.keys import create_key
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.topics import DECISIONS, INTERACTIONS, SLA, WORK
from vaxel_shared.service import Service

ROWS = {"cases": 1, "offers": 1, "works": 1, "agents": 2}


class RegisterScenario(Scenario):
    """A mail, its case, an offer accepted through the API; what can't be read on two topics."""

    name = "register"

    def __init__(self, world: World) -> None:
        self.world = world
        self.settings = RegisterSettings(data_dir=world.folder)
        databases.make(self.settings, "register", bootstrap.MIGRATIONS)
        self.fed = self.answered = False
        self.decisions: list[dict[str, Any]] = []

    @classmethod
    def ready(cls) -> None:
        databases.empty("register", bootstrap.MIGRATIONS)

    def patches(self) -> ExitStack:
        stack = ExitStack()
        stack.enter_context(patch("vaxel_register.bootstrap.migrate", databases.migrated))
        return stack

    async def prepare(self) -> None:
        create_key(self.settings.secrets)
        name_log(self.world.kafka)
        self.decider = Decider(self.world.kafka)

    async def build(self) -> Service:
        made: list[Commander] = []

        def commander(**parts: Any) -> Commander:
            made.append(Commander(**parts))
            return made[0]

        with patch("vaxel_register.bootstrap.Commander", commander):
            service = await bootstrap.build(self.settings)
        self.commander = made[0]
        return service

    def _feed(self) -> None:
        kafka = self.world.kafka
        for value in (kit.interaction().to_json(), b"{]"):
            kafka.append(INTERACTIONS, 0, kit.KEY.encode(), value)
        kafka.append(SLA, 0, b"x", b"[]")
        self.decider.decide(kit.agent("anna"), kit.agent("ben"), kit.opened(), kit.queued())
        self.decider.decide(kit.offered())

    async def drive(self, service: Service) -> None:
        # A register that never saw the topics may be given a log that has records already.
        await self.world.until(lambda: not service.not_ready())
        if not self.fed:
            self.fed = True
            self._feed()
        router = asyncio.ensure_future(self._router())
        try:
            await self._agent()
        finally:
            router.cancel()
        await self.world.until(lambda: len(parked(self.world.kafka)) == 2)
        await self.world.until(lambda: self._count("deadletters") == 2)
        await self.world.until(lambda: not service.not_ready())

    async def _router(self) -> None:
        """Answers the command once, however often it comes."""
        PROCESS.set(None)
        while True:
            if self.world.topic(WORK) and not self.answered:
                self.answered = True
                self.decider.decide(*kit.accepted(cause="accept-1"))
            await asyncio.sleep(0.05)

    async def _agent(self) -> None:
        """Asks with the same key until there is an answer."""
        command = Command(
            id="accept-1", type="offer.accept", pool=kit.POOL, via="api", case_id=kit.CASE,
            actor=Actor(kind="agent", id="anna"), agent_id="anna", token="1.0",
            data={"offer_id": kit.OFFER},
        )  # fmt: skip
        process = PROCESS.get()
        while process is None or process.alive:
            try:
                await self.commander.keep_text("note", "Soitan takaisin")
                found = await self.commander.submit(command, Asked("key-1", "0" * 64))
            except Retryable:
                await asyncio.sleep(1)
                continue
            if found:
                self.decisions = found
                return

    def _count(self, table: str) -> int:
        with sqlite3.connect(self.settings.data_dir / "register.db") as connection:
            return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def check(self) -> Iterator[str]:
        commands = [json.loads(row.value or b"") for row in self.world.topic(WORK)]
        if {one["id"] for one in commands} != {"accept-1"}:
            yield f"commands: {commands}"
        if any(one != commands[0] for one in commands):
            yield "the command said otherwise the second time"
        if [row["type"] for row in self.decisions] != ["offer.ended", "work.assigned"]:
            yield f"answered with {self.decisions}"
        for table, rows in ROWS.items():
            if self._count(table) != rows:
                yield f"{table}: {self._count(table)} rows, not {rows}"
        letters = sorted(one["topic"] for one in parked(self.world.kafka).values())
        if letters != sorted([INTERACTIONS, SLA]):
            yield f"parked: {letters}"
        with sqlite3.connect(self.settings.data_dir / "register.db") as connection:
            rows = connection.execute("SELECT topic, partition, offset FROM cursors").fetchall()
        for topic, partition, offset in rows:
            ends = len(self.world.kafka.logs[(topic, partition)]) - 1
            if topic in {DECISIONS, INTERACTIONS, SLA} and offset != ends:
                yield f"the cursor of {topic} {partition} is {offset}, the log ends with {ends}"
