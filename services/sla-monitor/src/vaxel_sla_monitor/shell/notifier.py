"""From ``vaxel.sla`` to webhooks and mailboxes, through an outbox.

An event and how far events were read are stored together, the first of an id stays: however often
something is told on the topic, it is filed once. A notice is settled after it was sent, so a kill
between the two sends it again, under the id that the far side knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from pydantic import ValidationError

from vaxel_shared import ids
from vaxel_shared.clock import Clock
from vaxel_shared.contracts.sla import SlaEvent
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.deadletters import PoisonLimit, park_batch
from vaxel_shared.kafka.retry import Backoff, Stopping
from vaxel_shared.kafka.topic_reader import Record, TopicCursor
from vaxel_shared.kafka.topics import SLA
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger
from vaxel_sla_monitor.config import Files
from vaxel_sla_monitor.core.notices import wanted
from vaxel_sla_monitor.shell.outlets import Outcome
from vaxel_sla_monitor.shell.store import Notice, Store

POLL_MS = 200
BROKER_GONE_MS_MAX = 120_000
SENT_AT_ONCE_MAX = 20
ATTEMPTS_MAX = 20
"""With pauses up to ten minutes: about two hours; an alert is no use later."""
PAUSE_MS_FIRST, PAUSE_MS_MAX = 1_000, 600_000
LOOK_S = 1.0
FORGET_EVERY_S = 3_600.0


class Events(Protocol):
    """:class:`vaxel_shared.kafka.topic_reader.TopicReader` of ``vaxel.sla``."""

    @property
    def partitions(self) -> list[int]:
        """All partitions, once started."""
        ...

    async def start(self) -> None:
        """Verify the cursors."""
        ...

    async def poll(self, timeout_ms: int = 200, max_records: int = 500) -> list[Record]:
        """The next records."""
        ...

    def cursor(self, partition: int) -> TopicCursor:
        """After the last record."""
        ...


class Outlet(Protocol):
    """:class:`vaxel_sla_monitor.shell.outlets.Outlets`."""

    async def send(self, notice: Notice) -> Outcome:
        """Try once."""
        ...


class Notifier:
    """Files what is to be sent, and sends it."""

    def __init__(
        self, reader: Events, store: Store, outlet: Outlet, *,
        files: Callable[[], Files], park: Callable[[Record, str], Awaitable[None]], clock: Clock,
    ) -> None:  # fmt: skip
        self._reader = reader
        self._store = store
        self._outlet = outlet
        self._files = files
        self._park = park
        self._clock = clock
        self._limit = PoisonLimit(SLA)
        self._polled: list[Record] = []
        """Read and not filed yet: the reader won't give them again."""
        self._wake = asyncio.Event()

    async def begin(self) -> None:
        """Start the reader, and store where it stands, so that no partition is ever without."""
        await self._reader.start()
        rows = [self._reader.cursor(partition).row() for partition in self._reader.partitions]
        await self._store.file([], rows, self._clock.wall_ms())

    async def follow(self, stop: asyncio.Event) -> None:
        """A task: file what events ask for, until asked to stop."""
        backoff = Backoff(BROKER_GONE_MS_MAX)
        while not stop.is_set():
            try:
                await self.read()
                backoff.reset()
            except Retryable as error:
                try:
                    await backoff.pause("read vaxel.sla", error, stop)
                except Stopping:
                    return

    async def read(self) -> None:
        """File what came next."""
        if not self._polled:
            self._polled = await self._reader.poll(POLL_MS)
        if not self._polled:
            return
        filed: list[Notice] = []
        bad: dict[tuple[int, int], str] = {}
        for record in self._polled:
            try:
                event = SlaEvent.model_validate_json(record.value)
            except ValidationError:
                bad[record.partition, record.offset] = "unreadable_sla_event"
                continue
            filed += self._notices(event)
        await park_batch(self._limit, self._polled, bad, self._park)
        partitions = sorted({record.partition for record in self._polled})
        rows = [self._reader.cursor(partition).row() for partition in partitions]
        await self._store.file(filed, rows, self._clock.wall_ms())
        self._polled = []
        self._wake.set()

    async def dispatch(self, stop: asyncio.Event) -> None:
        """A task: send what is due, until asked to stop."""
        forgotten_ms: int | None = None
        while not stop.is_set():
            now_ms = self._clock.monotonic_ms()
            if forgotten_ms is None or now_ms - forgotten_ms > FORGET_EVERY_S * 1000:
                forgotten_ms = now_ms
                await self._store.forget(self._clock.wall_ms())
            if await self.send():
                continue
            self._wake.clear()
            waiting = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self._wake.wait())]
            await asyncio.wait(waiting, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()

    async def send(self) -> int:
        """Try what is due now; answers how many were tried. One at a time a target, in order."""
        due = await self._store.due(self._clock.wall_ms(), SENT_AT_ONCE_MAX)
        lanes: dict[str, list[Notice]] = {}
        for notice in due:
            lanes.setdefault(notice.target, []).append(notice)
        await asyncio.gather(*(self._lane(lane) for lane in lanes.values()))
        return len(due)

    async def _lane(self, lane: list[Notice]) -> None:
        for notice in lane:
            outcome = await self._outlet.send(notice)
            await self._settle(notice, outcome)

    async def _settle(self, notice: Notice, outcome: Outcome) -> None:
        if outcome.state == "later" and notice.attempts + 1 < ATTEMPTS_MAX:
            pause_ms = min(PAUSE_MS_MAX, PAUSE_MS_FIRST << min(notice.attempts, 20))
            next_ms = self._clock.wall_ms() + pause_ms
            await self._store.settle(notice, "pending", outcome.code, next_ms)
            metrics.SLA_NOTICES.labels(notice.kind, "later").inc()
            return
        state = "sent" if outcome.state == "done" else "failed"
        await self._store.settle(notice, state, outcome.code)
        metrics.SLA_NOTICES.labels(notice.kind, state).inc()
        level = get_logger().info if state == "sent" else get_logger().warning
        level(
            "notice_" + state,
            kind=notice.kind,
            case_id=notice.event.case_id,
            code=outcome.code,
            attempt=notice.attempts + 1,
        )

    def _notices(self, event: SlaEvent) -> list[Notice]:
        notify = self._files().sla.file.notify
        post, mail = wanted(event, notify)
        targets = [("webhook", item.url) for item in notify.webhooks] if post else []
        targets += [("email", address) for address in notify.email] if mail else []
        return [
            Notice(ids.event_id("notice", event.id, kind, target), kind, target, event)
            for kind, target in targets
        ]
