"""Wires the router: the one place that knows all its parts."""

from __future__ import annotations

import uuid
from functools import partial

from vaxel_router.config import RouterSettings
from vaxel_router.shell.clock import LogClock
from vaxel_router.shell.gauges import Gauges
from vaxel_router.shell.http_api import LiveApi
from vaxel_router.shell.partition import Partition
from vaxel_router.shell.ports import Ports
from vaxel_router.shell.progress import Progress
from vaxel_router.shell.startcheck import refuse_wrong_topics
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.clock import SystemClock
from vaxel_shared.kafka.client import wait_for_broker
from vaxel_shared.kafka.deadletters import park
from vaxel_shared.kafka.log import KafkaPartitionLog
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.snapshots import SnapshotStore
from vaxel_shared.kafka.topic_reader import Record, TopicCursor, TopicReader
from vaxel_shared.kafka.topics import DECISIONS, SNAPSHOTS, WORK, partition_count, read_log_id
from vaxel_shared.kafka.writer import ChainWriter
from vaxel_shared.service import Service

NAME = "router"
BROKER_WAIT_MS = 60_000
"""A broker started beside us takes a few seconds, one that recovers from a kill a little longer."""


async def build(settings: RouterSettings) -> Service:
    """The service, ready to run. Raises Fatal or Retryable."""
    await wait_for_broker(settings, BROKER_WAIT_MS)
    await refuse_wrong_topics(settings)
    log_id = await read_log_id(settings)
    count = await partition_count(settings, WORK)
    producer = await Producer.start(settings, "vaxel/router")
    run_id = uuid.uuid4().hex
    partitions: dict[int, Partition] = {}
    for number in filter(settings.owns, range(count)):
        ports = _ports(settings, log_id, number, run_id, producer)
        partitions[number] = Partition(settings, log_id, number, ports)
    progress = Progress(settings, partitions)
    return Service(
        NAME,
        settings,
        tasks={
            **{f"partition-{number}": item.run for number, item in partitions.items()},
            "gauges": Gauges(partitions).run,
            "progress": progress.run,
        },
        routes=LiveApi(partitions).routes(),
        not_ready=partial(_not_ready, list(partitions.values())),
        closers=[producer.close, progress.close],
    )


def _ports(
    settings: RouterSettings, log_id: str, partition: int, run_id: str, producer: Producer
) -> Ports:
    blobs = FolderBlobs(settings.blobs)
    decisions = KafkaPartitionLog(settings, DECISIONS, partition)
    snapshots = KafkaPartitionLog(settings, SNAPSHOTS, partition)

    def open_reader(cursor: TopicCursor) -> TopicReader:
        return TopicReader(settings, WORK, {partition: cursor}, partitions=[partition])

    async def park_record(record: Record, reason: str) -> None:
        await park(producer, settings, record, service=NAME, error_class="rejected", reason=reason)

    return Ports(
        writer=ChainWriter(
            decisions,
            log_id=log_id,
            partition=partition,
            instance=str(settings.instance),
            run_id=run_id,
        ),
        decisions=decisions,
        snapshots=SnapshotStore(
            snapshots,
            blobs,
            log_id=log_id,
            partition=partition,
            accept_loss=settings.cold_start == "genesis",
        ),
        open_reader=open_reader,
        park=park_record,
        blobs=blobs,
        clock=LogClock(SystemClock()),
    )


def _not_ready(partitions: list[Partition]) -> list[str]:
    return [reason for partition in partitions for reason in partition.reasons]
