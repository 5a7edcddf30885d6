"""Sends what isn't published yet: blob first, then the command, then the ledger's mark."""

from __future__ import annotations

from vaxel_cli.publish.ledger import Ledger
from vaxel_cli.publish.publications import Publication, publications
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.clock import Clock, SystemClock
from vaxel_shared.config.deployment import Deployment
from vaxel_shared.contracts import cloudevents, commands
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.topics import WORK, read_log_id
from vaxel_shared.settings import Settings

SOURCE = "vaxel/publisher"


async def publish(
    settings: Settings, deployment: Deployment, clock: Clock | None = None
) -> list[Publication]:
    """Publish what changed since the last time; answers what was sent.

    Raises Retryable while the broker or the blob store is away, Fatal for a damaged ledger.
    Killed at any point, the next call sends what is missing.
    """
    clock = clock or SystemClock()
    ledger = Ledger.load(settings.data_dir, await read_log_id(settings))
    now_ms = clock.wall_ms()
    due = [
        (publication, serial)
        for publication in publications(deployment)
        if (serial := ledger.due(publication, now_ms)) is not None
    ]
    if not due:
        return []
    blobs = FolderBlobs(settings.blobs)
    producer = await Producer.start(settings, SOURCE)
    try:
        for publication, serial in due:
            await blobs.put(publication.kind, publication.blob)
            ledger.sending(publication, serial)
            await _send(producer, publication, serial, clock.wall_ms())
            ledger.sent(publication, serial)
    finally:
        await producer.close()
    return [publication for publication, _ in due]


async def _send(producer: Producer, publication: Publication, serial: int, now_ms: int) -> None:
    command = publication.command(serial)
    event = cloudevents.Event(
        id=command.id,
        type=commands.event_type(command.type),
        source=SOURCE,
        time_ms=now_ms,
        subject=command.pool,
    )
    await producer.send(WORK, command.pool, command.to_json(), event)
