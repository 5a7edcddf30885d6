"""The whole service on a real broker: decisions in, mail out, what came of it back."""

import asyncio
import base64
import hashlib
import json
import os
import sys
import textwrap
import time

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiosmtpd.controller import Controller
from delivery_kit import (
    CHANNELS,
    CHAT,
    CONNECTORS,
    DIRECTORY,
    NUMBER,
    case_opened,
    case_replied,
    chat_message,
    in_chat,
    interaction,
    notice_due,
    offer_ended,
    offer_made,
    roster_adopted,
    work_queued,
)
from msgspec import structs

from vaxel_delivery.core.mime import mailbox
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.channels.platform import Request
from vaxel_shared.channels.standard import sign, verify
from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.contracts.wire import Batch
from vaxel_shared.crypto.keys import create_key
from vaxel_shared.ids import event_id
from vaxel_shared.kafka import chain, topics
from vaxel_shared.kafka.log import KafkaPartitionLog
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.topic_reader import TopicReader
from vaxel_shared.kafka.writer import ChainWriter

pytestmark = pytest.mark.broker


class Inbox:
    def __init__(self):
        self.mails = []

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        self.mails.append((envelope.mail_from, envelope.rcpt_tos[0], envelope.content.decode()))
        return "250 OK"


class Router:
    """Writes decisions as the router would, without folding any input."""

    def __init__(self, settings, log_id):
        log = KafkaPartitionLog(settings, topics.DECISIONS, 0)
        self._writer = ChainWriter(log, log_id=log_id, partition=0, instance="t", run_id="t")
        self._log_id = log_id

    async def start(self):
        await self._writer.restore(lambda _record: None, chain.genesis(self._log_id, 0))
        await self._writer.claim("test", 0)

    async def decide(self, *decisions):
        at = self._writer.position
        batch = Batch(engine="test", wall_ms=0, decisions=list(decisions))
        confirmed = await self._writer.append(
            batch, from_=at.through + 1, through=at.through, through_sha256=at.through_sha256
        )
        return confirmed.seq

    async def close(self):
        await self._writer.close()


class Process:
    """``python -m vaxel_delivery`` with the environment of ``settings``."""

    running = []

    def __init__(self, settings, cold_start="halt"):
        self._env = {
            **os.environ,
            "VAXEL_BROKER": settings.broker,
            "VAXEL_TOPIC_PREFIX": settings.topic_prefix,
            "VAXEL_DATA_DIR": str(settings.data_dir),
            "VAXEL_CONFIG_DIR": str(settings.config_dir),
            "VAXEL_PORT_OFFSET": str(settings.port_offset),
            "VAXEL_COLD_START": cold_start,
        }
        self._url = settings.url("delivery")

    async def start(self):
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "vaxel_delivery", env=self._env, stdout=asyncio.subprocess.PIPE
        )
        self.lines = []
        Process.running.append(self.process)
        self._reading = asyncio.ensure_future(self._read())

    async def _read(self):
        async for line in self.process.stdout:
            self.lines.append(line.decode())

    async def ready(self):
        async with aiohttp.ClientSession() as session, asyncio.timeout(60):
            while True:
                assert self.process.returncode is None, "".join(self.lines)
                try:
                    async with session.get(f"{self._url}/readyz") as response:
                        if response.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)

    async def stop(self):
        if self.process.returncode is None:
            self.process.terminate()
        async with asyncio.timeout(12):
            code = await self.process.wait()
        await self._reading
        return code

    async def kill(self):
        self.process.kill()
        await self.process.wait()
        await self._reading


async def reported(work):
    records = await work.poll(100)
    return [r for r in records if json.loads(r.value)["type"] == "delivery.result"]


async def eventually(condition, timeout_s=20):
    async with asyncio.timeout(timeout_s):
        while not (found := await condition()):  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.05)
    return found


@pytest.fixture
async def world(make_settings, tmp_path):
    config = tmp_path / "config"
    config.mkdir()
    (config / "channels.yaml").write_text(textwrap.dedent(CHANNELS))
    connectors = "\n".join(line for line in CONNECTORS.splitlines() if "public_url" not in line)
    (config / "connectors.yaml").write_text(connectors + "\n")
    settings = make_settings(config_dir=config, port_offset=7000 + os.getpid() % 900)
    create_key(settings.secrets)
    await topics.apply(settings, local=True)
    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=settings.port("sink-smtp"))
    controller.start()
    router = Router(settings, await topics.read_log_id(settings))
    await router.start()
    producer = await Producer.start(settings, "vaxel/test")
    work = TopicReader(settings, topics.WORK, {}, cold_start="genesis")
    await work.start()
    yield settings, inbox, router, producer, work
    for process in Process.running:
        if process.returncode is None:
            process.kill()
            await process.wait()
    Process.running.clear()
    await work.close()
    await producer.close()
    await router.close()
    controller.stop()


