"""The router beside stream processors that only decode the same commands and pass a line on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from bench_pipeline import AGENTS, AT_ONCE, LAG, Bench, prepare, start_router
from kit import Report, Table, rate, ratio, run
from own_broker import own_broker
from stream_peers import PEERS
from traffic import Desk

from vaxel_shared.contracts import wire
from vaxel_shared.kafka.client import client_options
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.reader import DecisionsReader
from vaxel_shared.settings import Settings

PYTHON = os.environ.get("PEERS_PYTHON", sys.executable)
STARTS_S_MAX = 60
WORKS_S_MAX = 300
TURNS = 3

METHOD = (
    "The same commands stand on the log before anybody starts on them; each process in turn has a"
    " partition of them and the same two cores. The peers decode each command and send a line of"
    " it (id, type, pool), which is read back here. The router decides it: with"
    f" {AGENTS:,} agents and some {LAG:,} contacts waiting or in hand it opens, queues, explains,"
    " offers or resolves a case, commits all of it to its hash chain, and what it decided is read"
    f" back here and checked. The median of {TURNS} turns. Peers are measured where they are"
    " installed: `PEERS_PYTHON` may name another Python that has them."
)
NOT_COVERED = [
    "What the peers do otherwise: tables, joins, windows; they are asked for the least there is.",
    "Exactly once: quixstreams and Faust can, and are slower then; the router always does.",
    "Several partitions: each has one here, as the router's pool has.",
]


def main(seconds: float) -> Report:
    """Measure on a broker of its own."""
    report = Report("peers", "Beside stream processors", METHOD, NOT_COVERED, ["aiokafka"])
    asyncio.run(_measure(report, int(2_000 * seconds)))
    return report


async def _measure(report: Report, count: int) -> None:
    async with own_broker(report) as settings:
        producer = await Producer.start(settings, "vaxel/bench")
        reader = DecisionsReader(settings, {})
        await reader.start()
        bench = Bench(settings, Desk(AGENTS), producer, reader)
        try:
            await prepare(bench)
            commands_s, decisions_s, commands = await _router(bench, count)
            table = Table(
                f"{count:,} commands that stood on the log",
                ["", "commands/s", "router/peer", "decisions/s", "decisions/peer's lines"],
            )
            table.rows.append(["the router", rate(commands_s, 1), "", rate(decisions_s, 1), ""])
            for name, version in _installed().items():
                found = await _peer(bench, name, commands)
                table.rows.append([
                    f"{name} ({version})", rate(found, 1), ratio(commands_s, found), "",
                    ratio(decisions_s, found),
                ])  # fmt: skip
            report.tables = [table]
        finally:
            await reader.close()
            await producer.close()


def _installed() -> dict[str, str]:
    """The peers that there are, and their versions."""
    program = (
        "import importlib.metadata as m, sys\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(name, m.version('faust-streaming' if name == 'faust' else name))\n"
        "    except m.PackageNotFoundError: pass\n"
    )
    modules = sorted({module for module, _ in PEERS.values()})
    asked = subprocess.run(
        [PYTHON, "-c", program, *modules], capture_output=True, text=True, check=True
    )
    versions = dict(one.split() for one in asked.stdout.splitlines())
    return {name: versions[module] for name, (module, _) in PEERS.items() if module in versions}


async def _router(bench: Bench, count: int) -> tuple[float, float, list[wire.Command]]:
    """Commands and decisions a second, and the commands of the last turn."""
    router = start_router(bench.settings)
    turns: list[tuple[float, float]] = []
    commands: list[wire.Command] = []
    try:
        await bench.read_until("ready")
        for _ in range(TURNS):
            commands = []
            while len(commands) < count:
                commands += bench.cycle()
            router.send_signal(signal.SIGSTOP)
            await bench.send(commands)
            before, begin = bench.decisions, time.perf_counter()
            router.send_signal(signal.SIGCONT)
            await bench.read_until(commands[-1].id)
            took = time.perf_counter() - begin
            turns.append((len(commands) / took, (bench.decisions - before) / took))
    finally:
        router.terminate()
        router.wait(20)
    return *sorted(turns)[len(turns) // 2], commands


async def _peer(bench: Bench, name: str, commands: Sequence[wire.Command]) -> float:
    """Commands a second."""
    slug = name.partition(",")[0] + ("-many" if "," in name else "")
    source, target = f"peer.{slug}.in", f"peer.{slug}.out"
    options = client_options(bench.settings)
    await _create(bench.settings, source, target)
    consumer = AIOKafkaConsumer(**options, auto_offset_reset="earliest")
    producer = AIOKafkaProducer(**options, acks="all")
    await consumer.start()
    await producer.start()
    consumer.assign([TopicPartition(target, 0)])
    values = [wire.encode(one) for one in commands]
    try:
        with _running(name, bench.settings.broker, source, target) as process:
            await _send(producer, source, values[:1])
            await _read(consumer, 1, STARTS_S_MAX)
            turns = []
            for _ in range(TURNS):
                process.send_signal(signal.SIGSTOP)
                await _send(producer, source, values)
                begin = time.perf_counter()
                process.send_signal(signal.SIGCONT)
                await _read(consumer, len(values), WORKS_S_MAX)
                turns.append(len(values) / (time.perf_counter() - begin))
    finally:
        await consumer.stop()
        await producer.stop()
    return sorted(turns)[len(turns) // 2]


async def _create(settings: Settings, *names: str) -> None:
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 1, 1) for name in names])
    finally:
        await admin.close()


@contextmanager
def _running(name: str, broker: str, source: str, target: str) -> Iterator[subprocess.Popen[bytes]]:
    script = Path(__file__).with_name("stream_peers.py")
    command = [PYTHON, str(script), name, broker, source, target]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _send(producer: AIOKafkaProducer, topic: str, values: Sequence[bytes]) -> None:
    for first in range(0, len(values), AT_ONCE):
        some = values[first : first + AT_ONCE]
        await asyncio.gather(*[await producer.send(topic, value) for value in some])


async def _read(consumer: AIOKafkaConsumer, count: int, seconds: float) -> None:
    """So many more lines."""
    found = 0
    async with asyncio.timeout(seconds):
        while found < count:
            found += sum(map(len, (await consumer.getmany(timeout_ms=20)).values()))


if __name__ == "__main__":
    run(main, seconds=8)
