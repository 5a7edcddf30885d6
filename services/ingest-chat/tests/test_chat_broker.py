"""On a real Kafka: what a visitor missed is read from the log, over kills and restarts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from chat_kit import CHANNELS, SECRET, Talk

from vaxel_ingest_chat.bootstrap import build
from vaxel_ingest_chat.config import IngestChatSettings
from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.contracts.interaction import INTERACTION_TYPE, Interaction, Party
from vaxel_shared.crypto.keys import create_key
from vaxel_shared.http.app import make_app
from vaxel_shared.kafka import topics
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.topic_reader import Record, TopicReader
from vaxel_shared.service import Service
from vaxel_shared.settings import Settings

pytestmark = pytest.mark.broker


class Process:
    """The service as its runner runs it; ``kill`` drains nothing."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._stop = asyncio.Event()
        self._tasks = [asyncio.ensure_future(task(self._stop)) for task in service.tasks.values()]
        app = make_app(service.not_ready, service.routes)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        self.url = ""

    @classmethod
    async def start(cls, settings: IngestChatSettings) -> Process:
        process = cls(await build(settings))
        await process._runner.setup()
        await web.TCPSite(process._runner, "127.0.0.1", 0).start()
        process.url = f"http://127.0.0.1:{process._runner.addresses[0][1]}"
        async with asyncio.timeout(30):
            while process._service.not_ready():  # noqa: ASYNC110 - readiness tells nobody
                await asyncio.sleep(0.02)
        return process

    async def kill(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._close()

    async def stop(self) -> None:
        self._stop.set()
        async with asyncio.timeout(20):
            await asyncio.gather(*self._tasks)
        await self._close()

    async def _close(self) -> None:
        await self._runner.cleanup()
        for close in self._service.closers:
            await close()


@pytest.fixture
async def chat_settings(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> IngestChatSettings:
    (tmp_path / "channels.yaml").write_text(CHANNELS)
    common = make_settings(config_dir=tmp_path)
    create_key(common.secrets)
    (common.secrets / "partner").write_text(SECRET)
    await topics.apply(common, local=True)
    return IngestChatSettings(
        **common.model_dump(), chat_recent_messages_max=0, chat_history_records_max=100
    )


async def talking(
    process: Process, token: str | None, cursor: str | None, *texts: str, first: int = 0
) -> tuple[list[dict[str, Any]], str, str]:
    """Come, hear what was missed, say something, go; (messages, token, cursor)."""
    async with (
        ClientSession() as http,
        http.ws_connect(f"{process.url}/chat/web/ws", origin="https://shop.example") as socket,
    ):
        talk = Talk(socket)
        found = await talk.hello(token, cursor)
        heard, token = list(found["messages"]), found.get("token", token)
        while found["more"]:
            found = (await talk.hear_until("history"))[-1]
            heard += found["messages"]
        cursor = found["cursor"]
        for number, text in enumerate(texts, first):
            frames = await talk.message(text, number)
            heard += [frame for frame in frames if frame["type"] == "message"]
        while [one["text"] for one in heard].count(texts[-1] if texts else "") < bool(texts):
            frame = await talk.hear()
            heard += [frame] if frame["type"] == "message" else []
        cursor = heard[-1]["cursor"] if texts else cursor
        assert token is not None
        return heard, token, cursor


async def answer(settings: Settings, key: str, count: int, name: str = "answer") -> None:
    """What delivery appends when agents answer."""
    producer = await Producer.start(settings, "vaxel/test")
    for number in range(count):
        one = Interaction(
            id=f"{name}-{number}", conversation_key=key, channel="chat", account="web",
            direction="outbound", kind="message", sender=Party(external_id="web"),
            text=f"{name} {number}", received_at="2026-11-22T14:37:57.123Z",
        )  # fmt: skip
        event = Event(one.id, INTERACTION_TYPE, "vaxel/test", 1_000)
        await producer.send(topics.INTERACTIONS, key, one.to_json(), event)
    await producer.close()


async def on_the_log(settings: Settings, count: int) -> list[Record]:
    reader = TopicReader(settings, topics.INTERACTIONS, {}, cold_start="genesis")
    await reader.start()
    found: list[Record] = []
    try:
        async with asyncio.timeout(30):
            while len(found) < count:
                found += await reader.poll()
    finally:
        await reader.close()
    return found


async def test_a_conversation_goes_on_over_kills_without_loss_or_repeat(
    chat_settings: IngestChatSettings,
) -> None:
    process = await Process.start(chat_settings)
    heard, token, cursor = await talking(process, None, None, "one", "two")
    assert [one["text"] for one in heard] == ["one", "two"]
    await process.kill()
    key = (await on_the_log(chat_settings, 2))[0].key.decode()  # type: ignore[union-attr]
    await answer(chat_settings, key, 3)  # while nobody is up

    process = await Process.start(chat_settings)
    missed, token, later = await talking(process, token, cursor)
    assert [one["text"] for one in missed] == ["answer 0", "answer 1", "answer 2"]
    whole, token, _ = await talking(process, token, None)
    assert [one["text"] for one in whole] == ["one", "two", "answer 0", "answer 1", "answer 2"]
    assert len({one["id"] for one in whole}) == 5
    # The widget never saw the second acknowledgement and says it again, to a process that never
    # heard of it.
    heard, token, last = await talking(process, token, later, "two", first=1)
    assert heard[-1]["id"] == whole[1]["id"]
    nothing, token, _ = await talking(process, token, last)
    assert nothing == []
    await process.stop()


async def test_whoever_was_long_away_gets_everything_in_parts(
    chat_settings: IngestChatSettings,
) -> None:
    process = await Process.start(chat_settings)
    _, token, cursor = await talking(process, None, None, "one")
    key = (await on_the_log(chat_settings, 1))[0].key.decode()  # type: ignore[union-attr]
    await answer(chat_settings, key, 250)
    await process.stop()
    process = await Process.start(chat_settings)
    missed, _, _ = await talking(process, token, cursor)
    assert [one["text"] for one in missed] == [f"answer {number}" for number in range(250)]
    await process.stop()


async def test_an_answer_is_pushed_to_whoever_is_there(chat_settings: IngestChatSettings) -> None:
    process = await Process.start(chat_settings)
    async with (
        ClientSession() as http,
        http.ws_connect(f"{process.url}/chat/web/ws", origin="https://shop.example") as socket,
    ):
        talk = Talk(socket)
        await talk.hello()
        await talk.message("one")
        record = (await on_the_log(chat_settings, 1))[0]
        assert json.loads(record.value)["text"] == "one"
        await answer(chat_settings, record.key.decode(), 1)  # type: ignore[union-attr]
        while (frame := await talk.hear()).get("from") != "us":
            continue
        assert frame["text"] == "answer 0"
    await process.stop()