async def test_decisions_become_mails_and_answers_become_commands(world):
    settings, inbox, router, producer, work = world
    commands = []

    async def command(kind, effect=None):
        commands.extend(json.loads(record.value) for record in await work.poll(100))
        return [
            c for c in commands
            if c["type"] == kind and effect in {None, c["data"].get("effect")}
        ]  # fmt: skip

    delivery = Process(settings, cold_start="genesis")
    await delivery.start()
    await delivery.ready()

    blobs = FolderBlobs(settings.blobs)
    directory = await blobs.put("roster", json.dumps(DIRECTORY).encode())
    mail = interaction()
    event = Event(mail.id, "vaxel.interaction.received.v1", "test", 0)
    await producer.send(topics.INTERACTIONS, mail.conversation_key, mail.to_json(), event)
    await router.decide(roster_adopted(directory), case_opened(), work_queued(), notice_due())
    seq = await router.decide(offer_made(expires_ms=4_000_000_000_000))
    await eventually(lambda: command("delivery.result", "notice"))
    (offered,) = await eventually(lambda: command("delivery.result", "offer"))
    assert offered["data"]["state"] == "sent"
    assert {(sender, to) for sender, to, _ in inbox.mails} == {
        ("<>", "maija@customer.example"),
        ("<>", "anna@desk.example"),
    }
    await accept_by_link(settings, inbox, router, command, seq)

    ref = await blobs.put("body", b"Hei,\nkorjattu.\n")
    await router.decide(case_replied(ref))
    await eventually(lambda: command("delivery.result", "reply"))
    sender, to, raw = inbox.mails[-1]
    assert (sender, to) == ("support@vaxel.example", "maija@customer.example")
    assert "In-Reply-To: <m1@customer.example>" in raw
    assert f"To: {mailbox('Maija Meikäläinen', 'maija@customer.example')}" in raw
    assert await delivery.stop() == 0
    logged = "".join(delivery.lines)
    assert '"event": "effect"' in logged or '"event":"effect"' in logged
    for private in ("maija", "Maija", "anna@", "Lasku", "korjattu"):
        assert private not in logged


async def accept_by_link(settings, inbox, router, command, seq):
    """Opens the link of the offer's mail, twice, and presses the button."""
    raw = next(text for _, to, text in inbox.mails if to.startswith("anna@"))
    text = raw.replace("=\r\n", "").replace("=3D", "=")
    link = next(word for word in text.split() if word.startswith(settings.url("delivery")))
    async with aiohttp.ClientSession() as session:
        for _ in range(2):
            async with session.get(link) as response:
                assert response.status == 200
                assert NUMBER in await response.text()
        assert await command("offer.accept") == []
        pressing = asyncio.ensure_future(session.post(f"{link}/accept"))
        (accept,) = await eventually(lambda: command("offer.accept"))
        assert accept["token"] == f"{seq}.0"
        assert accept["actor"] == {"kind": "agent", "id": "anna"}
        assert accept["id"] == event_id("offer.accept", f"{seq}.0", "offer-1", "anna")
        await router.decide(offer_ended("accepted", cause=accept["id"]))
        async with await pressing as response:
            assert response.status in {200, 202}
        async with session.get(link) as response:
            assert (response.status, "the case is yours" in await response.text()) == (200, True)


