"""The hash chain of ``vaxel.decisions``: the one place that says which of its records count.

A record is a small binary header, frozen for ever, and a JSON body (:class:`wire.Batch`). It is
valid if and only if its ``prev_sha256`` is the sha256 of the whole raw value of the last valid
record (of the genesis, for the first). Every other record is *void*: somebody lost the race for
that place, and nothing it says happened. So two routers, a zombie, a late or a repeated append
can't hurt, and no coordinator is needed.

All readers and the writer go through :func:`accept`. What it can't explain it doesn't guess: it
raises :class:`ChainHalt`, and the process ends before it could act on a forked or damaged log.

    offset   0         1         2         3         4
           [seq 0] ◄ [seq 1] ◄ [seq 2]   [void]    [seq 3]
                         ▲         ▲─────────│─────────┘      each names its predecessor's hash;
                         └───────────────────┘                a second one on seq 1 came too late

Pure: no clock, no I/O.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from vaxel_shared.contracts import wire
from vaxel_shared.errors import Fatal

MAGIC = b"VXLC"
VERSION = 1
"""Of the body and of what the header's fields mean; the header's layout never changes."""
IN_FLIGHT_MAX = 1
"""How many records of one writer may be unconfirmed (K of the commit protocol)."""
VOIDS_MAX = 64
"""More void records in a row than this are no lost races: somebody writes on another chain."""
VOID_MS_MAX = 30_000
"""A log that grows for longer than this without a valid record is written by a fork."""
NO_INPUT_SHA256 = bytes(32)
"""Stands where no input has been folded yet."""
RECORD_BYTES_MAX = 2 * 1024 * 1024
"""``max.message.bytes`` of the decisions topic, and what a router must be able to send."""
BODY_BYTES_MAX = RECORD_BYTES_MAX // 2
"""A batch is cut so that its encoded body stays within this: half of what the topic takes."""

_HEADER = struct.Struct(">4sH16sQ32sqq32s")
HEADER_BYTES = _HEADER.size


class ChainHalt(Fatal):
    """The log contradicts itself or what this process knows: stop before acting on it."""


@dataclass(frozen=True, slots=True)
class Header:
    """The fixed part of a record. ``from_`` > ``through`` by one means: no input, a tick only."""

    log_id: str
    """32 hexadecimal digits, random, made once with the topic."""
    seq: int
    prev_sha256: bytes
    from_: int
    """First offset of ``vaxel.work`` that this record folds."""
    through: int
    """Last one."""
    through_sha256: bytes
    """Of key and value of the input at ``through``."""
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class ChainState:
    """Where a reader stands: what the next valid record must continue.

    ``offset``, ``seq``, ``through``, ``through_sha256`` and ``sha256`` are the last valid record's
    (-1 and the genesis where there is none yet); ``read`` is the last offset read, void or not,
    and ``voids`` counts the void records since the last valid one.
    """

    log_id: str
    partition: int
    sha256: bytes
    offset: int = -1
    seq: int = -1
    through: int = -1
    through_sha256: bytes = NO_INPUT_SHA256
    read: int = -1
    voids: int = 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """A record that counts, and the position after it."""

    state: ChainState
    header: Header
    batch: wire.Batch


@dataclass(frozen=True, slots=True)
class Void:
    """A record that doesn't count, and the position after it. ``seq`` is -1 without a header."""

    state: ChainState
    seq: int


def pack(header: Header, body: bytes) -> bytes:
    """The raw value of a record."""
    fixed = _HEADER.pack(
        MAGIC,
        header.version,
        bytes.fromhex(header.log_id),
        header.seq,
        header.prev_sha256,
        header.from_,
        header.through,
        header.through_sha256,
    )
    return fixed + body


def unpack(raw: bytes) -> tuple[Header, bytes] | None:
    """Header and body of a raw value; None where it is too short or isn't ours."""
    if len(raw) < HEADER_BYTES or not raw.startswith(MAGIC):
        return None
    _, version, log_id, seq, prev, from_, through, through_sha256 = _HEADER.unpack_from(raw)
    header = Header(log_id.hex(), seq, prev, from_, through, through_sha256, version)
    return header, raw[HEADER_BYTES:]


def genesis_sha256(log_id: str, partition: int) -> bytes:
    """What the first record of a partition continues."""
    return hashlib.sha256(f"{log_id}:{partition}".encode()).digest()


def genesis(log_id: str, partition: int) -> ChainState:
    """The position before the first record."""
    return ChainState(log_id, partition, genesis_sha256(log_id, partition))


