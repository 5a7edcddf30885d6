"""Wires ingest-email: the one place that knows all its parts."""

from __future__ import annotations

from functools import partial

from vaxel_ingest_email.config import IngestEmailSettings
from vaxel_ingest_email.shell.accounts import Accounts
from vaxel_ingest_email.shell.health import Health
from vaxel_ingest_email.shell.intake import SOURCE, Intake
from vaxel_ingest_email.shell.parsing import ParsePool
from vaxel_ingest_email.shell.receiver import Receiver
from vaxel_ingest_email.shell.seen import Seen
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.clock import SystemClock
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.service import Service

NAME = "ingest-email"


async def build(settings: IngestEmailSettings) -> Service:
    """The service, ready to run. Raises ``ConfigError``, ``Fatal`` or ``Retryable``."""
    keyring = Keyring.load(settings.secrets)
    accounts = Accounts(settings.config_dir)
    parser = ParsePool(
        settings.parse_workers, settings.parse_timeout_ms, settings.parse_memory_bytes_max
    )
    await parser.start()
    producer = await Producer.start(settings, SOURCE)
    clock = SystemClock()
    seen = Seen(settings, NAME, clock)
    intake = Intake(
        parser=parser,
        blobs=FolderBlobs(settings.blobs),
        sender=producer,
        keyring=keyring,
        clock=clock,
        timeout_ms=settings.accept_timeout_ms,
        seen=seen,
    )
    receiver = Receiver(settings, accounts, intake)
    health = Health(settings)

    def not_ready() -> list[str]:
        listening = [] if receiver.listening else ["SMTP isn't listening yet"]
        return listening + health.reasons()

    return Service(
        NAME,
        settings,
        tasks={
            "smtp": receiver.run,
            "health": health.run,
            "seen": seen.run,
            "config": partial(accounts.watch, poll_ms=settings.config_poll_ms),
        },
        not_ready=not_ready,
        closers=[parser.close, producer.close, seen.close],
    )
