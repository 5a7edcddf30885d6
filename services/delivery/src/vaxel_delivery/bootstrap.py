"""The one place that wires delivery together."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from vaxel_delivery.config import LiveFiles
from vaxel_delivery.shell.answer_book import AnswerBook
from vaxel_delivery.shell.answers import Answers, Desk
from vaxel_delivery.shell.carriers import Carriers, Way, log_way
from vaxel_delivery.shell.dispatch import Dispatcher
from vaxel_delivery.shell.feed import DecisionsFeed, InteractionsFeed, Pace
from vaxel_delivery.shell.guarded_http import GuardedHttp
from vaxel_delivery.shell.hooks import HookSender, hook_way
from vaxel_delivery.shell.lock import Lock, only_one
from vaxel_delivery.shell.outbox import Outbox
from vaxel_delivery.shell.prepare import Preparer
from vaxel_delivery.shell.publish import SOURCE, Publisher
from vaxel_delivery.shell.relay import relay_gate
from vaxel_delivery.shell.smtp import SmtpSender
from vaxel_delivery.shell.store import Store
from vaxel_delivery.shell.waiters import Waiters
from vaxel_delivery.shell.web import Pages
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.clock import Clock, SystemClock
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.kafka.client import wait_for_broker
from vaxel_shared.kafka.deadletters import park
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.reader import DecisionsReader
from vaxel_shared.kafka.records import ChainCursor
from vaxel_shared.kafka.topic_reader import Record, TopicCursor, TopicReader
from vaxel_shared.kafka.topics import DECISIONS, INTERACTIONS
from vaxel_shared.kafka.watchdog import Watchdog
from vaxel_shared.service import Service, Task
from vaxel_shared.settings import Settings
from vaxel_shared.sql import make_engine, migrate

NAME = "delivery"
MIGRATIONS = Path(__file__).parent / "migrations"
BROKER_WAIT_MS = 60_000
FORGET_EVERY_S = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What everything else is made of; opened, and closed at the end."""

    settings: Settings
    clock: Clock
    files: LiveFiles
    keyring: Keyring
    lock: Lock
    store: Store
    producer: Producer
    publisher: Publisher
    http: GuardedHttp
    waiters: Waiters
    preparer: Preparer


async def build(settings: Settings) -> Service:
    """Everything that delivery is made of, ready to run.

    Raises Fatal where another delivery holds the database, where key or cursors don't fit, or the
    configuration is wrong; Retryable without a broker or a database. What was opened by then is
    closed.
    """
    async with AsyncExitStack() as opened:
        service = await _build(await _open(settings, opened), opened)
        opened.pop_all()  # from here on they are the service's
        return service


async def _open(settings: Settings, opened: AsyncExitStack) -> _Parts:
    clock = SystemClock()
    files = LiveFiles(settings.config_dir)
    keyring = Keyring.load(settings.secrets)
    store = Store(engine := make_engine(settings, NAME))
    opened.push_async_callback(store.close)
    lock = await only_one(settings, engine)
    opened.push_async_callback(lock.close)
    await migrate(settings, NAME, MIGRATIONS)
    await wait_for_broker(settings, BROKER_WAIT_MS)
    producer = await Producer.start(settings, SOURCE)
    opened.push_async_callback(producer.close)
    http = GuardedHttp()
    opened.push_async_callback(http.close)
    preparer = Preparer(
        store=store,
        blobs=FolderBlobs(settings.blobs),
        files=lambda: files.now,
        keyring=keyring,
        base_url=lambda: (files.now.connectors.public_url or settings.url(NAME)).rstrip("/"),
    )
    return _Parts(
        settings=settings,
        clock=clock,
        files=files,
        keyring=keyring,
        lock=lock,
        store=store,
        producer=producer,
        publisher=Publisher(producer, clock),
        http=http,
        waiters=Waiters(),
        preparer=preparer,
    )


