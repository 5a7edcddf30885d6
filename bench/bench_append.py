"""What the chained append costs, beside a plain produce and a transaction of the same bytes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer, TopicPartition
from kit import Report, Table, percentile, rate, ratio, run
from own_broker import own_broker
from traffic import Desk

from vaxel_shared.contracts import wire
from vaxel_shared.kafka import chain, topics
from vaxel_shared.kafka.client import client_options
from vaxel_shared.kafka.log import Acknowledged, Headers, KafkaPartitionLog
from vaxel_shared.kafka.topics import DECISIONS, WORK
from vaxel_shared.kafka.writer import ChainWriter
from vaxel_shared.settings import Settings

SIZES = (1, 500)
"""Decisions a record: one command at a quiet hour, and the most that a batch takes."""
WARM_UP = 20

METHOD = (
    "One local Apache Kafka, the declared `vaxel.decisions`, one record at a time, the ways in"
    " turn: `ChainWriter.append` (encode, hash, check, idempotent produce, offset compared); a"
    " plain produce with acks=all of the bytes that the append before it sent, made already; the"
    " same in a transaction; and in one that commits the input's offset too, which is what the"
    " append's header does. The peers' bytes being ready, what a peer must encode comes on top of"
    " it (`encoding alone`). Decisions are those that the core makes of the example deployment."
)
NOT_COVERED = [
    "Replication and fsync: one broker, one copy, Kafka's defaults.",
    "A network: everything is on loopback, and the broker shares the processor.",
    "Failures: after one the writer restores from the log.",
    "Other clients: aiokafka waits some 20 ms where a transaction follows another too soon.",
    "Throughput of many records under way: the router has one at a time by design.",
]


class Noting(KafkaPartitionLog):
    """Remembers what was sent last, and how long the broker took."""

    sent: tuple[bytes, bytes, Headers] = (b"", b"", ())
    broker_s = 0.0

    async def append(self, key: bytes, value: bytes, headers: Headers) -> Acknowledged:
        begin = time.perf_counter()
        answer = await super().append(key, value, headers)
        self.broker_s = time.perf_counter() - begin
        self.sent = (key, value, headers)
        return answer


@dataclass
class Ways:
    """The ways to commit a record, each on a partition of its own."""

    writer: ChainWriter
    log: Noting
    plain: AIOKafkaProducer
    transactional: AIOKafkaProducer
    topic: str
    work: str
    offset: int = 0
    broker_s: list[float] = field(default_factory=list)
    own_s: list[float] = field(default_factory=list)
    encode_s: list[float] = field(default_factory=list)

    async def chained(self, batch: wire.Batch) -> None:
        at = self.writer.position
        through = at.through + 1
        begin = time.perf_counter()
        await self.writer.append(batch, from_=through, through=through, through_sha256=bytes(32))
        self.broker_s.append(self.log.broker_s)
        self.own_s.append(time.perf_counter() - begin - self.log.broker_s)

    def encoded(self, batch: wire.Batch) -> None:
        begin = time.perf_counter()
        wire.encode(batch)
        self.encode_s.append(time.perf_counter() - begin)

    async def produced(self, _batch: wire.Batch) -> None:
        await self._send(self.plain, 1)

    async def transaction(self, _batch: wire.Batch) -> None:
        async with self.transactional.transaction():
            await self._send(self.transactional, 2)

    async def transaction_with_offset(self, _batch: wire.Batch) -> None:
        self.offset += 1
        async with self.transactional.transaction():
            await self._send(self.transactional, 2)
            offsets = {TopicPartition(self.work, 0): self.offset}
            await self.transactional.send_offsets_to_transaction(offsets, "bench")

    async def _send(self, producer: AIOKafkaProducer, partition: int) -> None:
        key, value, headers = self.log.sent
        await producer.send_and_wait(
            self.topic, key=key, value=value, headers=list(headers), partition=partition
        )

    async def close(self) -> None:
        await self.writer.close()
        await self.plain.stop()
        await self.transactional.stop()


def main(seconds: float) -> Report:
    """Measure every size on a broker of its own."""
    report = Report("append", "The chained append", METHOD, NOT_COVERED, ["aiokafka", "msgspec"])
    asyncio.run(_measure(report, seconds))
    return report


async def _measure(report: Report, seconds: float) -> None:
    async with own_broker(report) as settings:
        ways = await _ways(settings)
        for size in SIZES:
            report.tables.append(await _size(ways, size, seconds))
        await ways.close()


async def _ways(settings: Settings) -> Ways:
    log_id = await topics.read_log_id(settings)
    log = Noting(settings, DECISIONS, 0)
    writer = ChainWriter(log, log_id=log_id, partition=0, instance="0", run_id="bench")
    await writer.restore(lambda _record: None, chain.genesis(log_id, 0))
    await writer.claim("bench", 1)
    options = client_options(settings) | {
        "acks": "all",
        "linger_ms": 0,
        "max_batch_size": 2**18,
        "max_request_size": 2**23,
    }
    plain = AIOKafkaProducer(**options)
    transactional = AIOKafkaProducer(**options, transactional_id="bench")
    await plain.start()
    await transactional.start()
    return Ways(writer, log, plain, transactional, settings.topic(DECISIONS), settings.topic(WORK))


async def _size(ways: Ways, size: int, seconds: float) -> Table:
    """All ways in turn for so long; the first rounds only warm up."""
    batch = wire.Batch(engine="bench", wall_ms=1, decisions=_decisions(size))
    each: dict[str, Callable[[wire.Batch], Awaitable[None]]] = {
        "chained append": ways.chained,
        "plain acks=all": ways.produced,
        "transaction": ways.transaction,
        "transaction with offset": ways.transaction_with_offset,
    }
    spent: dict[str, list[float]] = {name: [] for name in each}
    parts = {
        "of the append: the broker": ways.broker_s,
        "of the append: encode, hash, check": ways.own_s,
        "encoding alone": ways.encode_s,
    }
    for values in parts.values():
        values.clear()
    end = time.perf_counter() + seconds
    turns = list(each)
    while time.perf_counter() < end or len(spent["chained append"]) <= WARM_UP:
        turns = [*turns[1:], turns[0]]  # whoever follows a transaction meets its aftermath
        for name in turns:
            begin = time.perf_counter()
            await each[name](batch)
            spent[name].append(time.perf_counter() - begin)
        ways.encoded(batch)
    kept = {name: values[WARM_UP:] for name, values in (spent | parts).items()}
    peer = percentile(kept["plain acks=all"], 0.5)
    rounds, weight = len(kept["chained append"]), len(ways.log.sent[1])
    noun = "decision" if size == 1 else "decisions"
    title = f"{size} {noun} a record ({weight:,} bytes), {rounds:,} rounds, milliseconds"
    table = Table(title, ["", "p50", "p95", "p99", "decisions/s", "p50/plain"])
    for name, values in kept.items():
        marks = [f"{percentile(values, share) * 1000:.2f}" for share in (0.5, 0.95, 0.99)]
        speed = "" if name in parts else rate(size * rounds, sum(values))
        table.rows.append([name, *marks, speed, ratio(percentile(values, 0.5), peer)])
    return table


def _decisions(count: int) -> list[wire.Decision]:
    """What the core decides under traffic."""
    desk = Desk(12)
    desk.fill(100)
    desk.bodies.clear()
    desk.cycles(1.0)
    found = [one for body in desk.bodies for one in wire.decode_batch(body).decisions]
    if len(found) < count:
        raise AssertionError(f"only {len(found)} decisions in a second")
    return found[:count]


if __name__ == "__main__":
    run(main, seconds=15)
