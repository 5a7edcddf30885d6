"""Snapshots: where a restore may begin instead of at the log's first record.

The state is a blob, fsynced before the small record on ``vaxel.snapshots`` that names it. Three
are kept for each partition, in three slots of a compacted topic. A snapshot proves nothing by
itself: it is used only if the decisions record at its offset has the hash it names, so one that is
foreign, unconfirmed, torn or ahead of the log is passed over for the next older one.

The store knows nothing of the state's shape: bytes and a digest come in, bytes go out.

Beside them stands, in a slot of its own, the *last word* of an owner under whom the log was cut: a
position that was confirmed to it. Who begins after it remembers nothing; but while that position
isn't in the log, it halts as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from vaxel_shared import ids
from vaxel_shared.blobs import BlobStore, sha256_of
from vaxel_shared.contracts import cloudevents
from vaxel_shared.contracts.snapshots import SNAPSHOT_TYPE, SnapshotRecord
from vaxel_shared.errors import Poison, Retryable
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.chain import ChainHalt, ChainState
from vaxel_shared.kafka.log import AppendFailed, PartitionLog, RawRecord, read_one, scan
from vaxel_shared.obs.logging import get_logger

SLOTS = 3
"""How many snapshots of a partition are kept."""
LAST_WORD = "last-word"
BLOB_KIND = "state"
_FOREIGN, _EMPTY = -1, -2  # in place of a seq; the lowest slot makes room first

DigestOf = Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class Base:
    """Where a restore begins: a verified state, or the genesis (``state`` is None)."""

    position: ChainState
    state: bytes | None = None
    record: SnapshotRecord | None = None


class SnapshotStore:
    """The snapshots of one partition; ``log`` is that partition of ``vaxel.snapshots``."""

    def __init__(
        self,
        log: PartitionLog,
        blobs: BlobStore,
        *,
        log_id: str,
        partition: int,
        accept_loss: bool = False,
    ) -> None:
        """With ``accept_loss`` a last word is struck out: an operator wants to go on without."""
        self._log = log
        self._accept_loss = accept_loss
        self._last_word: SnapshotRecord | None = None
        self._blobs = blobs
        self._log_id = log_id
        self._partition = partition
        self._seqs: dict[int, int] = {}  # by slot; filled when first needed

    async def candidates(self) -> list[SnapshotRecord]:
        """All that are kept for this log and partition, newest first."""
        found: dict[int, SnapshotRecord] = {}
        last_word = f"{self._partition}/{LAST_WORD}".encode()
        self._last_word = None

        def visit(raw: RawRecord) -> None:
            slot, record = self._slot(raw.key), _parsed(raw.value)
            if slot is not None and record is not None:
                found[slot] = record
            elif raw.key == last_word:
                self._last_word = record

        await scan(self._log, *await self._log.bounds(), visit)
        own = [record for record in found.values() if record.log_id == self._log_id]
        self._seqs = dict.fromkeys(range(SLOTS), _EMPTY) | {
            slot: record.seq if record.log_id == self._log_id else _FOREIGN
            for slot, record in found.items()
        }
        return sorted(own, key=lambda record: record.seq, reverse=True)

    async def write(
        self, position: ChainState, state: bytes, *, digest: str, engine: str, wall_ms: int
    ) -> bool:
        """Store the state at a *confirmed* position (a writer's ``position``).

        ``state`` must be a copy that nothing changes any more. False where a snapshot as new is
        there already. Raises ``Retryable``: nothing is lost, the next one will do.
        """
        assert position.log_id == self._log_id, "a snapshot of this log"
        assert position.offset >= 0, "a snapshot after a record, not of the genesis"
        if not self._seqs:
            await self.candidates()
        if position.seq <= max(self._seqs.values()):
            return False
        ref = await self._blobs.put(BLOB_KIND, state)
        record = SnapshotRecord(
            log_id=self._log_id,
            partition=self._partition,
            offset=position.offset,
            seq=position.seq,
            through=position.through,
            sha256=position.sha256.hex(),
            state_digest=digest,
            engine=engine,
            blob_ref=ref,
            blob_sha256=sha256_of(ref),
        )
        slot = min(self._seqs, key=self._seqs.__getitem__)
        await self._append(str(slot), record, wall_ms)
        self._seqs[slot] = position.seq
        return True

    async def choose(self, decisions: PartitionLog, digest_of: DigestOf | None = None) -> Base:
        """The newest snapshot that the decisions log confirms, else the genesis.

        With ``digest_of`` a state must also have the digest that its snapshot names. Raises
        ``ChainHalt`` where neither a snapshot nor the genesis can be begun from.
        """
        candidates = await self.candidates()
        await self._heed_last_word(decisions)
        for record in candidates:
            base = await self._verified(decisions, record, digest_of)
            if isinstance(base, Base):
                return base
            get_logger().warning(
                "snapshot_refused", partition=self._partition, seq=record.seq, reason=base
            )
        start, _ = await decisions.bounds()
        if start > 0:
            raise ChainHalt(
                f"decisions partition {self._partition}: no usable snapshot, and the log starts at"
                f" {start}: bring back the blobs of kind {BLOB_KIND}, or an archive of the log"
            )
        return Base(chain.genesis(self._log_id, self._partition))

    async def leave_word(self, position: ChainState, *, engine: str, wall_ms: int) -> None:
        """Remember a confirmed ``position`` that the log may have lost. Raises ``Retryable``."""
        record = SnapshotRecord(
            log_id=self._log_id,
            partition=self._partition,
            offset=position.offset,
            seq=position.seq,
            through=position.through,
            sha256=position.sha256.hex(),
            state_digest="",
            engine=engine,
            blob_ref="",
            blob_sha256="",
        )
        await self._append(LAST_WORD, record, wall_ms)

    async def close(self) -> None:
        """Let go of the log."""
        await self._log.close()

    async def _heed_last_word(self, decisions: PartitionLog) -> None:
        """Halt where a predecessor was sure of a record that the log doesn't hold."""
        word = self._last_word
        if word is None or word.log_id != self._log_id:
            return
        start, _ = await decisions.bounds()
        raw = await read_one(decisions, word.offset) if word.offset >= start else None
        found = raw is not None and hashlib.sha256(raw).hexdigest() == word.sha256
        if found or word.offset < start:
            return
        if not self._accept_loss:
            raise ChainHalt(
                f"decisions partition {self._partition}: seq {word.seq} was confirmed at offset"
                f" {word.offset} and isn't there: acknowledged decisions were lost; restore the"
                " log, or go on without them with VAXEL_COLD_START=genesis once"
            )
        await self._append(LAST_WORD, None, 0)

    async def _verified(
        self, decisions: PartitionLog, record: SnapshotRecord, digest_of: DigestOf | None
    ) -> Base | str:
        """The snapshot as a base, or why it is none."""
        raw = await read_one(decisions, record.offset)
        if raw is None:
            return "its record is not in the log"
        if hashlib.sha256(raw).hexdigest() != record.sha256:
            return "the log has another record there"
        parts = chain.unpack(raw)
        if parts is None or (parts[0].seq, parts[0].through) != (record.seq, record.through):
            return "it contradicts its record"
        try:
            state = await self._blobs.get(record.blob_ref)
        except (Retryable, Poison):
            return "its blob is missing or damaged"
        if digest_of is not None and digest_of(state) != record.state_digest:
            return "its state has another digest"
        position = ChainState(
            log_id=self._log_id,
            partition=self._partition,
            sha256=bytes.fromhex(record.sha256),
            offset=record.offset,
            seq=record.seq,
            through=record.through,
            through_sha256=parts[0].through_sha256,
            read=record.offset,
        )
        return Base(position, state, record)

    async def _append(self, slot: str, record: SnapshotRecord | None, wall_ms: int) -> None:
        """Fill a slot; None empties it."""
        what = (slot, "") if record is None else (str(record.seq), record.sha256)
        event = cloudevents.Event(
            id=ids.event_id("snapshot", self._log_id, str(self._partition), what[1]),
            type=SNAPSHOT_TYPE,
            source="vaxel/router",
            time_ms=wall_ms,
            subject=f"{self._partition}/{what[0]}",
        )
        key = f"{self._partition}/{slot}".encode()
        value = b"" if record is None else record.to_json()
        try:
            await self._log.append(key, value, event.headers())
        except AppendFailed:
            await self._log.abandon()
            raise

    def _slot(self, key: bytes | None) -> int | None:
        """The slot of a key ``<partition>/<slot>``; None for another key, e.g. the log's id."""
        partition, _, slot = (key or b"").decode(errors="replace").partition("/")
        if partition != str(self._partition) or slot not in {str(s) for s in range(SLOTS)}:
            return None
        return int(slot)


def _parsed(value: bytes) -> SnapshotRecord | None:
    """A snapshot's record; None for a tombstone or what isn't one."""
    try:
        return SnapshotRecord.model_validate_json(value)
    except ValidationError:
        return None
