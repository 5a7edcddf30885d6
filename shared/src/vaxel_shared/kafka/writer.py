"""The router's one way to commit: compare-and-set on the log.

A writer folds the log to its end, expects its record at the next offset, and appends. The record
counts if and only if it landed exactly there; any other outcome, an exception and silence among
them, says nothing certain, so the writer lets go of its producer and restores from the log, which
is always right. One record is under way at a time.

    restore(fold, start) ─► claim() ─► append() ─► append() ─► …
         ▲                                │
         └──────── MustRestore ◄──────────┘        Displaced / ChainHalt: the process ends
"""

from __future__ import annotations

import asyncio
import random as _random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from vaxel_shared import ids
from vaxel_shared.contracts import cloudevents, wire
from vaxel_shared.contracts.decisions import BATCH_TYPE
from vaxel_shared.errors import Fatal, Poison, Retryable
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.chain import Accepted, ChainHalt, ChainState, Header
from vaxel_shared.kafka.log import AppendFailed, Headers, PartitionLog, RawRecord, scan
from vaxel_shared.kafka.records import ChainRecord, Judge, verify_start
from vaxel_shared.obs import metrics

BACK_OFF_MS_MIN = 20
BACK_OFF_MS_MAX = 2_000
MISSES_MAX = 20
"""Appends that failed in a row while nobody else got a valid record in either: give up."""

Fold = Callable[[ChainRecord], None]


class Random(Protocol):
    """Where the random part of a pause comes from."""

    def uniform(self, a: float, b: float) -> float:
        """A number between ``a`` and ``b``."""
        ...


class MustRestore(Retryable):
    """The outcome of an append isn't the expected one: throw the state away and restore."""


class Displaced(Fatal):
    """Another process claimed this partition after us: leave it to that one."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A record of ours that counts; ``timestamp_ms`` is its append time at the broker."""

    offset: int
    seq: int
    timestamp_ms: int
    sha256: bytes


