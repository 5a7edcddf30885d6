"""The whole register on a real Kafka: topics in, API out, commands on the log, restarts."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from register_kit import (
    CASE,
    NUMBER,
    OFFER,
    START_MS,
    accepted,
    agent,
    decision,
    interaction,
    offered,
    opened,
    queued,
)

from vaxel_register.bootstrap import build
from vaxel_register.config import RegisterSettings
from vaxel_shared.contracts import wire
from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.contracts.interaction import INTERACTION_TYPE
from vaxel_shared.crypto.keys import Keyring, create_key
from vaxel_shared.crypto.tokens import api_token
from vaxel_shared.errors import Fatal
from vaxel_shared.http.app import make_app
from vaxel_shared.kafka import chain, topics
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.topic_reader import TopicReader
from vaxel_shared.settings import Settings

pytestmark = pytest.mark.broker
EVENT = Event(id="x", type="x", source="test", time_ms=START_MS)


class Scribe:
    """Writes partition 0 of the decisions as the router does, and interactions."""

    def __init__(self, producer: Producer, log_id: str) -> None:
        self.producer = producer
        self.log_id = log_id
        self.seq = -1
        self.prev = chain.genesis_sha256(log_id, 0)

    async def decide(self, *decisions: wire.Decision, valid: bool = True) -> None:
        body = wire.encode(wire.Batch(engine="test", wall_ms=START_MS, decisions=list(decisions)))
        prev = self.prev if valid else bytes(32)
        header = chain.Header(self.log_id, self.seq + 1, prev, 0, -1, chain.NO_INPUT_SHA256)
        raw = chain.pack(header, body)
        await self.producer.send(topics.DECISIONS, "0", raw, EVENT, partition=0)
        if valid:
            self.seq, self.prev = self.seq + 1, hashlib.sha256(raw).digest()

    async def receive(self, raw: bytes) -> None:
        event = Event(id="i", type=INTERACTION_TYPE, source="test", time_ms=START_MS)
        await self.producer.send(topics.INTERACTIONS, "conversation", raw, event)


class Running:
    """A register that runs in this process."""

    def __init__(self, client: TestClient[Any, Any], keyring: Keyring) -> None:
        self.client = client
        self.keyring = keyring

    async def ask(self, method: str, path: str, role: str, sub: str, **kwargs: Any) -> Any:
        token = api_token(self.keyring, role, sub)
        headers = {"Authorization": f"Bearer {token}"} | kwargs.pop("headers", {})
        response = await self.client.request(method, path, headers=headers, **kwargs)
        return response.status, await response.json(content_type=None)

    async def until(self, path: str, true: Callable[[Any], Any]) -> Any:
        """What the supervisor sees once it is as wanted."""
        async with asyncio.timeout(20):
            while True:
                status, body = await self.ask("GET", path, "supervisor", "sup")
                if status == 200 and true(body):
                    return body
                await asyncio.sleep(0.05)


@asynccontextmanager
async def running(settings: RegisterSettings) -> AsyncIterator[Running]:
    """The service as ``service.run`` would run it."""
    create_key(settings.secrets)
    service = await build(settings)
    stop = asyncio.Event()
    tasks = [asyncio.ensure_future(task(stop)) for task in service.tasks.values()]
    client: TestClient[Any, Any] = TestClient(
        TestServer(make_app(service.not_ready, service.routes))
    )
    await client.start_server()
    try:
        yield Running(client, Keyring.load(settings.secrets))
    finally:
        stop.set()
        await client.close()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        for close in reversed(service.closers):
            await close()
    for error in ended:
        if isinstance(error, BaseException):
            raise error


@pytest.fixture
def register_settings(settings: Settings, tmp_path: Path) -> Callable[..., RegisterSettings]:
    """Settings of a register on this test's topics."""

    def make(**overrides: Any) -> RegisterSettings:
        shared = {"broker": settings.broker, "topic_prefix": settings.topic_prefix}
        return RegisterSettings(**(shared | {"data_dir": tmp_path} | overrides))

    return make


