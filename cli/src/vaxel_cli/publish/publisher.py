"""Sends what isn't published yet: blob first, then the command, then the ledger's mark.

No agent serves two pools at once: who moves appears in the new pool's roster only when the router
has let them go from the old one.
"""

from __future__ import annotations

from dataclasses import replace

from vaxel_cli.publish.ledger import Ledger
from vaxel_cli.publish.moves import until_left
from vaxel_cli.publish.publications import Publication, policy, publications, roster
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
    ledger = Ledger.load(settings.data_dir, await read_log_id(settings))
    sender = _Sender(settings, ledger, clock or SystemClock())
    try:
        moving: list[Publication] = []
        for publication in publications(deployment):
            movers = {
                agent for agents in ledger.elsewhere(publication).values() for agent in agents
            }
            if movers:
                moving.append(publication)
                staying = [
                    agent
                    for agent in deployment.roster.of_pool(publication.pool)
                    if agent.id not in movers
                ]
                await sender.send(roster(publication.pool, staying))
            else:
                await sender.send(publication)
        for publication in moving:
            for pool, agents in ledger.elsewhere(publication).items():
                await until_left(settings, pool, agents)
                ledger.left(pool, agents)
            await sender.send(publication)
    finally:
        await sender.close()
    return sender.sent


async def publish_shadow(
    settings: Settings, deployment: Deployment, share: int, clock: Clock | None = None
) -> list[Publication]:
    """Publish a deployment's policies as second ones, each time anew; raises as :func:`publish`."""
    now_ms = (clock or SystemClock()).wall_ms()
    blobs, sent = FolderBlobs(settings.blobs), []
    producer = await Producer.start(settings, SOURCE)
    try:
        for publication in [policy(deployment, pool) for pool in deployment.routing.pools]:
            data = {**publication.data.to_dict(), "kind": "shadow", "share": share}
            other = replace(publication, data=commands.PolicyPublish.model_validate(data))
            await blobs.put(other.kind, other.blob)
            await _send(producer, other, now_ms, now_ms)
            sent.append(other)
    finally:
        await producer.close()
    return sent


class _Sender:
    """Sends what the ledger says is due; connects only when something is."""

    def __init__(self, settings: Settings, ledger: Ledger, clock: Clock) -> None:
        self.sent: list[Publication] = []
        self._settings = settings
        self._ledger = ledger
        self._clock = clock
        self._blobs = FolderBlobs(settings.blobs)
        self._producer: Producer | None = None

    async def send(self, publication: Publication) -> None:
        serial = self._ledger.due(publication, self._clock.wall_ms())
        if serial is None:
            return
        if self._producer is None:
            self._producer = await Producer.start(self._settings, SOURCE)
        await self._blobs.put(publication.kind, publication.blob)
        self._ledger.sending(publication, serial)
        await _send(self._producer, publication, serial, self._clock.wall_ms())
        self._ledger.sent(publication, serial)
        self.sent.append(publication)

    async def close(self) -> None:
        if self._producer is not None:
            await self._producer.close()


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
