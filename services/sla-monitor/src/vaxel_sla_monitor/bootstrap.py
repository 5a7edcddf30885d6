"""The one place that wires the SLA monitor together.

Instance 0 projects decisions and sends notices; the stream of clocks is every instance's, each
with its share of the partitions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from vaxel_shared.clock import SystemClock
from vaxel_shared.errors import Fatal
from vaxel_shared.kafka.admin import Offsets, group_offsets
from vaxel_shared.kafka.client import wait_for_broker
from vaxel_shared.kafka.deadletters import park
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.reader import DecisionsReader
from vaxel_shared.kafka.records import ChainCursor
from vaxel_shared.kafka.topic_reader import Record, TopicCursor, TopicReader
from vaxel_shared.kafka.topics import CLOCKS, DECISIONS, SLA, partition_count
from vaxel_shared.obs.logging import get_logger
from vaxel_shared.service import Service
from vaxel_shared.sql import make_engine, migrate
from vaxel_sla_monitor.config import LiveFiles, MonitorSettings
from vaxel_sla_monitor.shell.notifier import Notifier
from vaxel_sla_monitor.shell.outlets import Outlets
from vaxel_sla_monitor.shell.projector import SOURCE, Projector
from vaxel_sla_monitor.shell.store import Store
from vaxel_sla_monitor.shell.stream import APP, ClockStream
from vaxel_sla_monitor.shell.teller import Teller

NAME = "sla-monitor"
MIGRATIONS = Path(__file__).parent / "migrations"
BROKER_WAIT_MS = 60_000
WATCH_S = 1.0
Parking = Callable[[Record, str], Awaitable[None]]
FRESH_MS = 15_000
"""A mark older than this, and the monitor says that it is blind."""


async def build(settings: MonitorSettings) -> Service:
    """Everything that the monitor is made of, ready to run.

    Raises Fatal where cursors or topics don't fit or the configuration is wrong, Retryable without
    a broker. What was opened by then is closed.
    """
    async with AsyncExitStack() as opened:
        service = await _build(settings, opened)
        opened.pop_all()  # from here on they are the service's
        return service


async def _build(settings: MonitorSettings, opened: AsyncExitStack) -> Service:
    clock = SystemClock()
    files = LiveFiles(settings, clock)
    await wait_for_broker(settings, BROKER_WAIT_MS)
    producer = await Producer.start(settings, SOURCE)
    opened.push_async_callback(producer.close)

    async def parking(record: Record, reason: str) -> None:
        await park(producer, settings, record, service=NAME, error_class="poison", reason=reason)

    stream = ClockStream(
        settings,
        sender=producer,
        teller=Teller(producer, clock),
        park=parking,
        rules=lambda: files.rules,
        clock=clock,
    )
    service = Service(name=NAME, settings=settings, closers=[producer.close])
    service.tasks = {"clocks": stream.run, "config": files.watch}
    leading = settings.instance == 0
    if leading:
        store, projector, notifier, outlets = await _leading(
            settings, opened, producer=producer, files=files, clock=clock, parking=parking
        )
        service.closers += [store.close, outlets.close]
        service.tasks |= {
            "projector": projector.run,
            "events": notifier.follow,
            "notices": notifier.dispatch,
        }
        service.tasks["watch"] = lambda stop: _watch(stream, settings, clock, stop)

    def not_ready() -> list[str]:
        reasons = [] if stream.recovered else ["clocks aren't recovered yet"]
        age_ms = stream.blind_ms
        if age_ms is None:
            reasons.append("no mark was read yet: it isn't known how far decisions are known")
        elif age_ms > FRESH_MS:
            reasons.append(f"blind: decisions are known until {age_ms // 1000} s ago only")
        return reasons

    service.not_ready = not_ready
    return service


async def _leading(
    settings: MonitorSettings, opened: AsyncExitStack, *, producer: Producer, files: LiveFiles,
    clock: SystemClock, parking: Parking,
) -> tuple[Store, Projector, Notifier, Outlets]:  # fmt: skip
    """What only one instance does."""
    await migrate(settings, NAME, MIGRATIONS)
    store = Store(make_engine(settings, NAME))
    opened.push_async_callback(store.close)
    reading = settings
    if await _lost(settings):
        await _set_back(settings, store)
        reading = settings.model_copy(update={"cold_start": "genesis"})
    rows = await store.cursors(DECISIONS)
    decisions = DecisionsReader(reading, {p: ChainCursor.from_row(r) for p, r in rows.items()})
    opened.push_async_callback(decisions.close)
    rows = await store.cursors(SLA)
    events = TopicReader(settings, SLA, {p: TopicCursor.from_row(r) for p, r in rows.items()})
    opened.push_async_callback(events.close)
    offsets = Offsets(settings)
    opened.push_async_callback(offsets.close)
    outlets = Outlets(settings, lambda: files.now, clock)
    opened.push_async_callback(outlets.close)
    projector = Projector(
        decisions, producer, store, offsets,
        clock=clock, clocks=await partition_count(settings, CLOCKS), mark_ms=settings.mark_ms,
    )  # fmt: skip
    notifier = Notifier(events, store, outlets, files=lambda: files.now, park=parking, clock=clock)
    await projector.begin()
    await notifier.begin()
    return store, projector, notifier, outlets


async def _lost(settings: MonitorSettings) -> bool:
    """Whether records that the stream hasn't read are gone: it was away for longer than a month."""
    count = await partition_count(settings, CLOCKS)
    offsets = Offsets(settings)
    try:
        begins = await offsets.begins(CLOCKS, range(count))
    finally:
        await offsets.close()
    placed = await group_offsets(settings, settings.topic(APP), CLOCKS)
    return any(
        begin > 0 and (partition not in placed or placed[partition].offset < begin)
        for partition, begin in begins.items()
    )


async def _set_back(settings: MonitorSettings, store: Store) -> None:
    """Project again all decisions that there are; whoever knows a move already ignores it."""
    count = await partition_count(settings, DECISIONS)
    offsets = Offsets(settings)
    try:
        begins = await offsets.begins(DECISIONS, range(count))
    finally:
        await offsets.close()
    await store.set_back(begins)
    get_logger().warning(
        "set_back", topic=CLOCKS, remedy="none needed: decisions are projected once more"
    )


async def _watch(
    stream: ClockStream, settings: MonitorSettings, clock: SystemClock, stop: asyncio.Event
) -> None:
    """A task. Raises Fatal where marks are written and the stream doesn't read them."""
    while not stop.is_set():
        quiet_ms = clock.monotonic_ms() - stream.read_ms
        if stream.recovered and quiet_ms > settings.stall_ms:
            raise Fatal(f"the stream of clocks has read nothing for {quiet_ms} ms; restarting")
        try:
            await asyncio.wait_for(stop.wait(), WATCH_S)
        except TimeoutError:
            continue
