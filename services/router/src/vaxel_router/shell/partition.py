"""One partition's life: restore, claim, then fold inputs and clock readings into records.

The loop runs at its own pace: fetch, step, append, confirm. Whatever goes wrong on the way, the
state is thrown away and restored from the log, which is always right. From the first input of a
batch until its acknowledgement, and after any failure until the restore is done, the state is not
confirmed: nobody may read it, and no snapshot is taken of it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from vaxel_router.config import RouterSettings
from vaxel_router.core.apply import begin_engine
from vaxel_router.core.engine import Batch, Input, TimerFailed
from vaxel_router.core.inputs import decode
from vaxel_router.core.state import State, World
from vaxel_router.shell import spans
from vaxel_router.shell.intake import Intake, Item
from vaxel_router.shell.library import PolicyLibrary
from vaxel_router.shell.ports import Ports, WorkReader
from vaxel_router.shell.restore import restore
from vaxel_router.shell.snapshotting import AGE_MS_MAX, Snapshots
from vaxel_shared.contracts import wire
from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka.topic_reader import Record, TopicCursor, record_sha256
from vaxel_shared.kafka.topics import WORK
from vaxel_shared.kafka.writer import MustRestore
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger
from vaxel_shared.version import ENGINE

REJECTS_MAX = 3
"""Inputs of the last thousand that the engine could not fold; more is a defect: halt."""

REJECTS_WINDOW = 1_000
RETRY_S_MIN, RETRY_S_MAX = 0.2, 2.0
FINISH_S, CANCEL_S, CLOSE_S = 4.0, 1.0, 3.0
"""A stop: for the batch under way, for letting go of it, for a last snapshot. In all below the 9 s
that a service has."""

_AHEAD = (
    "an input's time is ahead of the broker's clock by more than 5 s; wait, or restart the router"
    " to trust it"
)


class Partition:
    """The owner of one partition. ``reasons`` says why it isn't ready."""

    def __init__(self, settings: RouterSettings, log_id: str, partition: int, ports: Ports) -> None:
        self._settings = settings
        self._log_id = log_id
        self._partition = partition
        self._ports = ports
        self._library = PolicyLibrary(ports.blobs)
        self._intake = Intake(self._library, ports.park)
        self._snapshots = Snapshots(
            ports.snapshots,
            partition,
            settings.snapshot_records,
            most=settings.snapshot_records_max // 2,
        )
        self._log = get_logger().bind(partition=partition)
        self._last_record_ms = 0
        self._rejected: deque[bool] = deque(maxlen=REJECTS_WINDOW)
        self._trouble: str | None = "restoring"
        self._pause_s = RETRY_S_MIN
        self._confirmed = False
        self._lock = asyncio.Lock()
        self.world = World(State(log_id, partition))

    @property
    def reasons(self) -> list[str]:
        """Why it isn't ready, in one line each."""
        where = f"partition {self._partition}"
        found = [f"{where}: {self._trouble}"] if self._trouble is not None else []
        if self._snapshots.behind > self._settings.snapshot_records_max:
            found.append(
                f"{where}: {self._snapshots.behind} records since a snapshot could be stored; is"
                " there room for blobs?"
            )
        return found + [
            f"{where}: pool {pool.name} has no policy; publish one (`vaxel up` does)"
            for pool in self.world.state.pools.values()
            if pool.policy is None and (pool.works or pool.agents)
        ]

    @property
    def as_of(self) -> dict[str, int]:
        """What a live answer is stamped with: the confirmed position."""
        at = self._ports.writer.position
        return {"partition": self._partition, "offset": at.offset, "seq": at.seq}

    @property
    def next_input(self) -> int:
        """The offset of ``vaxel.work`` that is to be folded next."""
        return self._ports.writer.position.through + 1

    @property
    def waits_for_blob(self) -> bool:
        """Whether it stands still on purpose, until a policy's blob is there."""
        return self._intake.trouble is not None

    @property
    def is_confirmed(self) -> bool:
        """Whether the state is what the log says, with nothing under way."""
        return self._confirmed

    def now_ms(self) -> int:
        """The broker's time."""
        return self._ports.clock.now_ms()

    @asynccontextmanager
    async def confirmed(self) -> AsyncIterator[World]:
        """The confirmed state, to be read without awaiting; Retryable while it is restored."""
        if self._trouble == "restoring":
            raise Retryable(f"partition {self._partition} is being restored; ask again in a moment")
        async with self._lock:
            if not self._confirmed:
                raise Retryable(
                    f"partition {self._partition} is being restored; ask again in a moment"
                )
            yield self.world

    async def run(self, stop: asyncio.Event) -> None:
        """Own the partition until ``stop``. Raises Fatal where going on would be wrong."""
        owning = asyncio.ensure_future(self._own(stop))
        asked = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({owning, asked}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({owning}, timeout=FINISH_S)
            if not owning.done():  # a broker that doesn't answer: as safe as a kill
                self._log.warning("stopping_midway", reason=self._trouble)
                owning.cancel()
                await asyncio.wait({owning}, timeout=CANCEL_S)
            if owning.done() and not owning.cancelled():
                owning.result()
            await self._close()
        finally:
            asked.cancel()
            owning.cancel()

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._save_last()
                await self._ports.writer.close()
                await self._ports.snapshots.close()
        except TimeoutError:
            self._log.warning("close_timed_out")

    async def _own(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            reader: WorkReader | None = None
            try:
                await self._restore()
                reader = await self._open_reader()
                self._trouble = None
                await self._serve(reader, stop)
            except MustRestore as error:
                self._trouble = "restoring"
                self._log.warning("must_restore", reason=str(error))
            except Retryable as error:
                self._trouble = str(error)
                self._log.warning("retrying", reason=str(error))
                metrics.RETRIES.labels("partition").inc()
                await _wait(stop, self._pause_s)
                self._pause_s = min(self._pause_s * 2, RETRY_S_MAX)
            finally:
                if reader is not None:
                    await reader.close()

    async def _restore(self) -> None:
        """The state at the log's end, from the newest verified snapshot; then the claim."""
        self._confirmed = False
        started = time.monotonic()
        ports = self._ports
        await self._snapshots.settle()
        world, folded = await restore(ports, self._library, self._log_id, self._partition)
        confirmed = await ports.writer.claim(ENGINE, ports.clock.wall_ms())
        ports.clock.set(confirmed.timestamp_ms)
        self._last_record_ms = confirmed.timestamp_ms
        begin_engine(world, ENGINE)
        self._snapshots.restored(folded, confirmed.timestamp_ms)
        self.world, self._confirmed = world, True
        seconds = time.monotonic() - started
        metrics.RESTORE_SECONDS.labels(str(self._partition)).set(seconds)
        metrics.RESTORE_RECORDS.labels(str(self._partition)).set(folded)
        self._log.info("restored", seq=confirmed.seq, count=folded, duration_ms=int(seconds * 1000))

    async def _open_reader(self) -> WorkReader:
        at = self._ports.writer.position
        sha256 = at.through_sha256.hex() if at.through >= 0 else ""
        reader = self._ports.open_reader(TopicCursor(WORK, self._partition, at.through, sha256))
        try:
            await reader.start()
        except BaseException:
            await reader.close()
            raise
        return reader

    async def _serve(self, reader: WorkReader, stop: asyncio.Event) -> None:
        poll_ms = self._settings.poll_ms
        while not stop.is_set():
            records = await reader.poll(timeout_ms=poll_ms)
            items = [Item(r, decode(r.offset, r.timestamp_ms, r.value)) for r in records]
            while items:
                taken = await self._take(items)
                items = items[taken:]
                if self._trouble is not None:
                    await _wait(stop, poll_ms / 1000)
                if stop.is_set():
                    return
            await self._tick(reader, stop)

    async def _take(self, items: list[Item]) -> int:
        """Commit one batch of the first of ``items``; answers how many it finished."""
        if self._ports.clock.is_ahead(items[0].input.append_ms):
            self._trouble = _AHEAD
            return 0
        ready = await self._intake.prepare(items)
        self._trouble = self._intake.trouble if ready == 0 else None
        if ready == 0:
            return 0
        async with self._lock:
            batch, digest = self._begin()
            taken = self._fill(batch, [item.input for item in items[:ready]])
            await self._commit(batch, digest, [item.record for item in items[:taken]])
        return taken

    def _begin(self) -> tuple[Batch, str | None]:
        """A new batch; until it is confirmed, the state isn't."""
        seq = self._ports.writer.next_seq
        digest = self._snapshots.digest_before(seq, self.world)
        self._confirmed = False
        return Batch(
            self.world, self._library, seq=seq, wall_ms=self._ports.clock.wall_ms()
        ), digest

    def _fill(self, batch: Batch, inputs: Sequence[Input]) -> int:
        """Add inputs while there is room; one that the engine can't fold goes alone."""
        taken = 0
        poison = self._intake.poison
        for item in inputs:
            if self._ports.clock.is_ahead(item.append_ms) or not batch.has_room:
                break
            if item.offset in poison:
                if taken == 0:
                    batch.reject(item, poison[item.offset])
                    taken = 1
                break
            try:
                if not batch.add(item):
                    break
            except TimerFailed as error:
                raise self._timer_failed(error) from error
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
        self._intake.poison[item.offset] = f"raised:{type(error).__name__}"
        self._log.error("input_raised", offset=item.offset, exception_type=type(error).__name__)
        raise MustRestore("an input could not be folded; restoring without it") from error

    def _timer_failed(self, error: TimerFailed) -> Fatal:
        return Fatal(
            f"work partition {self._partition}: the timer {error} can't be fired: a defect; keep"
            " the log, report it and install a release that mends it"
        )

    async def _tick(self, reader: WorkReader, stop: asyncio.Event) -> None:
        """Let time pass where the input is drained and something is due."""
        reading_ms = self._ports.clock.now_ms()
        idle = reading_ms - self._last_record_ms > AGE_MS_MAX
        if not (self._is_due(reading_ms) or idle) or not await reader.at_end():
            return
        done = False
        while not done and not stop.is_set():
            async with self._lock:
                batch, digest = self._begin()
                try:
                    done = batch.tick(reading_ms)
                except TimerFailed as error:
                    raise self._timer_failed(error) from error
                await self._commit(batch, digest, [])

    def _is_due(self, now_ms: int) -> bool:
        timer = self.world.next_timer()
        return timer is not None and timer[0] <= now_ms

    async def _commit(self, batch: Batch, digest: str | None, records: list[Record]) -> None:
        """Append what was decided; from the acknowledgement on it is true."""
        writer, clock = self._ports.writer, self._ports.clock
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
        self._confirmed = True
        self._pause_s = RETRY_S_MIN
        seconds = time.monotonic() - started
        metrics.COMMIT_SECONDS.observe(seconds)
        clock.set(confirmed.timestamp_ms)
        self._last_record_ms = confirmed.timestamp_ms
        self._rejected.extend([False] * len(records))
        self._intake.folded(writer.position.through)
        self._account(body, confirmed.seq, len(records), seconds)
        spans.tell(body, records, partition=self._partition, seq=confirmed.seq, seconds=seconds)
        if self._snapshots.is_due(confirmed.timestamp_ms):
            self._snapshots.take(
                self.world, writer.position, clock.wall_ms(), confirmed.timestamp_ms
            )

    def _account(self, body: wire.Batch, seq: int, inputs: int, seconds: float) -> None:
        """One line for a batch; each decision only where somebody looks closely."""
        for decision in body.decisions:
            metrics.DECISIONS.labels(decision.type).inc()
            if decision.type == "work.queued" and (other := decision.data.get("shadow")):
                outcome = "differs" if other["differs"] else "same"
                metrics.SHADOW.labels(decision.pool, outcome).inc()
            self._log.debug(
                "decided",
                seq=seq,
                type=decision.type,
                pool=decision.pool,
                cause=decision.cause,
                case_id=decision.case_id,
                agent_id=decision.agent_id,
                code=decision.data.get("code"),
            )
        self._log.info(
            "batch",
            seq=seq,
            count=len(body.decisions),
            batch_count=inputs,
            duration_ms=int(seconds * 1000),
            through=self._ports.writer.position.through,
        )

    async def _save_last(self) -> None:
        """On a clean stop, so that the next start has nothing to fold."""
        await self._snapshots.settle()
        clock = self._ports.clock
        if self._confirmed:
            at = self._ports.writer.position
            self._snapshots.take(self.world, at, clock.wall_ms(), clock.now_ms())
            await self._snapshots.settle()


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but not past a stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
