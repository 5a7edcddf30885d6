"""Triage: a group's consumer, commands out in order, one record that can't be read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from functools import cache
from typing import Any
from unittest.mock import patch

from everycall.chained import parked
from everycall.interactions import EXAMPLE, mail
from everycall.sweep import Scenario, World

from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.crypto.keys import create_key
from vaxel_shared.kafka.topics import INTERACTIONS, WORK, partition_for
from vaxel_shared.service import Service
from vaxel_triage import bootstrap
from vaxel_triage.config import TriageSettings
from vaxel_triage.shell.deployment import load_view
from vaxel_triage.shell.detector import load_model

_model = cache(load_model)
_view = cache(load_view)


class TriageScenario(Scenario):
    """Two conversations; the second message of the first has a text too long for the topic."""

    name = "triage"

    def __init__(self, world: World) -> None:
        self.world = world
        self.settings = TriageSettings(data_dir=world.folder, config_dir=EXAMPLE)
        self.expected: list[str] = []

    async def prepare(self) -> None:
        create_key(self.settings.secrets)
        ref = FolderBlobs(self.settings.blobs).put_now("text", b"A long story about an invoice")
        sent = [
            mail("one", "a"), mail("two", "a", text=None, text_ref=ref), None, mail("three", "a"),
            mail("four", "b"), mail("five", "b"),
        ]  # fmt: skip
        for one in sent:
            key = one.conversation_key if one is not None else "support|email|support|a"
            value = one.to_json() if one is not None else b"{]"
            part = partition_for(key.encode(), 4)
            self.world.kafka.append(INTERACTIONS, part, key.encode(), value)
        self.expected = [one.id for one in sent if one is not None]

    async def build(self) -> Service:
        with (
            patch("vaxel_triage.bootstrap.load_model", _model),
            patch("vaxel_triage.shell.deployment.load_view", _view),
        ):
            return await bootstrap.build(self.settings)

    async def drive(self, _service: Service) -> None:
        ends = {
            (INTERACTIONS, part): len(self.world.kafka.logs[(INTERACTIONS, part)])
            for part in range(4)
        }

        def done() -> bool:
            placed = self.world.kafka.groups["triage"]
            at = {(tp.topic, tp.partition): offset for tp, (offset, _) in placed.items()}
            return all(at.get(place, 0) == end for place, end in ends.items())

        await self.world.until(done)
        await asyncio.sleep(1)  # a place that moved too early is no end

    def check(self) -> Iterator[str]:
        first: dict[str, dict[str, Any]] = {}
        for row in self.world.topic(WORK):
            command = json.loads(row.value or b"")
            known = first.setdefault(command["id"], command)
            if {**known, "data": None} != {**command, "data": None}:
                yield f"{command['id']} said otherwise the second time"
        for conversation in (["one", "two", "three"], ["four", "five"]):
            order = [id_ for id_ in first if id_ in conversation]
            if order != conversation:
                yield f"commands: {order}, not {conversation}"
        if set(first) != set(self.expected):
            yield f"commands for {sorted(first)}"
        letters = list(parked(self.world.kafka).values())
        if [one["reason"] for one in letters] != ["undecodable"]:
            yield f"parked: {[one['reason'] for one in letters]}"
