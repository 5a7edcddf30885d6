"""The one declaration of Vaxel's topics: ``vaxel topics apply`` makes them, ``check`` compares.

Nothing else creates a topic, and Kafka's auto-creation is off. The number of partitions of work,
decisions and snapshots is fixed at creation: a pool lives on the partition that its key falls on.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Literal

from aiokafka.admin import NewTopic
from aiokafka.partitioner import murmur2
from pydantic import ValidationError

from vaxel_shared import ids
from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.contracts.snapshots import LOG_TYPE, LogRecord
from vaxel_shared.errors import Fatal
from vaxel_shared.kafka import admin
from vaxel_shared.kafka.chain import RECORD_BYTES_MAX
from vaxel_shared.kafka.log import KafkaPartitionLog
from vaxel_shared.settings import Settings

INTERACTIONS = "vaxel.interactions"
SIGNALS = "vaxel.signals"
WORK = "vaxel.work"
DECISIONS = "vaxel.decisions"
SNAPSHOTS = "vaxel.snapshots"
SLA = "vaxel.sla"
CLOCKS = "vaxel.clocks"
DEADLETTERS = "vaxel.deadletters"
CLOCKS_TABLE = "vaxel.sla-monitor-clocks-changelog"
"""Faust names it after the application and the table."""

_HOUR_MS = 3_600_000
_MONTH_MS = 30 * 24 * _HOUR_MS
_MIB = 1024 * 1024
_LONG_MAX = 2**63 - 1
"""Kafka's "no limit"."""
_REPLICATION_MAX = 3
_LOG_KEY = b"log"


