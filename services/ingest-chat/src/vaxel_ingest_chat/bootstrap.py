"""Wires ingest-chat: the one place that knows all its parts."""

from __future__ import annotations

import asyncio
from functools import partial

from vaxel_ingest_chat.config import IngestChatSettings
from vaxel_ingest_chat.shell.accounts import Accounts
from vaxel_ingest_chat.shell.edge import Edge
from vaxel_ingest_chat.shell.feed import Feed
from vaxel_ingest_chat.shell.health import Health
from vaxel_ingest_chat.shell.history import History
from vaxel_ingest_chat.shell.hooks import Hooks
from vaxel_ingest_chat.shell.intake import SOURCE, Intake
from vaxel_ingest_chat.shell.leaving import Leaving
from vaxel_ingest_chat.shell.pages import Pages
from vaxel_ingest_chat.shell.session import House
from vaxel_ingest_chat.shell.spool import Spool
from vaxel_ingest_chat.shell.web import Web
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.clock import SystemClock
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.service import Service

NAME = "ingest-chat"


async def build(settings: IngestChatSettings) -> Service:
    """The service, ready to run. Raises ``ConfigError``, ``Fatal`` or ``Retryable``."""
    keyring = Keyring.load(settings.secrets)
    accounts = Accounts(settings.config_dir, settings.secrets)
    clock = SystemClock()
    blobs = FolderBlobs(settings.blobs)
    # The producer throws its client away when it is late; whoever waits must not be faster. Neither
    # needs a broker to begin with: until there is one, the spool takes what comes.
    producer = Producer(settings, SOURCE, settings.chat_send_timeout_ms)
    resender = Producer(settings, SOURCE, settings.spool_send_timeout_ms)
    spool = Spool(
        settings.spool,
        resender,
        bytes_max=settings.spool_bytes_max,
        free_bytes_min=settings.spool_free_bytes_min,
    )
    await asyncio.to_thread(spool.open)
    feed = Feed(settings, blobs, settings.chat_recent_messages_max)
    intake = Intake(
        sender=producer,
        blobs=blobs,
        clock=clock,
        send_timeout_ms=settings.chat_send_timeout_ms,
        storing_max=settings.hook_storing_max,
        spool=spool,
    )
    edge = Edge(settings, lambda: clock.monotonic_ms() / 1000)
    leaving = Leaving(intake, settings.chat_left_after_ms)
    house = House(
        settings=settings,
        keyring=keyring,
        clock=clock,
        edge=edge,
        feed=feed,
        history=History(
            settings, feed, settings.chat_history_records_max, settings.chat_history_readers_max
        ),
        intake=intake,
        leaving=leaving,
    )
    visitors = Web(house, accounts)
    hooks = Hooks(
        settings, accounts=accounts, intake=intake, keyring=keyring, clock=clock, edge=edge
    )
    health = Health(settings)

    def not_ready() -> list[str]:
        # A broker that is away afterwards is no reason: what comes is kept in the spool.
        unseen = [] if feed.begun else health.reasons() or feed.reasons()
        return spool.reasons() + unseen

    return Service(
        NAME,
        settings,
        tasks={
            "feed": feed.run,
            "visitors": visitors.run,
            "config": partial(accounts.watch, poll_ms=settings.config_poll_ms),
            "health": health.run,
            "spool": spool.run,
        },
        routes=[*visitors.routes(), *hooks.routes(), *Pages(accounts).routes()],
        not_ready=not_ready,
        closers=[leaving.close, spool.close, producer.close, resender.close],
    )
