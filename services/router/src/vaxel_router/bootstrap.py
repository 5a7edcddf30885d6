"""Wires the router: the one place that knows all its parts."""

from __future__ import annotations

import uuid
from functools import partial

from vaxel_router.config import RouterSettings
from vaxel_router.shell.clock import LogClock
from vaxel_router.shell.gauges import Gauges
from vaxel_router.shell.http_api import LiveApi
from vaxel_router.shell.partition import Partition, Ports
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.clock import SystemClock
from vaxel_shared.errors import Fatal
from vaxel_shared.kafka.client import wait_for_broker
from vaxel_shared.kafka.log import KafkaPartitionLog
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.snapshots import SnapshotStore
from vaxel_shared.kafka.topics import DECISIONS, SNAPSHOTS, WORK, partition_count, read_log_id
from vaxel_shared.kafka.writer import ChainWriter
from vaxel_shared.service import Service

NAME = "router"
BROKER_WAIT_MS = 60_000
"""A broker started beside us takes a few seconds, one that recovers from a kill a little longer."""


async def build(settings: RouterSettings) -> Service:
    """The service, ready to run. Raises Fatal or Retryable."""
    await wait_for_broker(settings, BROKER_WAIT_MS)
    log_id = await read_log_id(settings)
    topics = (WORK, DECISIONS, SNAPSHOTS)
    counts = {topic: await partition_count(settings, topic) for topic in topics}
    if len(set(counts.values())) != 1:
        raise Fatal(
            f"work, decisions and snapshots need equal partition counts, not {counts};"
            " see `vaxel topics check`"
        )
    producer = await Producer.start(settings, "vaxel/router")
    run_id = uuid.uuid4().hex
    partitions: dict[int, Partition] = {}
    for number in filter(settings.owns, range(counts[WORK])):
        ports = _ports(settings, log_id, number, run_id, producer)
        partitions[number] = Partition(settings, log_id, number, ports)
    return Service(
        NAME,
        settings,
        tasks={
            **{f"partition-{number}": item.run for number, item in partitions.items()},
            "gauges": Gauges(partitions).run,
        },
        routes=LiveApi(partitions).routes(),
        not_ready=partial(_not_ready, list(partitions.values())),
        closers=[producer.close],
    )


def _ports(
    settings: RouterSettings, log_id: str, partition: int, run_id: str, producer: Producer
) -> Ports:
    blobs = FolderBlobs(settings.blobs)
    decisions = KafkaPartitionLog(settings, DECISIONS, partition)
    snapshots = KafkaPartitionLog(settings, SNAPSHOTS, partition)
    return Ports(
        writer=ChainWriter(
            decisions,
            log_id=log_id,
            partition=partition,
            instance=str(settings.instance),
            run_id=run_id,
        ),
        decisions=decisions,
        snapshots=SnapshotStore(snapshots, blobs, log_id=log_id, partition=partition),
        producer=producer,
        blobs=blobs,
        clock=LogClock(SystemClock()),
    )


def _not_ready(partitions: list[Partition]) -> list[str]:
    return [reason for partition in partitions for reason in partition.reasons]
