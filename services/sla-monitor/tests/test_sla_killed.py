"""The whole monitor on a real Kafka, killed again and again: nothing missed, nothing told twice.

The router is played by the test: it opens cases, and acknowledges every command with a record that
covers it, so that the monitor knows how far decisions are known.
"""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import socket
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from vaxel_shared.contracts import wire
from vaxel_shared.contracts.cloudevents import Event, header
from vaxel_shared.contracts.sla import SlaEvent
from vaxel_shared.kafka import chain, topics
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.topic_reader import TopicReader, record_sha256
from vaxel_shared.settings import PORTS

pytestmark = pytest.mark.broker
ROOT = Path(__file__).parents[3]
EVENT = Event(id="x", type="x", source="test", time_ms=0)
CASES = 60
KILLS = 3
SLA = """\
calendars: [{{name: always, zone: UTC, hours: always}}]
policies:
  - name: quick
    calendar: always
    first_response: 4s
    warn_at: [50]
    on_warning: {{priority_at_least: 20}}
    on_breach: {{tier_at_least: 2}}
notify:
  webhooks: [{{url: "{url}"}}]
"""


class Router:
    """Writes one partition of the decisions, and folds every command into nothing."""

    def __init__(self, settings, producer, log_id, partition):
        self.producer, self.log_id, self.partition = producer, log_id, partition
        self.prev, self.seq = chain.genesis_sha256(log_id, partition), -1
        self.through, self.through_sha256 = -1, chain.NO_INPUT_SHA256
        self.lock = asyncio.Lock()
        self.work = TopicReader(settings, topics.WORK, {}, cold_start="genesis")
        self.commands = []

    async def decide(self, *decisions, record=None):
        async with self.lock:
            from_ = self.through + 1
            if record is not None:
                self.through = record.offset
                self.through_sha256 = record_sha256(record.key, record.value)
            body = wire.encode(wire.Batch(engine="test", wall_ms=0, decisions=list(decisions)))
            head = chain.Header(
                self.log_id, self.seq + 1, self.prev, from_, self.through, self.through_sha256
            )
            raw = chain.pack(head, body)
            await self.producer.send(topics.DECISIONS, "p", raw, EVENT, partition=self.partition)
            self.seq, self.prev = self.seq + 1, hashlib.sha256(raw).digest()

    async def fold(self):
        await self.work.start()
        while True:
            for record in await self.work.poll():
                self.commands.append(record)
                await self.decide(record=record)


def opened(case, at_ms):
    data = {"number": case, "queue": "general", "priority": 0, "channel": "email"}
    return wire.Decision(
        type="case.opened", at_ms=at_ms, pool="support", cause="c", case_id=case, data=data
    )


class Hook:
    """A webhook's receiver."""

    def __init__(self):
        self.got = []

    async def post(self, request):
        self.got.append((request.headers["webhook-id"], await request.json()))
        return web.Response(status=204)


@asynccontextmanager
async def hook():
    here = Hook()
    app = web.Application()
    app.router.add_post("/sla", here.post)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield here, f"http://127.0.0.1:{port}/sla"
    finally:
        await runner.cleanup()


class Monitor:
    """The service as its own process."""

    def __init__(self, settings, offset):
        self.url = f"http://127.0.0.1:{PORTS['sla-monitor'] + offset}"
        self.env = os.environ | {
            "VAXEL_BROKER": settings.broker,
            "VAXEL_TOPIC_PREFIX": settings.topic_prefix,
            "VAXEL_DATA_DIR": str(settings.data_dir),
            "VAXEL_CONFIG_DIR": str(settings.config_dir),
            "VAXEL_PORT_OFFSET": str(offset),
            "VAXEL_COLD_START": "genesis",
        }
        self.log = settings.data_dir / "monitor.log"
        self.process = None

    async def start(self):
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "vaxel_sla_monitor", env=self.env, stdout=log, stderr=log
            )

    async def ready(self):
        async with asyncio.timeout(120), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"{self.url}/readyz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                if self.process.returncode is not None:  # no broker in time: as vaxel up would
                    await self.start()
                await asyncio.sleep(0.1)

    async def end(self, number):
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 20)


async def told(settings):
    """All of ``vaxel.sla``: (CloudEvents id, event)."""
    reader = TopicReader(settings, topics.SLA, {}, cold_start="genesis")
    await reader.start()
    found = []
    while not await reader.at_end():
        for record in await reader.poll():
            event = SlaEvent.model_validate_json(record.value)
            found += [(header(record.headers, "ce_id"), event)]
    await reader.close()
    return found


async def until(settings, enough):
    async with asyncio.timeout(90):
        while not enough(found := await told(settings)):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.5)
    return found


async def test_kills_miss_nothing_and_repeat_nothing(make_settings, tmp_path, unused_tcp_offset):
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    settings = make_settings(config_dir=config)
    await topics.apply(settings, local=True)
    partition = topics.partition_for(b"support", 4)
    async with hook() as (received, url):
        (config / "sla.yaml").write_text(SLA.format(url=url))
        producer = await Producer.start(settings, "test")
        router = Router(settings, producer, await topics.read_log_id(settings), partition)
        folding = asyncio.ensure_future(router.fold())
        monitor = Monitor(settings, unused_tcp_offset)
        await monitor.start()
        await monitor.ready()
        cases = [f"case-{number}" for number in range(CASES)]
        for number in range(KILLS):  # while cases come in, warn and breach
            for case in cases[number::KILLS]:
                await router.decide(opened(case, int(time.time() * 1000)))
            await asyncio.sleep(1.2 + number)  # before, at and after the warnings
            await monitor.end(signal.SIGKILL)
            await monitor.start()
            await monitor.ready()
        breached = lambda found: {e.case_id for _, e in found if e.type == "breached"}  # noqa: E731
        found = await until(settings, lambda found: breached(found) == set(cases))
        async with asyncio.timeout(30):
            while len({one for one, _ in received.got}) < 2 * CASES:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        assert await monitor.end(signal.SIGTERM) == 0
        folding.cancel()
        await router.work.close()
        await producer.close()

    by_id = dict(found)
    assert sorted((e.case_id, e.type) for e in by_id.values()) == sorted(
        (case, kind) for case in cases for kind in ("started", "warned", "breached")
    )
    for identity, event in found:  # a repeat says what was said
        assert event.case_id == by_id[identity].case_id
        assert (event.type, event.at_ms) == (by_id[identity].type, by_id[identity].at_ms)
    for event in by_id.values():
        assert event.type != "breached" or event.at_ms == event.due_ms <= event.detected_ms
    alerts = {
        json.loads(r.value)["id"]: json.loads(r.value)["data"]["stage"] for r in router.commands
    }
    assert sorted(alerts.values()) == ["breach"] * CASES + ["warning.50"] * CASES
    bodies = {}
    for identity, body in received.got:
        assert bodies.setdefault(identity, body) == body
    fingerprints = [alert["fingerprint"] for body in bodies.values() for alert in body["alerts"]]
    assert len(fingerprints) == len(set(fingerprints)) == 2 * CASES


@pytest.fixture
def unused_tcp_offset():
    """A port offset at which the monitor's port is free: below the ports of outgoing connections."""
    for offset in range(10_000 + os.getpid() % 5_000, 20_000):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", PORTS["sla-monitor"] + offset)):
                return offset
    raise AssertionError("no port is free")
