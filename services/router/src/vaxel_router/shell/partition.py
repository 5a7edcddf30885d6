"""One partition's life: restore, claim, then fold inputs and clock readings into records.

The loop runs at its own pace: fetch, step, append, confirm. Whatever goes wrong on the way, the
state is thrown away and restored from the log, which is always right. Live questions are answered
from confirmed state only: they take the lock that a batch holds until it is confirmed.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from vaxel_router.config import RouterSettings
from vaxel_router.core import state as states
from vaxel_router.core.apply import apply_batch
from vaxel_router.core.engine import Batch, Input
from vaxel_router.core.inputs import decode
from vaxel_router.core.state import State, World
from vaxel_router.shell.clock import LogClock
from vaxel_router.shell.library import PolicyLibrary
from vaxel_shared.blobs import BlobStore
from vaxel_shared.contracts import wire
from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka.chain import ChainHalt
from vaxel_shared.kafka.deadletters import park
from vaxel_shared.kafka.log import PartitionLog
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.reader import ChainRecord
from vaxel_shared.kafka.snapshots import SnapshotStore
from vaxel_shared.kafka.topic_reader import Record, TopicCursor, TopicReader, record_sha256
from vaxel_shared.kafka.topics import WORK
from vaxel_shared.kafka.writer import ChainWriter, MustRestore
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger
from vaxel_shared.version import ENGINE

REJECTS_MAX = 3
"""Inputs of the last thousand that the engine could not fold; more is a defect: halt."""

REJECTS_WINDOW = 1_000
IDLE_MS_MAX = 20 * 3_600_000
"""An idle partition appends a tick and a snapshot at least daily, so that none ages away."""

RETRY_S_MIN, RETRY_S_MAX = 0.2, 2.0


@dataclass(frozen=True, slots=True)
class Ports:
    """What a partition is given: logs, stores and a clock."""

    writer: ChainWriter
    decisions: PartitionLog
    snapshots: SnapshotStore
    producer: Producer
    blobs: BlobStore
    clock: LogClock


class Partition:
    """The owner of one partition. ``reasons`` says why it isn't ready."""

    def __init__(self, settings: RouterSettings, log_id: str, partition: int, ports: Ports) -> None:
        self._settings = settings
        self._log_id = log_id
        self._partition = partition
        self._ports = ports
        self._library = PolicyLibrary(ports.blobs)
        self._log = get_logger().bind(partition=partition)
        self._since_snapshot = 0
        self._last_record_ms = 0
        self._rejected: deque[bool] = deque(maxlen=REJECTS_WINDOW)
        self._poison: dict[int, str] = {}
        self._trouble: str | None = "restoring"
        self._saving: asyncio.Task[None] | None = None
        self.lock = asyncio.Lock()
        self.world = World(State(log_id, partition))

    @property
    def reasons(self) -> list[str]:
        """Why it isn't ready, in one line each."""
        where = f"partition {self._partition}"
        found = [f"{where}: {self._trouble}"] if self._trouble is not None else []
        return found + [
            f"{where}: pool {pool.name} has no policy; publish one (`vaxel up` does)"
            for pool in self.world.state.pools.values()
            if pool.policy is None
        ]

    @property
    def as_of(self) -> dict[str, int]:
        """What a live answer is stamped with: the confirmed position."""
        at = self._ports.writer.position
        return {"partition": self._partition, "offset": at.offset, "seq": at.seq}

    async def run(self, stop: asyncio.Event) -> None:
        """Own the partition until ``stop``. Raises Fatal where going on would be wrong."""
        pause_s = RETRY_S_MIN
        while not stop.is_set():
            reader: TopicReader | None = None
            try:
                async with self.lock:
                    await self._restore()
                reader = await self._open_reader()
                self._trouble = None
                pause_s = RETRY_S_MIN
                await self._serve(reader, stop)
            except MustRestore as error:
                self._log.warning("must_restore", reason=str(error))
            except Retryable as error:
                self._trouble = str(error)
                self._log.warning("retrying", reason=str(error))
                metrics.RETRIES.labels("partition").inc()
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_S_MAX)
            finally:
                if reader is not None:
                    await reader.close()
        await self._save_last()
        await self._ports.writer.close()
        await self._ports.snapshots.close()

    async def _restore(self) -> None:
        """The state at the log's end, from the newest verified snapshot; then the claim."""
        self._trouble = "restoring"
        started = time.monotonic()
        ports = self._ports
        base = await ports.snapshots.choose(ports.decisions, _digest_of)
        if base.state is not None:
            self.world = World(states.decode(base.state))
        else:
            self.world = World(State(self._log_id, self._partition))
        await ports.writer.restore(self._fold, base.position)
        for pool in self.world.state.pools.values():
            if pool.policy is not None:
                await self._library.fetch(pool.policy)
        confirmed = await ports.writer.claim(ENGINE, ports.clock.wall_ms())
        ports.clock.set(confirmed.timestamp_ms)
        self._last_record_ms = confirmed.timestamp_ms
        seconds = time.monotonic() - started
        metrics.RESTORE_SECONDS.labels(str(self._partition)).set(seconds)
        self._log.info("restored", seq=ports.writer.position.seq, duration_ms=int(seconds * 1000))

    def _fold(self, record: ChainRecord) -> None:
        """One recorded batch, as it was written; a digest in it must be that of our state."""
        recorded = record.batch.state_digest
        if recorded is not None and recorded != states.digest(self.world.state):
            raise ChainHalt(
                f"decisions partition {self._partition} seq {record.header.seq}: the restored state"
                " has another digest than the record says; keep the log and report this defect"
            )
        apply_batch(self.world, record.batch, record.header.seq)

    async def _open_reader(self) -> TopicReader:
        at = self._ports.writer.position
        sha256 = at.through_sha256.hex() if at.through >= 0 else ""
        cursor = TopicCursor(WORK, self._partition, at.through, sha256)
        reader = TopicReader(
            self._settings, WORK, {self._partition: cursor}, partitions=[self._partition]
        )
        await reader.start()
        return reader

    async def _serve(self, reader: TopicReader, stop: asyncio.Event) -> None:
        while not stop.is_set():
            records = await reader.poll(timeout_ms=self._settings.poll_ms)
            while records:
                taken = await self._take(records)
                records = records[taken:]
                if not taken and self._trouble is not None:
                    await asyncio.sleep(self._settings.poll_ms / 1000)
                if stop.is_set():
                    return
            await self._tick(reader)

    async def _take(self, records: list[Record]) -> int:
        """Commit one batch of the first of ``records``; answers how many it finished."""
        inputs = [decode(r.offset, r.timestamp_ms, r.value) for r in records]
        if self._ports.clock.is_ahead(inputs[0].append_ms):
            self._trouble = "an input's time is ahead of the broker's clock by more than 5 s; wait, or restart the router to trust it"  # noqa: E501
            return 0
        self._trouble = None
        await self._prepare(records, inputs)
        async with self.lock:
            batch, digest = self._begin()
            taken = self._fill(batch, inputs)
            await self._commit(batch, digest, records[:taken])
        return taken

    async def _prepare(self, records: list[Record], inputs: list[Input]) -> None:
        """Have policies at hand, and dead letters parked, before the offset can move."""
        for record, item in zip(records, inputs, strict=True):
            if item.command is None or item.offset in self._poison:
                reason = self._poison.get(item.offset) or item.error or "undecodable"
                await park(
                    self._ports.producer,
                    self._settings,
                    record,
                    service="router",
                    error_class="rejected",
                    reason=reason,
                )
            elif item.command.type == "policy.publish":
                await self._library.fetch(str(item.command.data.get("version", "")))

    def _begin(self) -> tuple[Batch, str | None]:
        seq = self._ports.writer.next_seq
        due = seq > 0 and seq % self._settings.snapshot_records == 0
        digest = states.digest(self.world.state) if due else None
        wall_ms = self._ports.clock.wall_ms()
        return Batch(self.world, self._library, seq=seq, wall_ms=wall_ms), digest

    def _fill(self, batch: Batch, inputs: list[Input]) -> int:
        """Add inputs while there is room; one that the engine can't fold goes alone."""
        taken = 0
        for item in inputs:
            if self._ports.clock.is_ahead(item.append_ms) or not batch.has_room:
                break
            if item.offset in self._poison:
                if taken == 0:
                    batch.reject(item, self._poison[item.offset])
                    taken = 1
                break
            try:
                if not batch.add(item):
                    break
            except Exception as error:  # noqa: BLE001 - a defect must cost one input, not the pool
                self._note_poison(item, error)
            taken += 1
        return taken

    def _note_poison(self, item: Input, error: Exception) -> None:
        """Set an input aside and have the state restored; too many of them halt."""
        self._rejected.append(True)
        if sum(self._rejected) > REJECTS_MAX:
            raise Fatal(
                f"work partition {self._partition}: more than {REJECTS_MAX} of the last"
                f" {REJECTS_WINDOW} inputs could not be folded: a defect; keep the log, report it"
            ) from error
        self._poison[item.offset] = f"raised:{type(error).__name__}"
        self._log.error("input_raised", offset=item.offset, exception_type=type(error).__name__)
        raise MustRestore("an input could not be folded; restoring without it") from error

    async def _tick(self, reader: TopicReader) -> None:
        """Let time pass where the input is drained and something is due."""
        clock = self._ports.clock
        reading_ms = clock.now_ms()
        timer = self.world.next_timer()
        due = timer is not None and timer[0] <= reading_ms
        idle = reading_ms - self._last_record_ms > IDLE_MS_MAX
        if not (due or idle) or not await reader.at_end():
            return
        async with self.lock:
            batch, digest = self._begin()
            batch.tick(reading_ms)
            await self._commit(batch, digest, [])
        if idle:
            await self._save()

    async def _commit(self, batch: Batch, digest: str | None, records: list[Record]) -> None:
        """Append what was decided; from the acknowledgement on it is true."""
        writer = self._ports.writer
        at = writer.position
        body = batch.close(engine=ENGINE, state_digest=digest)
        last = records[-1] if records else None
        started = time.monotonic()
        confirmed = await writer.append(
            body,
            from_=at.through + 1,
            through=last.offset if last is not None else at.through,
            through_sha256=record_sha256(last.key, last.value) if last else at.through_sha256,
        )
        metrics.COMMIT_SECONDS.observe(time.monotonic() - started)
        self._ports.clock.set(confirmed.timestamp_ms)
        self._last_record_ms = confirmed.timestamp_ms
        self._rejected.extend([False] * len(records))
        for record in records:
            self._poison.pop(record.offset, None)
        self._account(body, confirmed.seq)
        self._since_snapshot += 1
        if self._since_snapshot >= self._settings.snapshot_records:
            await self._save()

    def _account(self, body: wire.Batch, seq: int) -> None:
        for decision in body.decisions:
            metrics.DECISIONS.labels(decision.type).inc()
            self._log.info(
                "decided",
                seq=seq,
                type=decision.type,
                pool=decision.pool,
                cause=decision.cause,
                case_id=decision.case_id,
                agent_id=decision.agent_id,
                code=decision.data.get("code"),
            )

    async def _save(self) -> None:
        """Take a snapshot of the confirmed state; it is written beside the next batches."""
        if self._saving is not None and not self._saving.done():
            return
        self._since_snapshot = 0
        raw = states.encode(self.world.state)
        at = self._ports.writer.position

        async def write() -> None:
            try:
                await self._ports.snapshots.write(
                    at,
                    raw,
                    digest=_digest_of(raw),
                    engine=ENGINE,
                    wall_ms=self._ports.clock.wall_ms(),
                )
            except Retryable as error:  # the next one will do
                self._log.warning("snapshot_failed", reason=str(error))

        self._saving = asyncio.create_task(write())

    async def _save_last(self) -> None:
        """On a clean stop, so that the next start has nothing to fold."""
        if self._trouble is None and self._ports.writer.position.offset >= 0:
            if self._saving is not None:
                await self._saving
            await self._save()
        if self._saving is not None:
            await self._saving


def _digest_of(raw: bytes) -> str:
    return states.digest(states.decode(raw))
