"""When a partition's state is written down, so that a restore needn't fold the whole log.

Every so many records, and at least daily while there are any: a log keeps its records for a month,
and one that is slow to fill must not outlive its last snapshot. Only confirmed state comes here;
it is encoded at once, and stored beside the next batches. The record after it carries the digest
of that very state; and one half-way to the next, where the state is small, so that a restore has
something to hold against what it folds.

Nothing is decided while a state is encoded, some 4 ms a megabyte. So the larger it is, the longer
it takes until the next one, up to a limit of records: what a restore folds in a second or two is
worth less than a pause that everybody feels every second.
"""

from __future__ import annotations

import asyncio
import hashlib

from vaxel_router.core import state as states
from vaxel_router.core.state import World
from vaxel_shared.errors import Poison, Retryable
from vaxel_shared.kafka.chain import ChainState
from vaxel_shared.kafka.snapshots import SnapshotStore
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger
from vaxel_shared.version import ENGINE

AGE_MS_MAX = 20 * 3_600_000
"""A snapshot is renewed well within a day, so that none ages past its log."""
RETRY_MS = 600_000
"""After one that could not be stored."""
SMALL_BYTES = 1_000_000
"""Encoded within a few milliseconds: nobody feels that."""
SPACING_MS_A_MB = 800
"""For each megabyte of a state so long until the next: half a percent of the time."""


def digest_of(raw: bytes) -> str:
    """The digest of an encoded state: of its bytes, so that a later engine can read it too."""
    return hashlib.sha256(raw).hexdigest()


class Snapshots:
    """The snapshots that one owner takes: ``every`` so many records, of a large state seldomer.

    But never more than ``most`` after the last.
    """

    def __init__(self, store: SnapshotStore, partition: int, every: int, most: int) -> None:
        self._store = store
        self._partition = partition
        self._log = get_logger().bind(partition=partition)
        self._every, self._most = every, max(every, most)
        self._spacing_ms = 0
        self._records = 0
        self.behind = 0
        """Records that a restore would fold now: those after the last snapshot that was stored."""
        self._taken_ms: int | None = None
        self._digest: tuple[int, str] | None = None
        """Of the state after the record of this seq, where a snapshot was taken there."""
        self._writing: asyncio.Task[None] | None = None

    def restored(self, folded: int, now_ms: int) -> None:
        """So many records were folded after the snapshot that the restore began from."""
        self._records = self.behind = folded
        self._digest = None
        self._tell()
        if self._taken_ms is None:
            # How old that snapshot is nobody knows: where it was behind, the next one is due.
            self._taken_ms = now_ms if folded == 0 else now_ms - AGE_MS_MAX

    def digest_before(self, seq: int, world: World) -> str | None:
        """The digest of the state that the record of this seq is made from, where one is due."""
        if self._digest is not None and self._digest[0] == seq - 1:
            return self._digest[1]
        halfway = self._records == max(1, self._every // 2)
        return states.digest(world.state) if halfway and self._spacing_ms == 0 else None

    def is_due(self, now_ms: int) -> bool:
        """Note one more confirmed record; whether it is time for a snapshot."""
        self._records += 1
        self.behind += 1
        self._tell()
        since_ms = 0 if self._taken_ms is None else now_ms - self._taken_ms
        enough = self._records >= self._every and since_ms >= self._spacing_ms
        return enough or self._records >= self._most or since_ms >= AGE_MS_MAX

    def take(self, world: World, at: ChainState, wall_ms: int, now_ms: int) -> None:
        """Begin to store the state confirmed at ``at``; one at a time, a second is left out."""
        if self._writing is not None:
            if not self._writing.done():
                return
            self._writing.result()
        self._records, self._taken_ms = 0, now_ms
        raw = states.encode(world.state)
        self._spacing_ms = max(0, len(raw) - SMALL_BYTES) * SPACING_MS_A_MB // 1_000_000
        digest = digest_of(raw)
        self._digest = at.seq, digest
        covered = self.behind
        self._writing = asyncio.create_task(
            self._write(raw, digest, at, wall_ms=wall_ms, now_ms=now_ms, covered=covered)
        )

    async def settle(self) -> None:
        """Wait for the one under way."""
        if self._writing is not None:
            await self._writing

    async def _write(
        self, raw: bytes, digest: str, at: ChainState, *, wall_ms: int, now_ms: int, covered: int
    ) -> None:
        try:
            await self._store.write(at, raw, digest=digest, engine=ENGINE, wall_ms=wall_ms)
        except (Retryable, Poison) as error:
            self._taken_ms = now_ms - AGE_MS_MAX + RETRY_MS
            self._log.warning("snapshot_failed", reason=str(error), count=self.behind)
            return
        self.behind = max(0, self.behind - covered)
        self._tell()

    def _tell(self) -> None:
        metrics.SNAPSHOT_BEHIND.labels(str(self._partition)).set(self.behind)
