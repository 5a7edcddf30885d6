"""Reading both logs into the database: what was read and how far, in one transaction.

After a start nothing is sent before both feeds have come to where their logs ended then: what had
ended or was reported meanwhile is known from there on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from pydantic import ValidationError

from vaxel_delivery.core.kept import keep
from vaxel_delivery.core.project import Answered, Change, Place, Unreadable, answered, changes
from vaxel_delivery.core.routes import Routes
from vaxel_delivery.shell.store import Store
from vaxel_delivery.shell.waiters import Waiters
from vaxel_shared.clock import Clock
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.deadletters import PoisonLimit, park_batch
from vaxel_shared.kafka.records import ChainCursor, ChainRecord
from vaxel_shared.kafka.retry import Backoff, Stopping
from vaxel_shared.kafka.topic_reader import Record, TopicCursor
from vaxel_shared.kafka.topics import DECISIONS, INTERACTIONS
from vaxel_shared.obs import metrics

POLL_MS = 200
BROKER_GONE_MS_MAX = 120_000
"""How long reading may fail in a row; after this a fresh process is the better try."""

DECISIONS_MAX = 500
"""Decisions a transaction, some forty milliseconds: what is to be sent is written in between."""

Park = Callable[[Record, str], Awaitable[None]]
"""Write a dead letter for this record with this reason; returns once it is acknowledged."""


class Decisions(Protocol):
    """:class:`vaxel_shared.kafka.reader.DecisionsReader`."""

    @property
    def partitions(self) -> list[int]:
        """All partitions, once started."""
        ...

    async def start(self) -> None:
        """Verify the cursors."""
        ...

    async def poll(self, timeout_ms: int = 200, max_records: int = 200) -> list[ChainRecord]:
        """Valid records."""
        ...

    def cursor(self, partition: int) -> ChainCursor:
        """After the last valid record."""
        ...

    async def caught_up(self) -> bool:
        """Whether everything was read that was there at the start."""
        ...

    async def lag(self) -> dict[int, int]:
        """How many offsets are left to read."""
        ...


class Interactions(Protocol):
    """:class:`vaxel_shared.kafka.topic_reader.TopicReader`."""

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

    async def caught_up(self) -> bool:
        """Whether everything was read that was there at the start."""
        ...

    async def lag(self) -> dict[int, int]:
        """How many offsets are left to read."""
        ...


class Pace:
    """How far a feed came, for the watchdog: what it handled, and what its log still holds.

    Counted in records handled, because void records move a reader and not its cursor.
    """

    def __init__(self, lag: Callable[[], Awaitable[dict[int, int]]]) -> None:
        self._lag = lag
        self._handled: Counter[int] = Counter()

    def handled(self, partitions: Iterable[int]) -> None:
        """One record each of these partitions is stored."""
        self._handled.update(partitions)

    async def positions(self) -> dict[int, int]:
        """Records handled, by partition."""
        return dict(self._handled)

    async def ends(self) -> dict[int, int]:
        """What :meth:`positions` will be when all is read; raises ``Retryable``."""
        return {part: self._handled[part] + left for part, left in (await self._lag()).items()}


class DecisionsFeed:
    """Valid decisions into the outbox and what else delivery remembers of them."""

    def __init__(
        self,
        reader: Decisions,
        store: Store,
        waiters: Waiters,
        park: Park,
        wake: Callable[[], None],
        *,
        routes: Callable[[], Routes] = Routes,
    ) -> None:
        self._reader = reader
        self._store = store
        self._routes = routes
        self._waiters = waiters
        self._park = park
        self._wake = wake
        self.pace = Pace(reader.lag)
        self._polled: list[ChainRecord] = []
        """Read and not stored yet: the reader won't give them again."""
        self.caught_up = False

    async def begin(self) -> None:
        """Start the reader, and store where it stands, so that no partition is ever without."""
        await self._reader.start()
        rows = [self._reader.cursor(partition).row() for partition in self._reader.partitions]
        await self._store.fold([], rows)

    async def run(self, stop: asyncio.Event) -> None:
        """A task: read until asked to stop."""
        await _read(self._round, "decisions", stop)

    async def _round(self) -> None:
        if not self._polled:
            self._polled = await self._reader.poll(POLL_MS)
        while self._polled:
            portion = portion_of(self._polled)
            await self.take(portion)
            del self._polled[: len(portion)]
        if not self.caught_up and await self._reader.caught_up():
            self.caught_up = True
            self._wake()

    async def take(self, records: list[ChainRecord]) -> None:
        """Store what some records say, and tell whoever waits for it."""
        found: list[Change] = []
        replies: list[Answered] = []
        for record in records:
            said = changes(_place(record, self._routes()), record.batch)
            for change in said:
                if isinstance(change, Unreadable):
                    await self._park(_as_plain(record), f"unreadable_{change.type}"[:64])
            found += said
            replies += answered(record.batch)
        cursors = {record.partition: record.cursor.row() for record in records}
        await self._store.fold(found, cursors.values())
        metrics.CONSUMED.labels(DECISIONS).inc(len(records))
        self.pace.handled(record.partition for record in records)
        self._waiters.tell(found, replies)
        self._wake()