async def _build(parts: _Parts, opened: AsyncExitStack) -> Service:
    settings, store = parts.settings, parts.store

    async def parking(record: Record, reason: str) -> None:
        await park(
            parts.producer, settings, record, service=NAME, error_class="poison", reason=reason
        )

    dispatcher = Dispatcher(
        outbox=Outbox(store, uuid.uuid4().hex),
        preparer=parts.preparer,
        carriers=_carriers(parts),
        publisher=parts.publisher,
        clock=parts.clock,
        ready=lambda: decisions.caught_up and interactions.caught_up,
    )
    decisions_reader, interactions_reader = await _readers(settings, store)
    opened.push_async_callback(decisions_reader.close)
    opened.push_async_callback(interactions_reader.close)
    wake = dispatcher.wake.set
    decisions = DecisionsFeed(
        decisions_reader, store, parts.waiters, parking, wake, routes=parts.files.routes
    )
    interactions = InteractionsFeed(interactions_reader, store, parts.clock, parking, wake)
    await interactions.begin()
    await decisions.begin()
    return Service(
        name=NAME,
        settings=settings,
        tasks={
            "decisions": decisions.run,
            "interactions": interactions.run,
            "dispatch": dispatcher.run,
            "decisions watchdog": _watchdog(DECISIONS, decisions.pace),
            "interactions watchdog": _watchdog(INTERACTIONS, interactions.pace),
            "config": parts.files.watch,
            "forget": lambda stop: _forget(store, parts.clock, stop),
            "lock": parts.lock.watch,
        },
        routes=[*_pages(parts).routes(), *_answers(parts).routes()],
        not_ready=lambda: _not_ready(decisions, interactions),
        closers=[
            store.close,
            parts.lock.close,
            parts.producer.close,
            parts.http.close,
            decisions_reader.close,
            interactions_reader.close,
        ],
    )


def _carriers(parts: _Parts) -> Carriers:
    """The ways out."""
    settings, files = parts.settings, parts.files
    relay = SmtpSender(settings, lambda: files.now.connectors.mail.relay)
    hooks = HookSender(parts.http, settings.secrets, lambda: files.now.connectors, parts.clock)
    return Carriers(
        mail=Way(relay, relay_gate()),
        log=log_way(parts.publisher),
        hooks=lambda name: hook_way(name, hooks),
    )


def _pages(parts: _Parts) -> Pages:
    """The pages behind offers' links."""
    return Pages(
        offer=parts.store.offer,
        facts=parts.preparer.facts,
        answers=parts.publisher,
        waiters=parts.waiters,
        keyring=parts.keyring,
        language=lambda: parts.files.now.channels.default_language,
        clock=parts.clock,
    )


def _answers(parts: _Parts) -> Answers:
    """The receiver of what agents do in their tools."""
    return Answers(
        Desk(
            webhooks=lambda: parts.files.now.connectors.webhooks,
            secrets=parts.settings.secrets,
            offer=parts.store.offer,
            case=parts.store.case,
            pool_of=parts.preparer.lookups.pool_of,
            blobs=FolderBlobs(parts.settings.blobs),
            asks=parts.publisher,
            book=AnswerBook(parts.store),
            waiters=parts.waiters,
            clock=parts.clock,
        )
    )


def _not_ready(decisions: DecisionsFeed, interactions: InteractionsFeed) -> list[str]:
    """Why nothing is sent yet; a relay that is away is no reason, mails wait for it."""
    feeds = (("decisions", decisions), ("interactions", interactions))
    return [f"reading {name} to the log's end" for name, feed in feeds if not feed.caught_up]


def _watchdog(topic: str, pace: Pace) -> Task:
    """A task that ends the process when a log grows and nothing of it is handled."""
    return Watchdog(topic, pace.positions, pace.ends).run


async def _readers(settings: Settings, store: Store) -> tuple[DecisionsReader, TopicReader]:
    """Both readers, each from the places that the database has."""
    chain = await store.cursors(DECISIONS)
    plain = await store.cursors(INTERACTIONS)
    return (
        DecisionsReader(settings, {p: ChainCursor.from_row(row) for p, row in chain.items()}),
        TopicReader(
            settings, INTERACTIONS, {p: TopicCursor.from_row(row) for p, row in plain.items()}
        ),
    )


async def _forget(store: Store, clock: Clock, stop: asyncio.Event) -> None:
    """A task: delete what is too old, at the start and every hour."""
    while not stop.is_set():
        await store.forget(clock.wall_ms())
        try:
            await asyncio.wait_for(stop.wait(), FORGET_EVERY_S)
        except TimeoutError:
            continue
