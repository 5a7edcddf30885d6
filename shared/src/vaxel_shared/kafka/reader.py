"""Reading ``vaxel.decisions``: valid records only, in order, from a cursor that proves its place.

On start the record at each cursor is read again and its hash compared: a log that was cut, swapped
or filled again is noticed before anything is done with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from vaxel_shared.errors import Retryable
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.chain import ChainHalt, ChainState
from vaxel_shared.kafka.log import PartitionLog
from vaxel_shared.kafka.records import ChainCursor, ChainRecord, Judge, verify_start
from vaxel_shared.kafka.sources import KafkaSource, LogsSource, Source
from vaxel_shared.kafka.topics import DECISIONS, partition_count, read_log_id
from vaxel_shared.obs import metrics
from vaxel_shared.settings import Settings

__all__ = ["ChainCursor", "ChainRecord", "DecisionsReader"]

ColdStart = Literal["halt", "genesis"]


class DecisionsReader:
    """All partitions of the decisions, each from its cursor.

    A partition without a cursor begins at its genesis if its log is empty or ``cold_start`` allows
    it, else :meth:`start` halts. ``start``, ``poll`` and ``at_end`` raise ``Retryable`` without a
    broker and ``Fatal`` (:class:`ChainHalt` among them) where going on would be wrong.
    """

    def __init__(
        self,
        settings: Settings,
        cursors: Mapping[int, ChainCursor],
        *,
        logs: Mapping[int, PartitionLog] | None = None,
        log_id: str | None = None,
    ) -> None:
        self._settings = settings
        self._log_id = log_id
        self._logs = logs
        self._source: Source = LogsSource(logs) if logs else KafkaSource(settings, DECISIONS)
        self._cursors = dict(cursors)
        self._judges: dict[int, Judge] = {}
        self._ends_at_start: dict[int, int] = {}

    @classmethod
    def over(
        cls,
        logs: Mapping[int, PartitionLog],
        log_id: str,
        cursors: Mapping[int, ChainCursor],
        cold_start: ColdStart = "halt",
    ) -> DecisionsReader:
        """A reader over single partitions, e.g. of the simulated log."""
        return cls(Settings(cold_start=cold_start), cursors, logs=logs, log_id=log_id)

    async def start(self) -> None:
        """Find the partitions, verify every cursor, and stand ready to poll."""
        log_id = self._log_id or await read_log_id(self._settings)
        partitions = (
            sorted(self._logs)
            if self._logs
            else list(range(await partition_count(self._settings, DECISIONS)))
        )
        await self._source.start(partitions)
        bounds = await self._source.bounds()
        self._ends_at_start = {partition: end for partition, (_, end) in bounds.items()}
        for partition, (start, end) in sorted(bounds.items()):
            state = self._first_state(log_id, partition, end)
            record = None
            if start <= state.offset < end:
                record = await self._source.read_one(partition, state.offset)
            self._judges[partition] = Judge(verify_start(state, start, end, record))
        await self._seek()

    async def _seek(self) -> None:
        await self._source.seek({p: j.state.read + 1 for p, j in self._judges.items()})

    def _first_state(self, log_id: str, partition: int, end: int) -> ChainState:
        cursor = self._cursors.get(partition)
        if cursor is None:
            if end > 0 and self._settings.cold_start == "halt":
                raise ChainHalt(
                    f"decisions partition {partition}: no cursor, and the log isn't empty: restore"
                    " this service's database, or set VAXEL_COLD_START=genesis to fold all again"
                )
            return chain.genesis(log_id, partition)
        if cursor.log_id != log_id:
            raise ChainHalt(
                f"decisions partition {partition}: the cursor belongs to log {cursor.log_id}, the"
                f" topic is log {log_id}: this service's database is another system's"
            )
        return cursor.state()

    async def poll(self, timeout_ms: int = 200, max_records: int = 200) -> list[ChainRecord]:
        """Valid records, in order within a partition; none where none came in time."""
        try:
            polled = await self._source.poll(timeout_ms, max_records)
        except Retryable:
            await self._seek()  # nothing was answered of what the source has perhaps moved past
            raise
        metrics.CONSUMED.labels(DECISIONS).inc(len(polled))
        judged = [self._judges[partition].judge(raw) for partition, raw in polled]
        return [record for record in judged if record is not None]

    def cursor(self, partition: int) -> ChainCursor:
        """The place after the last record that :meth:`poll` answered."""
        return ChainCursor.of(self._judges[partition].state)

    @property
    def partitions(self) -> list[int]:
        """All partitions of the topic, once started."""
        return sorted(self._judges)

    async def at_end(self) -> bool:
        """Whether everything that was in the log when asked has been read."""
        return not any((await self.lag()).values())

    async def caught_up(self) -> bool:
        """Whether all is read that the log held at the start; see ``TopicReader.caught_up``."""
        ends = self._ends_at_start.items()
        return all(self._judges[partition].state.read + 1 >= end for partition, end in ends)

    async def lag(self) -> dict[int, int]:
        """How many offsets are left to read, by partition."""
        left = {}
        for partition, (_, end) in (await self._source.bounds()).items():
            left[partition] = max(0, end - self._judges[partition].state.read - 1)
            metrics.LAG.labels(DECISIONS, str(partition)).set(left[partition])
        return left

    async def close(self) -> None:
        """Let go of the broker."""
        await self._source.close()