@dataclass(frozen=True, slots=True)
class Topic:
    """What a topic is. ``partitions_local`` is for a system on one machine.

    ``retention_ms`` is None for a compacted topic, which keeps the last record of each key.
    ``log_append_time``: records carry the broker's clock instead of the sender's.
    """

    name: str
    partitions_local: int = 4
    partitions: int = 16
    retention_ms: int | None = _MONTH_MS
    log_append_time: bool = False
    max_message_bytes: int = _MIB
    internal: bool = False
    """One service's own memory, and no part of the contract."""

    @property
    def cleanup(self) -> Literal["delete", "compact"]:
        """How old records go."""
        return "compact" if self.retention_ms is None else "delete"

    def configs(self, replication: int) -> dict[str, str]:
        """The topic's settings at Kafka, for so many copies."""
        settings = {
            "cleanup.policy": self.cleanup,
            "max.message.bytes": str(self.max_message_bytes),
            "message.timestamp.type": "LogAppendTime" if self.log_append_time else "CreateTime",
            "min.insync.replicas": "2" if replication >= _REPLICATION_MAX else "1",
            "unclean.leader.election.enable": "false",
        }
        if not self.log_append_time:
            # Left alone, Kafka refuses the records of a sender whose clock is an hour fast.
            settings["message.timestamp.after.max.ms"] = str(_LONG_MAX)
        if self.retention_ms is None:
            settings |= {"min.cleanable.dirty.ratio": "0.1", "segment.ms": str(24 * _HOUR_MS)}
            if self.internal:  # read whole by whoever has lost its disk: kept short
                settings |= {"segment.ms": str(_HOUR_MS), "segment.bytes": str(16 * _MIB)}
            return settings
        # A segment goes only as a whole, and only when it is closed.
        segment_ms = min(7 * 24 * _HOUR_MS, max(self.retention_ms // 6, 60_000))
        return settings | {"retention.ms": str(self.retention_ms), "segment.ms": str(segment_ms)}


TOPICS: tuple[Topic, ...] = (
    Topic(INTERACTIONS),
    Topic(SIGNALS, retention_ms=_HOUR_MS),
    Topic(WORK, log_append_time=True),
    Topic(DECISIONS, log_append_time=True, max_message_bytes=RECORD_BYTES_MAX),
    Topic(SNAPSHOTS, retention_ms=None),
    Topic(SLA),
    # By the broker's clock the monitor knows how far time has come there.
    Topic(CLOCKS, log_append_time=True),
    Topic(CLOCKS_TABLE, retention_ms=None, internal=True),
    # The original's bytes as base64 within JSON: a third more than the largest of the others.
    Topic(DEADLETTERS, max_message_bytes=4 * _MIB),
)

_BY_NAME = {topic.name: topic for topic in TOPICS}
_TOGETHER = (WORK, DECISIONS, SNAPSHOTS)
"""They have the same number of partitions: the router answers on its input's."""


def declared(name: str) -> Topic:
    """The declaration of a topic; raises ``KeyError`` for a name that isn't one of ours."""
    return _BY_NAME[name]


def partition_for(key: bytes, count: int) -> int:
    """The partition of a key, as Kafka's default partitioner chooses it (murmur2)."""
    return int((murmur2(key) & 0x7FFFFFFF) % count)


async def apply(settings: Settings, *, local: bool) -> list[str]:
    """Create what is missing, the log's identity too; answers what was done, a line each.

    Existing topics are left as they are (``check`` says where they differ). Raises Retryable
    without a broker, Fatal where the cluster refuses or the log has lost its identity.
    """
    brokers = await admin.broker_count(settings)
    replication = min(_REPLICATION_MAX, brokers)
    there = await admin.describe(settings, _BY_NAME)
    wanted = [topic for topic in TOPICS if topic.name not in there]
    together = {there[name].partitions for name in _TOGETHER if name in there}
    new, done = [], []
    for topic in wanted:
        count = topic.partitions_local if local else topic.partitions
        if topic.name in _TOGETHER and together:
            count = max(together)
        new.append(
            NewTopic(
                settings.topic(topic.name),
                count,
                replication,
                topic_configs=topic.configs(replication),
            )
        )
        done.append(f"created {topic.name}: {count} partitions, replication {replication}")
    if new:
        await admin.create(settings, new)
    return done + await _make_log_id(settings)


async def check(settings: Settings) -> list[str]:
    """What differs from the declaration, a line each with the remedy; empty when all is well."""
    brokers = await admin.broker_count(settings)
    there = await admin.describe(settings, _BY_NAME)
    lines = [
        f"{topic.name}: missing; run `vaxel topics apply`"
        for topic in TOPICS
        if topic.name not in there
    ]
    found = await admin.configs(settings, there)
    for name, state in there.items():
        lines += _differences(_BY_NAME[name], state, found[name], brokers)
    counts = {name: there[name].partitions for name in _TOGETHER if name in there}
    if len(set(counts.values())) > 1:
        lines.append(f"partitions differ, and must not: {counts}; recreate these topics together")
    return lines + await _offsets_kept(settings)


async def read_log_id(settings: Settings) -> str:
    """The identity of the decisions log: 32 hexadecimal digits, made once with the topic.

    Raises Fatal where there is none, Retryable without a broker.
    """
    await partition_count(settings, SNAPSHOTS)
    found = await _log_ids(settings)
    if not found:
        raise Fatal(f"{SNAPSHOTS} names no log: run `vaxel topics apply`")
    return found[0]


async def partition_count(settings: Settings, topic: str) -> int:
    """How many partitions a topic has.

    Raises Fatal where it doesn't exist: ask before you start a client on it, which would hang.
    """
    there = await admin.describe(settings, [topic])
    if topic not in there:
        raise Fatal(f"{settings.topic(topic)} isn't there: run `vaxel topics apply`")
    return there[topic].partitions


def _differences(
    topic: Topic, state: admin.TopicState, found: dict[str, str], brokers: int
) -> list[str]:
    replication = min(_REPLICATION_MAX, brokers)
    lines = []
    if state.partitions not in {topic.partitions_local, topic.partitions}:
        lines.append(
            f"{topic.name}: {state.partitions} partitions, declared {topic.partitions} "
            f"({topic.partitions_local} locally); recreate the topic"
        )
    if state.replication < replication:
        lines.append(
            f"{topic.name}: {state.replication} copies, declared {replication}; "
            "reassign its partitions with more replicas"
        )
    for key, value in topic.configs(replication).items():
        if found.get(key) != value:
            lines.append(
                f"{topic.name}: {key}={found.get(key)}, declared {value}; "
                f"kafka-configs.sh --alter --topic {topic.name} --add-config {key}={value}"
            )
    return lines


async def _offsets_kept(settings: Settings) -> list[str]:
    minutes = int((await admin.broker_configs(settings)).get("offsets.retention.minutes") or 0)
    needed = _MONTH_MS // 60_000
    if minutes >= needed:
        return []
    line = (
        f"the cluster forgets groups' offsets after {minutes} minutes, its topics keep {needed}: "
        f"set offsets.retention.minutes={needed} or more on every broker"
    )
    return [line]


async def _make_log_id(settings: Settings) -> list[str]:
    """Make the log's identity if there is none.

    Two that do this at once settle on the record that came first, which is then repeated, so that
    compaction (it keeps the last) can't change what everybody has read.
    """
    if await _log_ids(settings):
        return []
    await _refuse_a_used_log(settings)
    own = uuid.uuid4().hex
    await _write_log_id(settings, own)
    first = (await _log_ids(settings))[0]
    if first != own:
        await _write_log_id(settings, first)
        return []
    return [f"made log {own}"]


async def _refuse_a_used_log(settings: Settings) -> None:
    count = await partition_count(settings, DECISIONS)
    offsets = admin.Offsets(settings)
    try:
        ends = await offsets.ends(DECISIONS, range(count))
    finally:
        await offsets.close()
    if any(ends.values()):
        raise Fatal(
            f"{DECISIONS} has records but {SNAPSHOTS} doesn't name its log: write the record with "
            "key `log` again from a backup or from any record of the log"
        )


async def _log_ids(settings: Settings) -> list[str]:
    """Every identity on the topic, oldest first."""
    found = []
    log = KafkaPartitionLog(settings, SNAPSHOTS, 0)
    try:
        position, end = await log.bounds()
        while position < end:
            chunk = await log.read(position)
            position = chunk.next_offset
            for record in chunk.records:
                if record.key == _LOG_KEY:
                    try:
                        found.append(LogRecord.model_validate_json(record.value).log_id)
                    except ValidationError as error:
                        raise Fatal(f"{SNAPSHOTS}: the record of the log is damaged") from error
    finally:
        await log.close()
    return found


async def _write_log_id(settings: Settings, log_id: str) -> None:
    log = KafkaPartitionLog(settings, SNAPSHOTS, 0)
    event = Event(ids.event_id("log", log_id), LOG_TYPE, "vaxel/topics", time_ms=0, subject=log_id)
    try:
        await log.append(_LOG_KEY, LogRecord(log_id=log_id).to_json(), event.headers())
    finally:
        await log.close()
