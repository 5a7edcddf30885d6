"""Where the contract suite runs: the simulated log, and the same partition on a real Kafka."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from simulation.simlog import SimulatedLog, SimulatedPartition
from simulation.toy import ENGINE, WALL_MS, batch

from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.kafka import chain, topics
from vaxel_shared.kafka.client import client_options
from vaxel_shared.kafka.log import Acknowledged, KafkaPartitionLog, PartitionLog
from vaxel_shared.kafka.reader import ChainCursor, ChainRecord, DecisionsReader
from vaxel_shared.kafka.snapshots import SnapshotStore
from vaxel_shared.kafka.topics import DECISIONS, SNAPSHOTS
from vaxel_shared.kafka.writer import ChainWriter
from vaxel_shared.settings import Settings

HEADERS = [("ce_id", b"1")]


class Place(Protocol):
    """One partition of decisions and of snapshots, and any number of clients on them."""

    log_id: str
    blobs: FolderBlobs
    opened: list[PartitionLog]

    def log(self, topic: str = DECISIONS) -> PartitionLog:
        """A new client's handle."""
        ...

    async def trim(self, before: int) -> None:
        """Retention: decisions now start at ``before``."""
        ...


class SimulatedPlace:
    """Everything in memory."""

    log_id = "ab" * 16

    def __init__(self, folder: Path) -> None:
        self.blobs = FolderBlobs(folder)
        self.opened: list[PartitionLog] = []
        self.partitions = {DECISIONS: SimulatedPartition(), SNAPSHOTS: SimulatedPartition()}

    def log(self, topic: str = DECISIONS) -> SimulatedLog:
        return SimulatedLog(self.partitions[topic])

    async def trim(self, before: int) -> None:
        self.partitions[DECISIONS].trim(before)


class KafkaPlace:
    """Partition 0 of the declared topics, under a prefix of the test's own."""

    log_id = ""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.blobs = FolderBlobs(settings.blobs)
        self.opened: list[PartitionLog] = []

    async def start(self) -> None:
        await topics.apply(self.settings, local=True)
        self.log_id = await topics.read_log_id(self.settings)

    def log(self, topic: str = DECISIONS) -> KafkaPartitionLog:
        log = KafkaPartitionLog(self.settings, topic, 0)
        self.opened.append(log)
        return log

    async def trim(self, before: int) -> None:
        tp = TopicPartition(self.settings.topic(DECISIONS), 0)
        admin = AIOKafkaAdminClient(**client_options(self.settings))
        await admin.start()
        await admin.delete_records({tp: RecordsToDelete(before_offset=before)})
        await admin.close()

    async def close(self) -> None:
        await asyncio.gather(*(log.close() for log in self.opened))


def writer(place: Place, run_id: str, log: PartitionLog | None = None) -> ChainWriter:
    return ChainWriter(
        log or place.log(), log_id=place.log_id, partition=0, instance="0", run_id=run_id
    )


async def started(place: Place, run_id: str, log: PartitionLog | None = None) -> ChainWriter:
    """A writer that has restored from the genesis and claimed."""
    one = writer(place, run_id, log)
    await restored(place, one)
    await one.claim(ENGINE, WALL_MS)
    return one


async def restored(place: Place, one: ChainWriter) -> list[ChainRecord]:
    folded: list[ChainRecord] = []
    await one.restore(folded.append, chain.genesis(place.log_id, 0))
    return folded


async def tick(one: ChainWriter) -> chain.ChainState:
    """Append a record without input."""
    at = one.position
    await one.append(
        batch(), from_=at.through + 1, through=at.through, through_sha256=at.through_sha256
    )
    return one.position


def store(place: Place) -> SnapshotStore:
    return SnapshotStore(place.log(SNAPSHOTS), place.blobs, log_id=place.log_id, partition=0)


def reader(
    place: Place, cursor: ChainCursor | None = None, *, cold: bool = False
) -> DecisionsReader:
    cursors = {} if cursor is None else {0: cursor}
    return DecisionsReader.over(
        {0: place.log()}, place.log_id, cursors, "genesis" if cold else "halt"
    )


async def read_all(one: DecisionsReader) -> list[ChainRecord]:
    found: list[ChainRecord] = []
    while not await one.at_end():
        found += await one.poll()
    return found


async def raw_append(log: PartitionLog, value: bytes) -> Acknowledged:
    return await log.append(b"0", value, HEADERS)
