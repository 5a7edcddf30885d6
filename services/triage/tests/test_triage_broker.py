"""Triage on a real Kafka: what comes in goes out once by id, poison is parked, a restart goes on."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vaxel_shared.contracts.cloudevents import Event, header
from vaxel_shared.contracts.interaction import INTERACTION_TYPE, Interaction
from vaxel_shared.crypto.keys import create_key
from vaxel_shared.kafka import topics
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.topic_reader import Record, TopicReader
from vaxel_shared.obs import tracing
from vaxel_shared.service import Service
from vaxel_shared.settings import Settings
from vaxel_triage.bootstrap import build
from vaxel_triage.config import TriageSettings

pytestmark = pytest.mark.broker

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Running:
    """Triage's tasks, as the service runner runs them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._stop = asyncio.Event()
        self._tasks = [asyncio.ensure_future(task(self._stop)) for task in service.tasks.values()]

    async def stop(self) -> None:
        """As SIGTERM does."""
        self._stop.set()
        async with asyncio.timeout(20):
            await asyncio.gather(*self._tasks)
        await self._close()

    async def kill(self) -> None:
        """No draining: whatever was under way stays undone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._close()

    async def _close(self) -> None:
        for close in reversed(self._service.closers):
            await close()


@pytest.fixture
async def settings(
    make_settings: Callable[..., Settings], folder: Path, tmp_path: Path
) -> TriageSettings:
    common = make_settings(config_dir=folder, data_dir=tmp_path)
    create_key(common.secrets)
    await topics.apply(common, local=True)
    return TriageSettings(**common.model_dump())


async def send(
    settings: Settings, values: list[tuple[str, bytes]], trace: str | None = None
) -> None:
    """Put records on vaxel.interactions, all on partition 1, in order."""
    producer = await Producer.start(settings, "vaxel/test")
    for name, value in values:
        event = Event(name, INTERACTION_TYPE, "vaxel/test", 1_000, traceparent=trace)
        await producer.send(topics.INTERACTIONS, "key", value, event, partition=1)
    await producer.close()


async def read(
    settings: Settings, topic: str, until: Callable[[list[Record]], bool]
) -> list[Record]:
    """The topic's records from its start until enough of them are there."""
    reader = TopicReader(settings, topic, {}, cold_start="genesis")
    await reader.start()
    found: list[Record] = []
    try:
        async with asyncio.timeout(40):
            while not until(found):
                found += await reader.poll()
    finally:
        await reader.close()
    return found


def ids(records: list[Record]) -> list[str | None]:
    return [header(record.headers, "ce_id") for record in records]


async def test_what_comes_in_goes_out_in_order_and_poison_is_parked(
    settings: TriageSettings, message: Callable[..., Interaction]
) -> None:
    values = [(f"m{n}", message(id=f"m{n}").to_json()) for n in range(8)]
    values[3] = ("m3", b"this is no interaction")
    values[5] = ("m5", message(id="m5", direction="outbound").to_json())
    await send(settings, values, TRACE)
    running = Running(await build(settings))
    expected = ["m0", "m1", "m2", "m4", "m6", "m7"]
    sent = await read(settings, topics.WORK, lambda found: len(found) >= len(expected))
    (letter,) = await read(settings, topics.DEADLETTERS, lambda found: len(found) >= 1)
    await running.stop()
    assert ids(sent) == expected
    assert [json.loads(record.value)["data"]["src"] for record in sent] == [
        [1, offset] for offset in (0, 1, 2, 4, 6, 7)
    ]
    assert {record.key for record in sent} == {b"care"}
    places = [header(record.headers, "traceparent") for record in sent]
    assert places == [tracing.contact(name, "triage").traceparent for name in expected]
    parked: dict[str, Any] = json.loads(letter.value)
    assert base64.b64decode(parked["value_b64"]) == b"this is no interaction"
    assert (parked["service"], parked["offset"], parked["reason"]) == ("triage", 3, "undecodable")


async def test_a_restart_goes_on_where_it_stopped(
    settings: TriageSettings, message: Callable[..., Interaction]
) -> None:
    first = await _handled(settings, message, range(5), count=5)
    await first.stop()
    second = await _handled(settings, message, range(5, 10), count=10)
    await second.stop()
    sent = await read(settings, topics.WORK, lambda found: len(found) >= 10)
    assert ids(sent) == [f"m{n}" for n in range(10)]


async def test_a_kill_in_the_middle_loses_no_contact_and_repeats_only_ids_and_bytes(
    settings: TriageSettings, message: Callable[..., Interaction]
) -> None:
    values = [(f"m{n}", message(id=f"m{n}").to_json()) for n in range(600)]
    await send(settings, values)
    wanted = {name for name, _ in values}
    for handled in (1, 201):
        running = Running(await build(settings))
        await read(settings, topics.WORK, lambda found, least=handled: len({*ids(found)}) >= least)
        await running.kill()
    last = Running(await build(settings))
    sent = await read(settings, topics.WORK, lambda found: {*ids(found)} >= wanted)
    await last.stop()
    assert {*ids(sent)} == wanted
    contents: dict[str | None, set[bytes]] = {}
    for name, record in zip(ids(sent), sent, strict=True):
        contents.setdefault(name, set()).add(record.value)
    assert all(len(values) == 1 for values in contents.values())
    firsts = list(dict.fromkeys(ids(sent)))
    assert firsts == [name for name, _ in values]


async def _handled(
    settings: TriageSettings, message: Callable[..., Interaction], numbers: range, count: int
) -> Running:
    """Send so many more and run until ``count`` commands are there."""
    await send(settings, [(f"m{n}", message(id=f"m{n}").to_json()) for n in numbers])
    running = Running(await build(settings))
    await read(settings, topics.WORK, lambda found: len(found) >= count)
    return running
