"""What the router decides, commits and is read back of, through Apache Kafka on the same cores."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from kit import Report, Table, percentile, rate, ratio, run
from own_broker import own_broker
from traffic import CONFIG, POOL, Desk

from vaxel_shared import ids
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.config.deployment import load
from vaxel_shared.config.routing import policy_version, pool_policy
from vaxel_shared.contracts import wire
from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.kafka import topics
from vaxel_shared.kafka.client import client_options
from vaxel_shared.kafka.producer import Outgoing, Producer
from vaxel_shared.kafka.reader import DecisionsReader
from vaxel_shared.kafka.topics import DEADLETTERS, WORK, partition_for
from vaxel_shared.settings import Settings

AGENTS = 1_000
LAG = 2_000
"""So many contacts stand between one and its end: so many are waiting or in hand."""
PACE = 500
"""Commands a second, where the time of each is looked at."""
AT_ONCE = 500
PORT_OFFSET = 21_000

METHOD = (
    f"The router as it is, a process of its own, with {AGENTS:,} agents of the example deployment"
    f" and some {LAG:,} contacts waiting or in hand. Each contact is opened, queued, offered when"
    " somebody is free, and later resolved by a supervisor, which frees an agent for the next. What"
    " was decided is read back here by the reader that every service has, which checks the chain."
    " *A backlog*: all commands stand on the log before the router starts on them. *At a pace*:"
    f" {PACE} commands a second, each timed from before it is sent until its decision was read. The"
    " peers send as many records of the same bytes: one hop (sent, acknowledged by all, read), and"
    " two, with a task of the measuring process between that only passes on what it reads, one"
    " batch after the other."
)
NOT_COVERED = [
    "Replication, fsync, a network: one broker, one copy, on the same two cores as all else.",
    "Agents who accept and reply: supervisors end the work, which needs no token of an offer.",
    "Other services: nothing is triaged, delivered or stored.",
]


@dataclass
class Bench:
    """A broker with topics, a router and a reader."""

    settings: Settings
    desk: Desk
    producer: Producer
    reader: DecisionsReader
    decided: dict[str, float] = field(default_factory=dict)
    """Cause → when its decision was read."""
    decisions: int = 0
    contacts: list[str] = field(default_factory=list)

    async def send(self, commands: Sequence[wire.Command]) -> None:
        """Onto ``vaxel.work``, acknowledged by all."""
        for first in range(0, len(commands), AT_ONCE):
            some = commands[first : first + AT_ONCE]
            await self.producer.send_many([outgoing(WORK, wire.encode(one)) for one in some])

    def cycle(self) -> list[wire.Command]:
        """A contact, and the end of the one that came long ago."""
        made = self.desk.contact()
        self.contacts.append(made.id)
        if len(self.contacts) <= LAG:
            return [made]
        case = ids.case_id(self.contacts[-LAG - 1])
        data = {"reason": "bench"}
        end = self.desk.command(
            "case.resolve", data, id_=f"end-{case}", kind="supervisor", case=case
        )
        return [made, end]

    async def read(self) -> None:
        """What was decided meanwhile."""
        for record in await self.reader.poll(timeout_ms=20):
            now = time.perf_counter()
            self.decisions += len(record.batch.decisions)
            for one in record.batch.decisions:
                if one.type in ("command.refused", "input.rejected"):
                    raise AssertionError(f"{one.type} {one.data}: the traffic is wrong")
                self.decided.setdefault(one.cause, now)

    async def read_until(self, cause: str, seconds: float = 300) -> None:
        async with asyncio.timeout(seconds):
            while cause not in self.decided:
                await self.read()


def outgoing(topic: str, value: bytes) -> Outgoing:
    event = Event(id="bench", type="vaxel.bench.v1", source="vaxel/bench", time_ms=1)
    return Outgoing(topic, POOL, value, event)


def main(seconds: float) -> Report:
    """Measure on a broker of its own."""
    report = Report("pipeline", "Through Apache Kafka", METHOD, NOT_COVERED, ["aiokafka"])
    asyncio.run(_measure(report, seconds))
    return report


async def _measure(report: Report, seconds: float) -> None:
    async with own_broker(report) as settings:
        report.tables = await _tables(settings, seconds)


async def _tables(settings: Settings, seconds: float) -> list[Table]:
    producer = await Producer.start(settings, "vaxel/bench")
    reader = DecisionsReader(settings, {})
    await reader.start()
    bench = Bench(settings, Desk(AGENTS), producer, reader)
    await prepare(bench)
    router = start_router(settings)
    try:
        await bench.read_until("ready")
        backlog = await _backlog(bench, router, seconds)
        paced = await _paced(bench, seconds)
    finally:
        router.terminate()
        router.wait(20)
        await reader.close()
        await producer.close()
    return [backlog, paced]


async def prepare(bench: Bench) -> None:
    """Policy, roster, and as many contacts as are to wait."""
    deployment = load(CONFIG)
    blob = pool_policy(next(one for one in deployment.routing.pools if one.name == POOL))
    ref = await FolderBlobs(bench.settings.blobs).put("policy", blob)
    data = {"kind": "routing", "version": policy_version(blob), "ref": ref}
    command, roster = bench.desk.command, bench.desk.roster()
    first = [
        command("policy.publish", data, id_="policy"), command("roster.set", roster, id_="roster"),
    ]  # fmt: skip
    while len(bench.contacts) < LAG:
        first += bench.cycle()
    await bench.send([*first, command("roster.set", roster, id_="ready")])


def start_router(settings: Settings) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "VAXEL_BROKER": settings.broker,
        "VAXEL_DATA_DIR": str(settings.data_dir),
        "VAXEL_PORT_OFFSET": str(PORT_OFFSET),
        "VAXEL_COLD_START": "genesis",
        "VAXEL_LOG_LEVEL": "error",
    }
    return subprocess.Popen([sys.executable, "-m", "vaxel_router"], env=environment)


async def _backlog(bench: Bench, router: subprocess.Popen[bytes], seconds: float) -> Table:
    """The router stands still while commands are written, then it has them all at once."""
    rows = []
    for _ in range(2):
        commands: list[wire.Command] = []
        while len(commands) < 4_000 * seconds:
            commands += bench.cycle()
        router.send_signal(signal.SIGSTOP)
        await bench.send(commands)
        before = bench.decisions
        begin = time.perf_counter()
        router.send_signal(signal.SIGCONT)
        await bench.read_until(commands[-1].id)
        took = time.perf_counter() - begin
        made = bench.decisions - before
        rows.append(
            [f"{len(commands):,}", f"{made:,}", rate(len(commands), took), rate(made, took)]
        )
    title = "A backlog: decided, committed and read back"
    return Table(title, ["commands", "decisions", "commands/s", "decisions/s"], rows)


async def _paced(bench: Bench, seconds: float) -> Table:
    """Each way at the same pace, in turn."""
    count = int(PACE * seconds)
    commands: list[wire.Command] = []
    while len(commands) < count:
        commands += bench.cycle()
    sent: dict[str, float] = {}

    async def one(command: wire.Command) -> None:
        sent[command.id] = time.perf_counter()
        await bench.producer.send_many([outgoing(WORK, wire.encode(command))])

    reading = asyncio.ensure_future(bench.read_until(commands[-1].id))
    await _at_pace([partial(one, command) for command in commands])
    await reading
    ours = [bench.decided[name] - at for name, at in sent.items()]
    values = [wire.encode(command) for command in commands]
    one_hop = await _hops(bench, values, hops=1)
    two_hops = await _hops(bench, values, hops=2)
    title = f"{PACE} commands a second: milliseconds from sending to having read the decision"
    table = Table(title, ["", "p50", "p99", "p50/one hop", "p50/two hops", "p99/two hops"])
    for name, times in (("the router", ours), ("one hop", one_hop), ("two hops", two_hops)):
        marks = [percentile(times, share) for share in (0.5, 0.99)]
        table.rows.append([
            name, *(f"{mark * 1000:.2f}" for mark in marks),
            ratio(marks[0], percentile(one_hop, 0.5)), ratio(marks[0], percentile(two_hops, 0.5)),
            ratio(marks[1], percentile(two_hops, 0.99)),
        ])  # fmt: skip
    return table


async def _at_pace(calls: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> None:
    """Start one after the other at the pace, whether or not those before are done."""
    tasks, begin = [], time.perf_counter()
    for number, call in enumerate(calls):
        wait_s = begin + number / PACE - time.perf_counter()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        tasks.append(asyncio.ensure_future(call()))
    await asyncio.gather(*tasks)


async def _hops(bench: Bench, values: Sequence[bytes], *, hops: int) -> list[float]:
    """The same records through topics that nobody else uses at that time."""
    first, last = (DEADLETTERS, DEADLETTERS) if hops == 1 else (DEADLETTERS, topics.SLA)
    options = client_options(bench.settings)
    partition = {name: partition_for(POOL.encode(), 4) for name in (first, last)}
    consumers = {}
    for name in {first, last}:
        at = TopicPartition(bench.settings.topic(name), partition[name])
        consumer = AIOKafkaConsumer(**options, auto_offset_reset="latest")
        await consumer.start()
        consumer.assign([at])
        await consumer.seek_to_end(at)
        consumers[name] = consumer
    sent: list[float] = []
    read: list[float] = []
    through = asyncio.ensure_future(_pass_on(bench, consumers[first], last)) if hops == 2 else None

    async def collect() -> None:
        while len(read) < len(values):
            found = await consumers[last].getmany(timeout_ms=20)
            now = time.perf_counter()
            read.extend([now] * sum(map(len, found.values())))

    async def one(value: bytes) -> None:
        sent.append(time.perf_counter())
        await bench.producer.send_many([outgoing(first, value)])

    collecting = asyncio.ensure_future(collect())
    await _at_pace([partial(one, value) for value in values])
    await collecting
    if through is not None:
        through.cancel()
        with suppress(asyncio.CancelledError):
            await through
    for consumer in consumers.values():
        await consumer.stop()
    return [at - since for since, at in zip(sent, read, strict=True)]


async def _pass_on(bench: Bench, consumer: AIOKafkaConsumer, to: str) -> None:
    producer = await Producer.start(bench.settings, "vaxel/bench-between")
    try:
        while True:
            for records in (await consumer.getmany(timeout_ms=20)).values():
                await producer.send_many([outgoing(to, one.value) for one in records])
    finally:
        await producer.close()


if __name__ == "__main__":
    run(main, seconds=8)
