"""Following the topics: each batch is projected and stored with its cursor in one transaction.

A reader whose broker goes away is thrown away and made again from the stored cursors; one whose log
isn't the one it read raises Fatal, and the process ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from vaxel_register.core.clocks import project_sla
from vaxel_register.core.limits import (
    CHECK_MS,
    READ_PAUSE_MS_MAX,
    READ_RETRIES_MAX,
    STALL_MS_MAX,
)
from vaxel_register.core.projection import project, project_deadletter, project_interaction
from vaxel_register.core.rows import Change
from vaxel_register.shell.arrivals import Arrivals
from vaxel_register.shell.store import CursorRow, Store
from vaxel_shared.clock import Clock
from vaxel_shared.contracts.deadletters import DeadLetter
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.contracts.sla import SlaEvent
from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka.deadletters import PoisonLimit, park_batch
from vaxel_shared.kafka.reader import ChainCursor, ChainRecord, DecisionsReader
from vaxel_shared.kafka.topic_reader import Record, TopicCursor, TopicReader
from vaxel_shared.kafka.topics import DEADLETTERS, DECISIONS, INTERACTIONS, SLA
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger
from vaxel_shared.settings import Settings

PAUSE_MS_MIN = 100


class Cursor(Protocol):
    """The place after what was read."""

    def row(self) -> CursorRow:
        """As the database keeps it."""
        ...


class Reader(Protocol):
    """What :class:`DecisionsReader` and :class:`TopicReader` have in common."""

    @property
    def partitions(self) -> list[int]:
        """All partitions."""
        ...

    async def start(self) -> None:
        """Verify the cursors."""
        ...

    async def poll(self) -> Sequence[Any]:
        """What came next; nothing where nothing came in time."""
        ...

    def cursor(self, partition: int) -> Cursor:
        """After what :meth:`poll` answered."""
        ...

    async def at_end(self) -> bool:
        """Whether all was read."""
        ...

    async def caught_up(self) -> bool:
        """Whether all was read that was there at the start."""
        ...

    async def close(self) -> None:
        """Let go."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """What records come to: changes of rows, and the commands that they answer."""

    changes: list[Change]
    causes: frozenset[str] = frozenset()


Park = Callable[[Record, str], Awaitable[None]]
"""Parks a record that can't be read, with the reason's code. Raises Retryable if it can't."""


@dataclass(frozen=True, slots=True)
class Parking:
    """Where what can't be read goes, and how much of it there may be."""

    park: Park
    limit: PoisonLimit


def decisions_batch(records: Sequence[ChainRecord]) -> Batch:
    """Valid records of the decisions."""
    changes: list[Change] = []
    causes: set[str] = set()
    for record in records:
        for index, decision in enumerate(record.batch.decisions):
            changes += project(
                decision,
                partition=record.partition,
                offset=record.offset,
                seq=record.header.seq,
                index=index,
            )
            causes.add(decision.cause)
    return Batch(changes, frozenset(causes))


T = TypeVar("T")


async def _readable(
    records: Sequence[Record], parse: Callable[[bytes], T], code: str, parking: Parking
) -> list[tuple[Record, T]]:
    """What can be read; what can't is parked first, unless it is too much."""
    found: list[tuple[Record, T]] = []
    bad: dict[tuple[int, int], str] = {}
    for record in records:
        try:
            found.append((record, parse(record.value)))
        except ValidationError:
            bad[record.partition, record.offset] = code
    await park_batch(parking.limit, records, bad, parking.park)
    return found


async def interactions_batch(records: Sequence[Record], parking: Parking) -> Batch:
    """Interactions; what is none becomes a dead letter first."""
    changes: list[Change] = []
    parse = Interaction.model_validate_json
    for record, interaction in await _readable(records, parse, "not_an_interaction", parking):
        changes += project_interaction(
            interaction,
            partition=record.partition,
            offset=record.offset,
            timestamp_ms=record.timestamp_ms,
        )
    return Batch(changes)


async def deadletters_batch(records: Sequence[Record], parking: Parking) -> Batch:
    """Dead letters; what is none becomes one, which is one then."""
    changes: list[Change] = []
    parse = DeadLetter.model_validate_json
    for record, letter in await _readable(records, parse, "not_a_deadletter", parking):
        changes += project_deadletter(letter, partition=record.partition, offset=record.offset)
    return Batch(changes)


async def sla_batch(records: Sequence[Record], parking: Parking) -> Batch:
    """SLA events; what is none becomes a dead letter first."""
    changes: list[Change] = []
    parse = SlaEvent.model_validate_json
    for record, event in await _readable(records, parse, "not_an_sla_event", parking):
        changes += project_sla(event, partition=record.partition, offset=record.offset)
    return Batch(changes)


Open = Callable[[Mapping[int, CursorRow]], Reader]
Make = Callable[[Sequence[Any]], Awaitable[Batch]]


