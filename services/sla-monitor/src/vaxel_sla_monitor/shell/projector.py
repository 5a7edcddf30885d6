"""Decisions in, moves and marks out: what stands on ``vaxel.clocks`` comes from here.

Moves are acknowledged before the cursor that covers them is stored, so a kill repeats some with
the ids they had. Marks follow the moves that they speak of on every partition: whoever has read a
mark has read every move before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from vaxel_shared import ids
from vaxel_shared.clock import Clock
from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.contracts.sla import MARK_TYPE, MOVE_TYPE, Mark
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.admin import Offsets
from vaxel_shared.kafka.producer import Ack, Outgoing
from vaxel_shared.kafka.records import ChainCursor, ChainRecord
from vaxel_shared.kafka.retry import Backoff, Stopping
from vaxel_shared.kafka.topics import CLOCKS, DECISIONS, WORK
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger
from vaxel_sla_monitor.core.moves import move_id, moves_of
from vaxel_sla_monitor.shell.broker_time import BrokerTime
from vaxel_sla_monitor.shell.store import Store

SOURCE = "vaxel/sla-monitor"
POLL_MS = 200
BROKER_GONE_MS_MAX = 120_000
"""A broker that restarts is back in seconds; after this a fresh process is the better try."""
MARK_KEY = "mark"


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


class Sender(Protocol):
    """:class:`vaxel_shared.kafka.producer.Producer`."""

    async def send_many(self, records: list[Outgoing]) -> list[Ack]:
        """Send in order and wait for all."""
        ...


class Ends(Protocol):
    """:class:`vaxel_shared.kafka.admin.Offsets`."""

    async def ends(self, topic: str, partitions: list[int]) -> dict[int, int]:
        """The offsets that the next records get."""
        ...


class Projector:
    """One for the whole deployment; ``clocks`` is how many partitions ``vaxel.clocks`` has."""

    def __init__(
        self, reader: Decisions, sender: Sender, store: Store, ends: Ends | Offsets, *,
        clock: Clock, clocks: int, mark_ms: int,
    ) -> None:  # fmt: skip
        self._reader = reader
        self._sender = sender
        self._store = store
        self._ends = ends
        self._clock = clock
        self._clocks = clocks
        self._mark_ms = mark_ms
        self._time = BrokerTime(clock)
        self._polled: list[ChainRecord] = []
        """Read and not projected yet: the reader won't give them again."""
        self._known: dict[int, int] = {}
        self._marked_ms: int | None = None
        self.lag = True
        """Whether something is still to be read."""

    @property
    def known_ms(self) -> Mapping[int, int]:
        """How far each partition of the decisions is known."""
        return self._known

    async def begin(self) -> None:
        """Start the reader, and store where it stands, so that no partition is ever without."""
        await self._reader.start()
        cursors = [self._reader.cursor(partition) for partition in self._reader.partitions]
        await self._store.advance(cursors, self._clock.wall_ms())

    async def run(self, stop: asyncio.Event) -> None:
        """A task: project and mark until asked to stop."""
        backoff = Backoff(BROKER_GONE_MS_MAX)
        while not stop.is_set():
            try:
                await self.round()
                backoff.reset()
            except Retryable as error:
                try:
                    await backoff.pause("project decisions", error, stop)
                except Stopping:
                    return

    async def round(self) -> None:
        """Read what there is, project it, and mark when it is time."""
        if not self._polled:
            self._polled = await self._reader.poll(POLL_MS)
        if self._polled:
            await self._project(self._polled)
            self._polled = []
        now_ms = self._clock.monotonic_ms()
        if self._marked_ms is None or now_ms - self._marked_ms >= self._mark_ms:
            self._marked_ms = now_ms
            await self._mark()

    async def _project(self, records: list[ChainRecord]) -> None:
        outgoing = [item for record in records for item in _moves(record)]
        if outgoing:
            for ack in await self._sender.send_many(outgoing):
                self._time.heard(ack.timestamp_ms)
        cursors = {record.partition: record.cursor for record in records}
        await self._store.advance(cursors.values(), self._clock.wall_ms())
        get_logger().info(
            "projected", topic=DECISIONS, batch_count=len(records), count=len(outgoing)
        )

    async def _mark(self) -> None:
        """Say how far each partition is known: the broker's clock, read before the question.

        A partition is known up to then if every command that was on the log by then is covered by
        decisions that were read: whatever is decided later was asked for later.
        """
        now_ms = self._time.now_ms()
        partitions = self._reader.partitions
        ends = await self._ends.ends(WORK, partitions)
        behind = [p for p in partitions if self._reader.cursor(p).through + 1 < ends[p]]
        self.lag = bool(behind)
        if now_ms is not None:
            for partition in partitions:
                if partition not in behind:
                    known = max(now_ms, self._known.get(partition, 0))
                    self._known[partition] = known
                    metrics.SLA_WATERMARK.labels(str(partition)).set(known / 1000)
        value = Mark(known_ms=self._known).to_json()
        marks = []
        for partition in range(self._clocks):
            identity = ids.event_id("mark", str(partition), value.decode())
            event = Event(identity, MARK_TYPE, SOURCE, self._clock.wall_ms())
            marks.append(Outgoing(CLOCKS, MARK_KEY, value, event, partition))
        for ack in await self._sender.send_many(marks):
            self._time.heard(ack.timestamp_ms)


def _moves(record: ChainRecord) -> list[Outgoing]:
    """The moves of one record, each under its case's key."""
    made = []
    for index, decision in enumerate(record.batch.decisions):
        place = {"partition": record.partition, "seq": record.header.seq, "index": index}
        for move in moves_of(decision, **place):
            identity = move_id(record.header.log_id, move)
            event = Event(identity, MOVE_TYPE, SOURCE, move.at_ms, subject=move.case_id)
            made.append(Outgoing(CLOCKS, move.case_id, move.to_json(), event))
    return made
