"""What a partition is given: all that it does to the world goes through these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from vaxel_router.shell.clock import LogClock
from vaxel_router.shell.intake import Park
from vaxel_shared.blobs import BlobStore
from vaxel_shared.kafka.log import PartitionLog
from vaxel_shared.kafka.snapshots import SnapshotStore
from vaxel_shared.kafka.topic_reader import Record, TopicCursor
from vaxel_shared.kafka.writer import ChainWriter


class WorkReader(Protocol):
    """Reads the partition of ``vaxel.work``; :class:`TopicReader` is the real one."""

    async def start(self) -> None:
        """Verify the cursor and stand ready."""
        ...

    async def poll(self, timeout_ms: int = 200, max_records: int = 500) -> list[Record]:
        """The next records, in order."""
        ...

    async def at_end(self) -> bool:
        """Whether nothing is left to read, as of now."""
        ...

    async def close(self) -> None:
        """Let go."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Logs, stores, a reader of work from a cursor, a way to park dead letters, and a clock."""

    writer: ChainWriter
    decisions: PartitionLog
    snapshots: SnapshotStore
    open_reader: Callable[[TopicCursor], WorkReader]
    park: Park
    blobs: BlobStore
    clock: LogClock
