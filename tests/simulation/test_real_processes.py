"""Real processes on a real broker of their own: killed, frozen, doubled; the broker killed too.

CI sizes. The toy decider decides every input that was acknowledged to its sender; at the end the
log is folded from its first record and held against the inputs: each once, in order, rightly.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from simulation.places import HEADERS
from simulation.toy import Toy

from vaxel_cli.broker import LocalBroker, prepare, process
from vaxel_shared.errors import Retryable, VaxelError
from vaxel_shared.kafka import chain, topics
from vaxel_shared.kafka.log import KafkaPartitionLog, RawRecord, scan
from vaxel_shared.kafka.records import ChainRecord, Judge
from vaxel_shared.kafka.topic_reader import record_sha256
from vaxel_shared.kafka.topics import DECISIONS, WORK
from vaxel_shared.settings import Settings

pytestmark = pytest.mark.broker

SCRIPT = Path(__file__).with_name("toy_router.py")
PROGRESS_S_MAX = 120
FORGETFUL = "producer.id.expiration.ms=3000\nproducer.id.expiration.check.interval.ms=1000\n"


@pytest.fixture
def own_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port_pair: tuple[int, int]
) -> Iterator[LocalBroker]:
    """A broker to be killed, that forgets idle producers after three seconds."""
    declared = process.server_properties
    monkeypatch.setattr(process, "server_properties", lambda *a: declared(*a) + FORGETFUL)
    port, controller_port = free_port_pair

    async def start() -> LocalBroker:
        broker = LocalBroker(
            await prepare(), tmp_path / "broker", port=port, controller_port=controller_port
        )
        await broker.start()
        await broker.wait_ready()
        return broker

    try:
        broker = asyncio.run(start())
    except VaxelError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no broker: {error}")
    yield broker
    asyncio.run(broker.stop())


@pytest.fixture
def free_port_pair() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


@dataclass
class Town:
    """The broker, the routers, and inputs that keep coming."""

    broker: LocalBroker
    settings: Settings
    log_id: str
    acknowledged: dict[int, bytes] = field(default_factory=dict)
    records: list[ChainRecord] = field(default_factory=list)
    routers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.work = KafkaPartitionLog(self.settings, WORK, 0, append_timeout_ms=2_000)
        self.tail = KafkaPartitionLog(self.settings, DECISIONS, 0)
        self.judge = Judge(chain.genesis(self.log_id, 0))

    def start_router(self) -> subprocess.Popen[bytes]:
        arguments = [
            self.settings.broker,
            self.settings.topic_prefix,
            str(self.settings.data_dir),
            uuid.uuid4().hex,
        ]
        router = subprocess.Popen([sys.executable, str(SCRIPT), *arguments])
        self.routers.append(router)
        return router

    async def feed(self) -> None:
        """Inputs at about 50 a second; after a failure the same again, which may double it."""
        number = 0
        while True:
            payload = f"input {number}".encode()
            try:
                ack = await self.work.append(b"pool", payload, HEADERS)
            except Retryable:
                await self.work.abandon()
                continue
            self.acknowledged[ack.offset] = payload
            number += 1
            await asyncio.sleep(0.02)

    async def progress(self, inputs: int = 15) -> None:
        """Wait until so many more inputs are decided."""
        await self.until(self.judge.state.through + inputs)

    async def until(self, through: int) -> None:
        """Wait until the input at offset ``through`` is decided."""
        async with asyncio.timeout(PROGRESS_S_MAX):
            while self.judge.state.through < through:
                try:
                    chunk = await self.tail.read(self.judge.state.read + 1, timeout_ms=100)
                except Retryable:
                    await asyncio.sleep(0.1)
                    continue
                found = [self.judge.judge(raw) for raw in chunk.records]
                self.records += [record for record in found if record is not None]

    def end(self) -> None:
        for router in self.routers:
            if router.poll() is None:
                router.send_signal(signal.SIGCONT)
                router.kill()
            router.wait()


async def test_no_input_is_lost_or_decided_twice_whoever_is_killed_or_frozen(
    own_broker: LocalBroker, tmp_path: Path
) -> None:
    settings = Settings(
        broker=own_broker.address,
        security_protocol="PLAINTEXT",
        topic_prefix="t.",
        data_dir=tmp_path,
    )
    await topics.apply(settings, local=True)
    town = Town(own_broker, settings, await topics.read_log_id(settings))
    feeding = asyncio.ensure_future(town.feed())
    try:
        router = await _killed_routers(town, kills=4)
        router = await _zombies(town, router, count=2)
        await _killed_broker(town)
        await _frozen_broker(town)
        await town.progress()
        feeding.cancel()
        await asyncio.wait({feeding})
        inputs = await _inputs(town)
        await town.until(len(inputs) - 1)
        assert router.poll() is None, "the last owner still runs"
        _check(town, inputs)
    finally:
        feeding.cancel()
        town.end()
        await town.work.close()
        await town.tail.close()


async def _killed_routers(town: Town, kills: int) -> subprocess.Popen[bytes]:
    router = town.start_router()
    for _ in range(kills):
        await town.progress()
        router.kill()
        router = town.start_router()
    await town.progress()
    return router


async def _zombies(
    town: Town, router: subprocess.Popen[bytes], count: int
) -> subprocess.Popen[bytes]:
    """Frozen, succeeded, awake again: it must notice and leave (rule 12)."""
    for _ in range(count):
        router.send_signal(signal.SIGSTOP)
        successor = town.start_router()
        await town.progress()
        router.send_signal(signal.SIGCONT)
        code = await asyncio.to_thread(router.wait, PROGRESS_S_MAX)
        assert code == 3, "displaced"
        await town.progress()
        router = successor
    return router


async def _killed_broker(town: Town) -> None:
    assert town.broker.pid is not None
    os.kill(town.broker.pid, signal.SIGKILL)
    await asyncio.sleep(0.5)
    await town.broker.start()
    await town.broker.wait_ready()
    await town.progress()


async def _frozen_broker(town: Town) -> None:
    """Appends time out, and land when it wakes; by then it has forgotten who sent them."""
    assert town.broker.pid is not None
    os.kill(town.broker.pid, signal.SIGSTOP)
    await asyncio.sleep(4)
    os.kill(town.broker.pid, signal.SIGCONT)
    await town.progress()


async def _inputs(town: Town) -> list[RawRecord]:
    found: list[RawRecord] = []
    await scan(town.work, *await town.work.bounds(), found.append)
    return found


def _check(town: Town, inputs: list[RawRecord]) -> None:
    for offset, payload in town.acknowledged.items():
        assert inputs[offset].value == payload, "acknowledged is kept"
    state, at = Toy(), 0
    for record in town.records:
        for decision in record.batch.decisions:
            state, again = state.step(inputs[at].value, at)
            assert decision == again
            at += 1
        assert record.header.through == at - 1
        if at:
            last = inputs[at - 1]
            assert record.header.through_sha256 == record_sha256(last.key, last.value)
    assert at == len(inputs) > 100
    claims = [r.batch.claim["run_id"] for r in town.records if r.batch.claim is not None]
    assert len(set(claims)) == len(town.routers), "each process claimed before it decided"
