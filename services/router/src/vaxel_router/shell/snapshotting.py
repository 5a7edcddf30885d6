"""When a partition's state is written down, so that a restore needn't fold the whole log.

Every so many records, and at least daily while there are any: a log keeps its records for a month,
and one that is slow to fill must not outlive its last snapshot. Only confirmed state comes here;
it is encoded at once, and stored beside the next batches. The record after every so many carries
the digest of that very state, so the snapshot is taken there: nothing is decided while a large
state is encoded, and once is enough for both.
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


def digest_of(raw: bytes) -> str:
    """The digest of an encoded state: of its bytes, so that a later engine can read it too."""
    return hashlib.sha256(raw).hexdigest()


class Snapshots:
    """The snapshots that one owner takes; ``every`` so many records."""

    def __init__(self, store: SnapshotStore, partition: int, every: int) -> None:
        self._store = store
        self._partition = partition
        self._log = get_logger().bind(partition=partition)
        self._every = every
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

    def needs_digest(self, seq: int) -> bool:
        """Whether the record of this seq carries the digest of the state before it."""
        return seq > 0 and seq % self._every == 0

    def digest_before(self, seq: int, world: World) -> str:
        """The digest of the confirmed state that the record of this seq is made from."""
        if self._digest is not None and self._digest[0] == seq - 1:
            return self._digest[1]
        return states.digest(world.state)

    def is_due(self, seq: int, now_ms: int) -> bool:
        """Note one more confirmed record; whether it is time for a snapshot."""
        self._records += 1
        self.behind += 1
        self._tell()
        old = self._taken_ms is not None and now_ms - self._taken_ms >= AGE_MS_MAX
        return self.needs_digest(seq + 1) or self._records >= self._every or old

    def take(self, world: World, at: ChainState, wall_ms: int, now_ms: int) -> None:
        """Begin to store the state confirmed at ``at``; one at a time, a second is left out."""
        if self._writing is not None:
            if not self._writing.done():
                return
            self._writing.result()
        self._records, self._taken_ms = 0, now_ms
        raw = states.encode(world.state)
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
