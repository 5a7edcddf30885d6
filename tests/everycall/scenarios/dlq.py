"""``vaxel dlq replay --all``: asked again until it is through, killed in the middle, asked once more."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

from everycall.sweep import Scenario, World

from vaxel_cli.commands import letters
from vaxel_cli.commands.letters import REPLAY_HEADER
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.deadletters import dead_letter
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.kafka.topics import DEADLETTERS, INTERACTIONS, WORK
from vaxel_shared.service import Service
from vaxel_shared.settings import Settings

PLACES = ((INTERACTIONS, 1), (INTERACTIONS, 1), (WORK, 0))


class DlqScenario(Scenario):
    """Three dead letters of two topics, one of them parked twice."""

    name = "vaxel dlq replay"

    def __init__(self, world: World) -> None:
        self.world = world
        self.settings = Settings(data_dir=world.folder)
        self.ids: list[str] = []
        self.again: list[str] = []

    async def prepare(self) -> None:
        for number, (topic, partition) in enumerate(PLACES):
            headers = (("ce_id", f"id-{number}".encode()),)
            row = self.world.kafka.append(topic, partition, b"key", b"{]%d" % number, headers)
            record = Record(
                topic, partition, row.offset, 1_000 + number, row.key, row.value or b"", headers
            )
            letter = dead_letter(record, service="triage", error_class="poison", reason="bad")
            for _ in range(2 if number == 0 else 1):
                self.world.kafka.append(DEADLETTERS, 0, b"key", letter.to_json())
            self.ids.append(letter.id)

    async def build(self) -> Service:
        return Service("dlq", self.settings)

    async def drive(self, _service: Service) -> None:
        await self._ask()
        self.again = [one["done"] for one in await self._ask()]

    async def _ask(self) -> list[dict[str, str]]:
        """A person who asks again when the command says that it couldn't."""
        while True:
            try:
                found = await letters.read(self.settings)
                return await letters.replay(self.settings, found, lambda: None)
            except Retryable:
                await asyncio.sleep(1)

    def check(self) -> Iterator[str]:
        copies: Counter[str] = Counter()
        for topic, number in ((INTERACTIONS, 2), (WORK, 1)):
            rows = self.world.topic(topic)
            for row in rows:
                headers = dict(row.headers)
                if REPLAY_HEADER not in headers:
                    continue
                copies[headers[REPLAY_HEADER].decode()] += 1
                originals = {one.value: dict(one.headers) for one in rows[:number]}
                if row.value not in originals or originals[row.value]["ce_id"] != headers["ce_id"]:
                    yield f"a copy is another: {row}"
        if copies != Counter(self.ids):
            yield f"copies: {dict(copies)}"
        if self.again != ["already"] * len(PLACES):
            yield f"asked again it said {self.again}"