class ChainWriter:
    """Commits batches of decisions to one partition; not to be called concurrently."""

    def __init__(
        self,
        log: PartitionLog,
        *,
        log_id: str,
        partition: int,
        instance: str,
        run_id: str,
        random: Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._log = log
        self._partition = partition
        self._instance = instance
        self._run_id = run_id
        self._random = random or _random.SystemRandom()
        self._sleep = sleep
        self._position = chain.genesis(log_id, partition)
        self._ready = False
        self._claim: Confirmed | None = None
        self._misses = 0

    @property
    def position(self) -> ChainState:
        """The last confirmed position: the one to take a snapshot of."""
        return self._position

    @property
    def next_seq(self) -> int:
        """The seq of the next record, which is part of the tokens in its decisions."""
        return self._position.seq + 1

    @property
    def claimed(self) -> bool:
        """Whether this process's claim stands in the log."""
        return self._claim is not None

    async def restore(self, fold: Fold, start: ChainState) -> None:
        """Read the log from ``start`` to its end and hand every valid record to ``fold``.

        ``start`` is a confirmed or verified position (:func:`chain.genesis`, a snapshot's, an
        earlier ``position``) and the caller's state must be the one at it. After failed appends
        it pauses first, at random and longer each time. Raises :class:`Displaced`, ``ChainHalt``
        or ``Retryable`` (no broker: call it again, with the state at ``start`` again).
        """
        self._ready = False
        await self._log.abandon()
        await self._back_off()
        first, end = await self._log.bounds()
        # A snapshot newer than our last record could hide that somebody claimed in between.
        known = self._position
        base = known if self.claimed and start.seq > known.seq else start
        judge = Judge(verify_start(base, first, end, None))

        def visit(raw: RawRecord) -> None:
            if raw.offset == base.offset:
                verify_start(base, first, end, raw.value)
            if raw.offset <= base.read:
                return
            record = judge.judge(raw)
            if record is not None:
                self._seen(record, judge.state, fold, start)

        await scan(self._log, max(base.offset, first), end, visit)
        if judge.state.seq < known.seq:
            raise ChainHalt(
                f"decisions partition {self._partition}: the log ends at seq {judge.state.seq}, and"
                f" seq {known.seq} was in it: acknowledged decisions were lost; restore the log"
            )
        if judge.state.seq > known.seq:
            self._misses = 0  # somebody got a record in, perhaps we ourselves
        self._position = judge.state
        self._ready = True

    def _seen(self, record: ChainRecord, after: ChainState, fold: Fold, start: ChainState) -> None:
        """Take note of a valid record's claim, and fold it if the caller doesn't have it yet."""
        known = self._position
        if after.seq == known.seq and after.sha256 != known.sha256:
            raise ChainHalt(
                f"decisions partition {self._partition}: seq {known.seq} isn't the record that was"
                " there: the log was cut and written again; restore it"
            )
        self._note_claim(record, after)
        if after.seq == start.seq and after.sha256 != start.sha256:
            raise ChainHalt(
                f"decisions partition {self._partition}: the start at seq {start.seq} isn't on this"
                " chain: its snapshot is another log's; remove it"
            )
        if after.seq > start.seq:
            fold(record)

    async def claim(self, engine: str, wall_ms: int, state_digest: str | None = None) -> Confirmed:
        """Say in the log that this process owns the partition; its first record.

        Called after every restore it also gives the caller the broker's present time: a claim
        found in the log is as old as the process. Raises as :meth:`append`.
        """
        batch = wire.Batch(
            engine=engine,
            wall_ms=wall_ms,
            state_digest=state_digest,
            claim={"instance": self._instance, "run_id": self._run_id},
        )
        at = self._position
        self._claim = await self._commit(
            batch, from_=at.through + 1, through=at.through, through_sha256=at.through_sha256
        )
        return self._claim

    async def append(
        self, batch: wire.Batch, *, from_: int, through: int, through_sha256: bytes
    ) -> Confirmed:
        """Commit a batch that folds the inputs ``from_`` to ``through``.

        A batch without input has ``through`` = ``from_`` - 1 and the hash of the last input.
        Raises :class:`MustRestore` for any outcome but the expected one, and ``Fatal`` after
        :data:`MISSES_MAX` of them without a new valid record. Raises ``Poison`` for a body above
        :data:`chain.BODY_BYTES_MAX`, before anything is sent: cut it (:func:`body_bytes`).
        """
        assert self._claim is not None, "the first record of a process is its claim"
        return await self._commit(
            batch, from_=from_, through=through, through_sha256=through_sha256
        )

    async def close(self) -> None:
        """Let go of the log."""
        self._ready = False
        await self._log.close()

    async def _commit(
        self, batch: wire.Batch, *, from_: int, through: int, through_sha256: bytes
    ) -> Confirmed:
        assert self._ready, "restore first; one record at a time"
        at = self._position
        assert through >= from_ or through_sha256 == at.through_sha256, "no input, no new hash"
        raw = self._encode(batch, from_, through, through_sha256)
        # What our own readers would refuse must never be sent: a defect ends here, not in the log.
        outcome = chain.accept(at, at.read + 1, raw, decode=wire.check_batch)
        assert isinstance(outcome, Accepted), "a record made from this position continues it"
        self._ready = False  # whatever happens from here on, cancellation too, until it is judged
        try:
            ack = await self._log.append(
                self._key, raw, self._headers(outcome.state.sha256, batch.wall_ms)
            )
        except AppendFailed as error:
            raise await self._missed(str(error)) from error
        if ack.offset != outcome.state.offset:
            raise await self._missed(
                f"decisions partition {self._partition}: landed at {ack.offset}, expected"
                f" {outcome.state.offset}"
            )
        self._position = outcome.state
        self._ready = True
        self._misses = 0
        return Confirmed(ack.offset, outcome.state.seq, ack.timestamp_ms, outcome.state.sha256)

    def _encode(self, batch: wire.Batch, from_: int, through: int, through_sha256: bytes) -> bytes:
        body = wire.encode(batch)
        if len(body) > chain.BODY_BYTES_MAX:
            raise Poison(
                "batch_too_large",
                f"a batch of {len(body)} bytes; at most {chain.BODY_BYTES_MAX}: cut it",
            )
        at = self._position
        header = Header(
            log_id=at.log_id,
            seq=at.seq + 1,
            prev_sha256=at.sha256,
            from_=from_,
            through=through,
            through_sha256=through_sha256,
        )
        return chain.pack(header, body)

    async def _missed(self, reason: str) -> Fatal | MustRestore:
        """Let go of the append and count it; answers what to raise."""
        self._misses += 1
        metrics.RETRIES.labels("append").inc()
        await self._log.abandon()
        if self._misses >= MISSES_MAX:
            return Fatal(
                f"{reason}; {self._misses} appends in a row failed and nobody else's got in: look"
                " at the brokers (`vaxel topics check`) before starting again"
            )
        return MustRestore(f"{reason}; restoring from the log")

    async def _back_off(self) -> None:
        if self._misses:
            limit_ms = min(BACK_OFF_MS_MAX, BACK_OFF_MS_MIN * 2**self._misses)
            await self._sleep(self._random.uniform(BACK_OFF_MS_MIN, limit_ms) / 1000)

    def _note_claim(self, record: ChainRecord, at: ChainState) -> None:
        claim = record.batch.claim
        if claim is None:
            return
        if claim.get("run_id") == self._run_id:
            self._claim = Confirmed(at.offset, at.seq, record.timestamp_ms, at.sha256)
        elif self._claim is not None and at.seq > self._claim.seq:
            raise Displaced(
                f"decisions partition {self._partition}: instance {claim.get('instance')} run"
                f" {claim.get('run_id')} claimed it after us; if that wasn't meant, look for a"
                " second router with the same VAXEL_INSTANCE"
            )

    @property
    def _key(self) -> bytes:
        return str(self._partition).encode()

    def _headers(self, sha256: bytes, wall_ms: int) -> Headers:
        at = self._position
        event = cloudevents.Event(
            id=ids.event_id("decisions", at.log_id, str(at.partition), sha256.hex()),
            type=BATCH_TYPE,
            source="vaxel/router",
            time_ms=wall_ms,
            subject=f"{at.partition}/{at.seq + 1}",
        )
        binary = ("content-type", b"application/vnd.vaxel.decisions")
        return [binary if name == "content-type" else (name, v) for name, v in event.headers()]


def body_bytes(batch: wire.Batch) -> int:
    """What a batch weighs against :data:`chain.BODY_BYTES_MAX`."""
    return len(wire.encode(batch))
