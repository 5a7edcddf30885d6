"""Wires triage: the one place that knows all its parts."""

from __future__ import annotations

import asyncio
from functools import partial

from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.kafka.client import wait_for_broker
from vaxel_shared.kafka.consumer import GroupConsumer
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.topics import INTERACTIONS
from vaxel_shared.service import Service
from vaxel_triage.config import TriageSettings
from vaxel_triage.shell.deployment import Watch
from vaxel_triage.shell.detector import load_model
from vaxel_triage.shell.handler import SOURCE, Handler
from vaxel_triage.shell.health import Health

NAME = "triage"


async def build(settings: TriageSettings) -> Service:
    """The service, ready to run. Raises ``ConfigError``, ``Fatal`` or ``Retryable``."""
    keyring = Keyring.load(settings.secrets)
    model = await asyncio.to_thread(load_model)
    watch = Watch(settings.config_dir, model)
    await wait_for_broker(settings, settings.broker_wait_ms)
    producer = await Producer.start(settings, SOURCE)
    consumer = GroupConsumer(settings, INTERACTIONS, NAME)
    health = Health(settings)
    handler = Handler(
        sender=producer,
        blobs=FolderBlobs(settings.blobs),
        pseudonym=keyring.pseudonym,
        current=lambda: watch.current,
        text_budget_ms=settings.text_budget_ms,
    )
    return Service(
        NAME,
        settings,
        tasks={
            "interactions": partial(consumer.run, handler),
            "config": partial(watch.run, poll_ms=settings.config_poll_ms),
            "health": health.run,
        },
        not_ready=lambda: health.reasons() + consumer.reasons(),
        closers=[producer.close],
    )
