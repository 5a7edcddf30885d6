"""What readers of ``vaxel.decisions`` hold: valid records, cursors, and the judge of one partition.

A cursor names the last valid record by offset, seq, through and hash, and is stored by the reader
in the transaction that stores its effects. Void records after it are read again after a restart,
which changes nothing; so a cursor always names a record whose hash can be checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from vaxel_shared.contracts import wire
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.chain import Accepted, ChainHalt, ChainState, Header, VoidWatch
from vaxel_shared.kafka.log import RawRecord
from vaxel_shared.kafka.topics import DECISIONS
from vaxel_shared.obs import metrics


@dataclass(frozen=True, slots=True)
class ChainCursor:
    """The place after the last valid record handled; ``sha256`` is hexadecimal."""

    log_id: str
    partition: int
    offset: int
    seq: int
    through: int
    sha256: str
    topic: str = DECISIONS

    @classmethod
    def of(cls, state: ChainState) -> ChainCursor:
        """The cursor of a position."""
        return cls(
            state.log_id,
            state.partition,
            state.offset,
            state.seq,
            state.through,
            state.sha256.hex(),
        )

    @classmethod
    def from_row(cls, row: Mapping[str, object]) -> ChainCursor:
        """From the columns of :func:`vaxel_shared.sql.cursor_table`."""
        numbers = {name: int(str(row[name])) for name in ("partition", "offset", "seq", "through")}
        texts = {name: str(row[name]) for name in ("log_id", "sha256", "topic")}
        return cls(**numbers, **texts)  # type: ignore[arg-type] # two homogeneous halves

    def row(self) -> dict[str, object]:
        """The columns for :func:`vaxel_shared.sql.save_cursor`."""
        return {
            "topic": self.topic,
            "partition": self.partition,
            "log_id": self.log_id,
            "offset": self.offset,
            "seq": self.seq,
            "through": self.through,
            "sha256": self.sha256,
        }

    def state(self) -> ChainState:
        """The position to go on from."""
        return ChainState(
            log_id=self.log_id,
            partition=self.partition,
            sha256=bytes.fromhex(self.sha256),
            offset=self.offset,
            seq=self.seq,
            through=self.through,
            read=self.offset,
        )


@dataclass(frozen=True, slots=True)
class ChainRecord:
    """A valid record of the decisions; ``timestamp_ms`` is its append time at the broker."""

    partition: int
    offset: int
    timestamp_ms: int
    header: Header
    batch: wire.Batch
    raw: bytes

    @property
    def cursor(self) -> ChainCursor:
        """What to store with the effects of this record."""
        return ChainCursor(
            log_id=self.header.log_id,
            partition=self.partition,
            offset=self.offset,
            seq=self.header.seq,
            through=self.header.through,
            sha256=hashlib.sha256(self.raw).hexdigest(),
        )


def verify_start(state: ChainState, start: int, end: int, record: bytes | None) -> ChainState:
    """Check a position against a log that holds offsets ``start`` to ``end`` - 1.

    ``record`` is the raw value at ``state.offset``, None if that was trimmed away. Answers the
    position with what the record's header adds. Raises :class:`ChainHalt`.
    """
    where = f"decisions partition {state.partition}"
    if start > state.read + 1:
        raise ChainHalt(
            f"{where}: the log starts at {start}, the reader stands at {state.read}: too old; fold"
            " again from a verified snapshot or an archive"
        )
    if end <= state.read:
        raise ChainHalt(
            f"{where}: the log ends at {end}, the reader stands at {state.read}: acknowledged"
            " decisions were lost; restore the log, or fold again from genesis"
        )
    if state.offset < 0 or record is None:
        return state
    if hashlib.sha256(record).digest() != state.sha256:
        raise ChainHalt(
            f"{where}: the record at {state.offset} isn't the one that was read: the log was"
            " cut and written again; restore it, or fold again from genesis"
        )
    parts = chain.unpack(record)
    assert parts is not None, "a record with the hash of a valid one has its header"
    return replace(state, through_sha256=parts[0].through_sha256)


class Judge:
    """Takes the records of one partition in order and tells the valid ones from the void."""

    def __init__(self, state: ChainState) -> None:
        self.state = state
        self._watch = VoidWatch()

    def judge(self, raw: RawRecord) -> ChainRecord | None:
        """The record if it counts, None if it is void. Raises :class:`ChainHalt`."""
        outcome = chain.accept(self.state, raw.offset, raw.value)
        self._watch.observe(outcome, raw.timestamp_ms)
        self.state = outcome.state
        if not isinstance(outcome, Accepted):
            metrics.VOID.labels(str(self.state.partition)).inc()
            return None
        return ChainRecord(
            partition=self.state.partition,
            offset=raw.offset,
            timestamp_ms=raw.timestamp_ms,
            header=outcome.header,
            batch=outcome.batch,
            raw=raw.value,
        )