@pytest.fixture
async def scribe(settings: Settings) -> AsyncIterator[Scribe]:
    """The topics, and somebody who writes on them."""
    await topics.apply(settings, local=True)
    producer = await Producer.start(settings, "test")
    yield Scribe(producer, await topics.read_log_id(settings))
    await producer.close()


async def test_topics_in_api_out_and_everything_is_still_there_after_a_restart(
    scribe: Scribe, register_settings: Callable[..., RegisterSettings]
) -> None:
    await scribe.decide(agent("anna"), agent("ben"))
    await scribe.decide(opened(queue="forged"), valid=False)
    await scribe.decide(opened(), queued(), offered())
    await scribe.receive(interaction().to_json())
    await scribe.receive(b"not an interaction")
    path = f"/api/v1/cases/{NUMBER}"

    async with running(register_settings(cold_start="genesis")) as register:
        case = await register.until(path, lambda body: body["subject"])
        assert [entry["type"] for entry in case["timeline"]] == [
            "message", "case.opened", "work.queued", "offer.made",
        ]  # fmt: skip
        assert case["queue"] == "billing"
        letters = await register.until("/api/v1/deadletters", lambda body: body["items"])
        assert [item["reason"] for item in letters["items"]] == ["not_an_interaction"]
        await register.until("/readyz", lambda _body: True)

        await scribe.decide(*accepted())
        taken = await register.until(path, lambda body: body["agent"] == "anna")

    async with running(register_settings()) as register:  # no cold start: the cursors are there
        again = await register.until(path, lambda _body: True)
        assert again == taken
        await scribe.decide(decision("case.resolved", START_MS + 9, case_id=CASE))
        await register.until(path, lambda body: body["status"] == "resolved")


async def test_a_write_puts_one_command_on_the_log_and_answers_with_its_decision(
    scribe: Scribe, settings: Settings, register_settings: Callable[..., RegisterSettings]
) -> None:
    await scribe.decide(agent("anna"))
    await scribe.decide(opened(), queued(), offered())

    async def router() -> wire.Command:
        reader = TopicReader(settings, topics.WORK, {}, cold_start="genesis")
        await reader.start()
        while not (records := await reader.poll()):
            pass
        await reader.close()
        command = wire.decode_command(records[0].value)
        await scribe.decide(*accepted(cause=command.id))
        return command

    async with running(register_settings(cold_start="genesis")) as register:
        await register.until("/api/v1/agents/anna/inbox", lambda body: body["offers"])
        await register.until("/readyz", lambda _body: True)
        routing = asyncio.ensure_future(router())
        path = f"/api/v1/offers/{OFFER}/accept"
        status, body = await register.ask("POST", path, "agent", "anna", json={})
        command = await routing
        if status == 202:  # a slow machine: the answer stands where Location says
            where = f"/api/v1/commands/{command.id}"
            body = await register.until(where, lambda told: told["status"] != "pending")
        assert body["command_id"] == command.id
        assert [item["type"] for item in body["decisions"]] == ["offer.ended", "work.assigned"]
        assert (command.type, command.token, command.actor.id) == ("offer.accept", "1.2", "anna")

        again = await register.ask("POST", path, "agent", "anna", json={})
        assert again == (200, body)


async def test_a_database_without_cursors_does_not_begin_anywhere_unasked(
    scribe: Scribe, register_settings: Callable[..., RegisterSettings]
) -> None:
    await scribe.decide(opened())
    settings = register_settings()
    create_key(settings.secrets)
    service = await build(settings)
    with pytest.raises(Fatal, match="VAXEL_COLD_START=genesis"):
        await service.tasks[topics.DECISIONS](asyncio.Event())
    assert f"{topics.DECISIONS} isn't read to its end yet" in service.not_ready()
    for close in reversed(service.closers):
        await close()


async def test_without_a_broker_the_api_answers_and_says_what_it_cannot_do(
    tmp_path: Path,
) -> None:
    nowhere = RegisterSettings(broker="127.0.0.1:1", data_dir=tmp_path, cold_start="genesis")
    async with running(nowhere) as register:
        assert (await register.ask("GET", "/api/v1/cases", "admin", "root"))[0] == 200
        ready = await (await register.client.get("/readyz")).json()
        assert any("wasn't reached" in reason for reason in ready["reasons"])