class Follower:
    """Follows one topic for as long as the process lives."""

    def __init__(
        self, topic: str, open_reader: Open, make: Make, *, store: Store, arrivals: Arrivals,
        clock: Clock, stored: Callable[[], None],
    ) -> None:  # fmt: skip
        self.topic = topic
        self.caught_up = False
        """Whether all is stored that the log held at the start."""
        self.trouble: str | None = None
        """Why nothing is stored at present, in one line."""
        self._open = open_reader
        self._make = make
        self._store = store
        self._arrivals = arrivals
        self._clock = clock
        self._stored = stored
        self._failures = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until ``stop``. Raises Fatal where going on would be wrong."""
        while not stop.is_set():
            try:
                reader = self._open(await self._store.cursors(self.topic))
            except Retryable as error:
                await self._pause(error, stop)
                continue
            try:
                await reader.start()
                # All of them at once: a store that knows none can't tell new from lost.
                cursors = [reader.cursor(partition).row() for partition in reader.partitions]
                await self._store.apply([], cursors)
                await self._follow(reader, stop)
            except Retryable as error:
                await self._pause(error, stop)
            finally:
                await reader.close()

    async def _follow(self, reader: Reader, stop: asyncio.Event) -> None:
        checked_ms = moved_ms = self._clock.monotonic_ms()
        while not stop.is_set():
            records = await reader.poll()
            now_ms = self._clock.monotonic_ms()
            if records:
                await self._handle(reader, records)
                moved_ms = now_ms
            elif now_ms - checked_ms >= CHECK_MS:
                checked_ms = now_ms
                if await reader.at_end():
                    moved_ms = now_ms
                elif now_ms - moved_ms > STALL_MS_MAX:
                    raise Fatal(f"{self.topic} has unread records and none came; restarting")
            self.caught_up = self.caught_up or await reader.caught_up()
            self._failures, self.trouble = 0, None

    async def _handle(self, reader: Reader, records: Sequence[Any]) -> None:
        started_ms = self._clock.monotonic_ms()
        batch = await self._make(records)
        partitions = sorted({record.partition for record in records})
        await self._store.apply(
            batch.changes, [reader.cursor(partition).row() for partition in partitions]
        )
        self._arrivals.arrived(batch.causes)
        self._stored()
        get_logger().info(
            "batch_stored",
            topic=self.topic,
            batch_count=len(records),
            count=len(batch.changes),
            partitions=partitions,
            duration_ms=self._clock.monotonic_ms() - started_ms,
        )

    async def _pause(self, error: Retryable, stop: asyncio.Event) -> None:
        self._failures += 1
        self.trouble = f"{self.topic}: {error}"
        if self._failures > READ_RETRIES_MAX:
            raise error
        metrics.RETRIES.labels(f"read {self.topic}").inc()
        wait_ms = min(READ_PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** min(self._failures, 10))
        get_logger().warning(
            "read_failed", topic=self.topic, error=str(error), attempt=self._failures,
            wait_ms=wait_ms,
        )  # fmt: skip
        try:
            await asyncio.wait_for(stop.wait(), wait_ms / 1000)
        except TimeoutError:
            return


def followers(
    settings: Settings,
    *,
    store: Store,
    arrivals: Arrivals,
    clock: Clock,
    park: Park,
    stored: Callable[[], None],
) -> list[Follower]:
    """One for each topic that the register reads."""
    plain = (INTERACTIONS, SLA, DEADLETTERS)
    parking = {topic: Parking(park, PoisonLimit(topic)) for topic in plain}

    async def decisions(records: Sequence[ChainRecord]) -> Batch:
        return decisions_batch(records)

    async def interactions(records: Sequence[Record]) -> Batch:
        return await interactions_batch(records, parking[INTERACTIONS])

    async def sla(records: Sequence[Record]) -> Batch:
        return await sla_batch(records, parking[SLA])

    async def letters(records: Sequence[Record]) -> Batch:
        return await deadletters_batch(records, parking[DEADLETTERS])

    def open_decisions(rows: Mapping[int, CursorRow]) -> Reader:
        cursors = {partition: ChainCursor.from_row(row) for partition, row in rows.items()}
        return DecisionsReader(settings, cursors)

    def open_topic(topic: str) -> Open:
        def open_it(rows: Mapping[int, CursorRow]) -> Reader:
            cursors = {partition: TopicCursor.from_row(row) for partition, row in rows.items()}
            return TopicReader(settings, topic, cursors)

        return open_it

    shared = {"store": store, "arrivals": arrivals, "clock": clock, "stored": stored}
    return [
        Follower(DECISIONS, open_decisions, decisions, **shared),  # type: ignore[arg-type]
        Follower(INTERACTIONS, open_topic(INTERACTIONS), interactions, **shared),  # type: ignore[arg-type]
        Follower(SLA, open_topic(SLA), sla, **shared),  # type: ignore[arg-type]
        Follower(DEADLETTERS, open_topic(DEADLETTERS), letters, **shared),  # type: ignore[arg-type]
    ]