async def test_a_chat_is_answered_on_the_log_and_a_tool_hears_of_its_offer_and_accepts_it(world):
    settings, inbox, router, producer, work = world
    secret = "whsec_" + base64.b64encode(b"s" * 32).decode()
    (settings.secrets / "desk.secret").write_text(secret)
    got = asyncio.Queue()

    async def hook(request):
        headers = {name.lower(): value for name, value in request.headers.items()}
        await got.put(Request("POST", "", headers, await request.read()))
        return web.Response(status=204)

    tool = web.Application()
    tool.router.add_post("/hook", hook)
    async with TestServer(tool) as server:
        file = settings.config_dir / "connectors.yaml"
        file.write_text(
            file.read_text() + f"webhooks:\n  - {{name: desk, url: '{server.make_url('/hook')}', "
            "secret_file: desk.secret, allow_private: true}\n"
        )
        delivery = Process(settings, cold_start="genesis")
        await delivery.start()
        await delivery.ready()
        blobs = FolderBlobs(settings.blobs)
        directory = await blobs.put("roster", json.dumps(DIRECTORY).encode())
        message = chat_message()
        event = Event(message.id, "vaxel.interaction.received.v1", "test", 0)
        await producer.send(topics.INTERACTIONS, CHAT, message.to_json(), event)
        opened = [in_chat(case_opened()), work_queued(), in_chat(notice_due())]
        await router.decide(roster_adopted(directory), *opened)
        seq = await router.decide(offer_made(expires_ms=4_000_000_000_000))
        offered = await asyncio.wait_for(got.get(), 20)
        assert verify(offered, [secret], time.time_ns() // 1_000_000).ok
        data = json.loads(offered.body)["data"]
        assert data["first_lines"] == "Missä pakettini on?"
        await accept_by_webhook(settings, data, secret, router, work, seq)
        ended = json.loads((await asyncio.wait_for(got.get(), 20)).body)
        assert (ended["type"], ended["data"]["outcome"]) == ("offer.ended", "accepted")
        ref = await blobs.put("body", b"Se on matkalla.")
        await router.decide(in_chat(case_replied(ref)))
        said = await outbound(settings, 2)
        assert await delivery.stop() == 0
    assert [item["text"] for item in said][1:] == ["Se on matkalla."]
    assert NUMBER in said[0]["text"]
    assert {item["conversation_key"] for item in said} == {CHAT}
    assert inbox.mails == []
    logged = "".join(delivery.lines)
    for private in ("Maija", "pakettini", "matkalla", "whsec", "anna@"):
        assert private not in logged


async def accept_by_webhook(settings, data, secret, router, work, seq):
    """Accepts as the tool would; its answer waits for the decision."""
    answer = {"verb": "accept", "agent": "anna"}
    body = json.dumps(answer | {name: data[name] for name in ("offer_id", "token")}).encode()
    seconds = int(time.time())
    headers = {
        "webhook-id": "evt-1",
        "webhook-timestamp": str(seconds),
        "webhook-signature": sign(secret, "evt-1", seconds, body),
    }
    found = []

    async def accepted():
        found.extend(json.loads(record.value) for record in await work.poll(100))
        return [command for command in found if command["type"] == "offer.accept"]

    async with aiohttp.ClientSession() as session:
        answering = asyncio.ensure_future(
            session.post(data["answers_url"], data=body, headers=headers)
        )
        (command,) = await eventually(accepted)
        assert (command["via"], command["token"]) == ("webhook:desk", f"{seq}.0")
        ended = offer_ended("accepted", cause=command["id"])
        await router.decide(structs.replace(ended, at_ms=seconds * 1000))
        async with await answering as response:
            assert response.status in {200, 202}
            assert (await response.json())["command_id"] == command["id"]
        headers["webhook-signature"] = sign(secret, "evt-2", seconds, body)
        async with session.post(data["answers_url"], data=body, headers=headers) as response:
            assert response.status == 401


async def outbound(settings, count):
    """What stands on the log as said by us, once there are so many."""
    reader = TopicReader(settings, topics.INTERACTIONS, {}, cold_start="genesis")
    await reader.start()
    said = []

    async def there():
        values = [json.loads(record.value) for record in await reader.poll(100)]
        said.extend(value for value in values if value["direction"] == "outbound")
        return len(said) >= count

    try:
        await eventually(there)
    finally:
        await reader.close()
    return said


async def test_a_delivery_without_its_database_halts_and_says_what_to_do(world):
    settings, inbox, *_ = world
    delivery = Process(settings)
    await delivery.start()
    assert await delivery.process.wait() == 1
    await delivery.stop()
    assert "VAXEL_COLD_START=genesis" in "".join(delivery.lines)
    assert inbox.mails == []


async def test_a_killed_delivery_sends_what_was_decided_meanwhile_and_nothing_again(world):
    settings, inbox, router, producer, work = world
    first = Process(settings, cold_start="genesis")
    await first.start()
    await first.ready()
    blobs = FolderBlobs(settings.blobs)
    mail = interaction()
    event = Event(mail.id, "vaxel.interaction.received.v1", "test", 0)
    await producer.send(topics.INTERACTIONS, mail.conversation_key, mail.to_json(), event)
    refs = [await blobs.put("body", f"answer {n}".encode()) for n in range(4)]
    await router.decide(case_opened(), case_replied(refs[0]))

    async def arrived():
        return len(inbox.mails)

    await eventually(arrived)
    await eventually(lambda: reported(work))
    await first.kill()
    for number in (1, 2, 3):
        await router.decide(case_replied(refs[number], reply_id=f"r{number}"))
    second = Process(settings)
    await second.start()
    await second.ready()

    async def all_there():
        return len(inbox.mails) >= 4

    await eventually(all_there)
    third = Process(settings)
    await third.start()
    assert await third.process.wait() == 1  # its port and its lock are taken
    assert await second.stop() == 0
    bodies = [
        hashlib.sha256(raw.rpartition("\r\n\r\n")[2].encode()).hexdigest()
        for *_, raw in inbox.mails
    ]
    assert len(bodies) == len(set(bodies)) == 4
    assert [raw.rpartition("\r\n\r\n")[2].strip() for *_, raw in inbox.mails] == [
        f"answer {number}" for number in range(4)
    ]