class InteractionsFeed:
    """What answers need of each interaction, into the store."""

    def __init__(
        self, reader: Interactions, store: Store, clock: Clock, park: Park, wake: Callable[[], None]
    ) -> None:
        self._reader = reader
        self._store = store
        self._clock = clock
        self._park = park
        self._wake = wake
        self.pace = Pace(reader.lag)
        self._limit = PoisonLimit(INTERACTIONS)
        self._polled: list[Record] = []
        """Read and not stored yet: the reader won't give them again."""
        self.caught_up = False

    async def begin(self) -> None:
        """Start the reader, and store where it stands, so that no partition is ever without."""
        await self._reader.start()
        rows = [self._reader.cursor(partition).row() for partition in self._reader.partitions]
        await self._store.keep([], rows, self._clock.wall_ms())

    async def run(self, stop: asyncio.Event) -> None:
        """A task: read until asked to stop."""
        await _read(self._round, "interactions", stop)

    async def _round(self) -> None:
        if not self._polled:
            self._polled = await self._reader.poll(POLL_MS)
        if self._polled:
            await self.take(self._polled)
            self._polled = []
        if not self.caught_up and await self._reader.caught_up():
            self.caught_up = True
            self._wake()

    async def take(self, records: list[Record]) -> None:
        """Store what some records hold."""
        kept = []
        bad: dict[tuple[int, int], str] = {}
        for record in records:
            try:
                item = keep(Interaction.model_validate_json(record.value))
            except ValidationError:
                bad[record.partition, record.offset] = "unreadable_interaction"
                continue
            if item is not None:
                kept.append(item)
        await park_batch(self._limit, records, bad, self._park)
        partitions = {record.partition for record in records}
        rows = [self._reader.cursor(partition).row() for partition in sorted(partitions)]
        await self._store.keep(kept, rows, self._clock.wall_ms())
        self.pace.handled(record.partition for record in records)


async def _read(round_: Callable[[], Awaitable[None]], what: str, stop: asyncio.Event) -> None:
    """Rounds until asked to stop; a broker that is away is waited for, but not for ever."""
    backoff = Backoff(BROKER_GONE_MS_MAX)
    while not stop.is_set():
        try:
            await round_()
            backoff.reset()
        except Retryable as error:
            try:
                await backoff.pause(what, error, stop)
            except Stopping:
                return


def portion_of(records: list[ChainRecord]) -> list[ChainRecord]:
    """The first records, up to the one that brings them to ``DECISIONS_MAX``."""
    count = 0
    for at, record in enumerate(records, start=1):
        count += len(record.batch.decisions)
        if count >= DECISIONS_MAX:
            return records[:at]
    return records[:]


def _place(record: ChainRecord, routes: Routes) -> Place:
    return Place(record.header.log_id, record.partition, record.header.seq, routes)


def _as_plain(record: ChainRecord) -> Record:
    return Record(
        DECISIONS, record.partition, record.offset, record.timestamp_ms, None, record.raw, ()
    )