Decode = Callable[[bytes], wire.Batch]


def accept(
    state: ChainState, offset: int, raw: bytes, *, decode: Decode = wire.decode_batch
) -> Accepted | Void:
    """Judge the record at ``offset``; the caller goes on from the answer's ``state``.

    ``decode`` is for the writer alone, who knows what its decisions say: ``wire.check_batch``.

    Raises :class:`ChainHalt` where offsets jump, the record belongs to another log, a valid one
    breaks the rules of the chain, or void ones show that somebody writes on another chain.
    """
    where = f"decisions partition {state.partition} offset {offset}"
    if offset != state.read + 1:
        raise ChainHalt(
            f"{where}: expected offset {state.read + 1}; records are missing: fold again from a"
            " verified snapshot or an archive"
        )
    parts = unpack(raw)
    if parts is None:
        return _void(state, -1, where)
    header, body = parts
    if header.log_id != state.log_id:
        raise ChainHalt(
            f"{where}: belongs to log {header.log_id}, not {state.log_id}; two systems share this"
            " topic, or a cursor or data dir is another system's: give each its own topic_prefix"
        )
    if header.prev_sha256 != state.sha256:
        return _void(state, header.seq, where)
    batch = _validated(state, header, body, where, decode)
    return Accepted(_after(state, header, offset, raw), header, batch)


def _void(state: ChainState, seq: int, where: str) -> Void:
    after = replace(state, read=state.read + 1, voids=state.voids + 1)
    if seq > state.seq + IN_FLIGHT_MAX:
        raise ChainHalt(
            f"{where}: a void record of seq {seq} while the chain stands at {state.seq}: another"
            " chain grows in this log; stop all routers and compare `vaxel log export` with an"
            " archive before anything else runs"
        )
    if after.voids > VOIDS_MAX:
        raise ChainHalt(
            f"{where}: {after.voids} void records in a row after seq {state.seq}: a writer doesn't"
            " restore; stop all routers and look for one that runs twice or runs other code"
        )
    return Void(after, seq)


def _validated(
    state: ChainState, header: Header, body: bytes, where: str, decode: Decode
) -> wire.Batch:
    """The body of a record that continues the chain; anything wrong with it halts."""
    if header.version != VERSION:
        raise ChainHalt(
            f"{where}: version {header.version} of a record; this code knows {VERSION}: install the"
            " release that wrote it, or a newer one"
        )
    if header.seq != state.seq + 1:
        raise ChainHalt(f"{where}: seq {header.seq} after {state.seq}; the router has a defect")
    if header.from_ != state.through + 1 or header.through < header.from_ - 1:
        raise ChainHalt(
            f"{where}: folds inputs {header.from_} to {header.through} after {state.through};"
            " the router has a defect"
        )
    try:
        return decode(body)
    except msgspec.DecodeError as error:
        raise ChainHalt(
            f"{where}: the body of a valid record can't be read; the router has a defect, or the"
            " log is damaged: compare it with an archive"
        ) from error


def _after(state: ChainState, header: Header, offset: int, raw: bytes) -> ChainState:
    return ChainState(
        log_id=state.log_id,
        partition=state.partition,
        sha256=hashlib.sha256(raw).digest(),
        offset=offset,
        seq=header.seq,
        through=header.through,
        through_sha256=header.through_sha256,
        read=offset,
    )


class VoidWatch:
    """Halts when a partition grows for :data:`VOID_MS_MAX` without a valid record.

    Judged by the log's own append times, so that every reader judges alike, also when it catches
    up. A pause longer than the limit between two void records starts the watch anew: a straggler
    in an idle night is no fork.
    """

    def __init__(self) -> None:
        self._since_ms: int | None = None
        self._last_ms = 0

    def observe(self, outcome: Accepted | Void, timestamp_ms: int) -> None:
        """Note one judged record and its append time; raises :class:`ChainHalt`."""
        if isinstance(outcome, Accepted):
            self._since_ms = None
            return
        if self._since_ms is None or timestamp_ms - self._last_ms > VOID_MS_MAX:
            self._since_ms = timestamp_ms
        self._last_ms = timestamp_ms
        if timestamp_ms - self._since_ms > VOID_MS_MAX:
            raise ChainHalt(
                f"decisions partition {outcome.state.partition} offset {outcome.state.read}: the"
                f" log grew for {timestamp_ms - self._since_ms} ms without a valid record after"
                f" seq {outcome.state.seq}: stop all routers and look for a second chain"
            )
