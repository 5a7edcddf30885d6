"""What the rig itself sees of the decisions while a run goes on: to answer offers, and to know how far
each owner has come. Judges nothing: that is the checker's, from the log, at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from chaos.rig_place import PARTITIONS, Round
from chaos.rig_process import Process

from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.reader import ChainCursor, ChainRecord, DecisionsReader

POLL_MS = 20


@dataclass
class Tail:
    """Reads on in :meth:`run`; hands each valid record to ``see``."""

    one: Round
    see: Callable[[ChainRecord], None]
    seq: list[int] = field(default_factory=lambda: [-1] * PARTITIONS)
    through: list[int] = field(default_factory=lambda: [-1] * PARTITIONS)
    claims: dict[tuple[int, int], str] = field(default_factory=dict)
    """(partition, seq) → run that claimed there."""
    owner: list[str] = field(default_factory=lambda: [""] * PARTITIONS)
    decided: dict[tuple[int, str], int] = field(default_factory=dict)
    """(partition, run) → records with inputs since it claimed."""

    last: dict[int, bytes] = field(default_factory=dict)
    """Partition → the bytes of its last record that isn't a claim."""

    def __post_init__(self) -> None:
        self._news = asyncio.Condition()

    async def run(self) -> None:
        """Until cancelled; goes on after trouble with the broker."""
        settings = self.one.settings.model_copy(update={"cold_start": "genesis"})
        cursors: dict[int, ChainCursor] = {}
        while True:
            reader = DecisionsReader(settings, dict(cursors))
            try:
                await reader.start()
                while True:
                    records = await reader.poll(timeout_ms=POLL_MS)
                    for partition in reader.partitions if records else ():
                        if reader.cursor(partition).offset >= 0:
                            cursors[partition] = reader.cursor(partition)
                    await self._take(records)
            except Retryable:
                await asyncio.sleep(0.2)
            finally:
                await reader.close()

    async def _take(self, records: list[ChainRecord]) -> None:
        for record in records:
            at, header = record.partition, record.header
            self.seq[at], self.through[at] = header.seq, header.through
            if record.batch.claim is not None:
                self.owner[at] = str(record.batch.claim["run_id"])
                self.claims[at, header.seq] = self.owner[at]
                self.see(record)
                continue
            self.last[at] = record.raw
            if header.through >= header.from_:
                key = at, self.owner[at]
                self.decided[key] = self.decided.get(key, 0) + 1
            self.see(record)
        if records:
            async with self._news:
                self._news.notify_all()

    async def until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until something holds that this tail tells; False if it didn't in time."""
        deadline = time.monotonic() + seconds
        while not holds():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            async with self._news:
                try:
                    # Looks at other things than records as well: a process's own log, its end.
                    await asyncio.wait_for(self._news.wait(), min(left, 0.02))
                except TimeoutError:
                    continue
        return True

    def run_of(self, process: Process, partitions: set[int]) -> str:
        """The run id of a process, once all its claims are in the log; empty until then."""
        found = {
            line["partition"]: self.claims.get((line["partition"], line["seq"]), "")
            for line in process.said("restored")
        }
        if not partitions <= found.keys() or "" in found.values():
            return ""
        return next(iter(found.values()))
