"""Folding a recorded log again: the same inputs must give the same decisions, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from vaxel_router.core import state as states
from vaxel_router.core.engine import Batch, Input
from vaxel_router.core.inputs import decode
from vaxel_router.core.policy import Policy
from vaxel_router.core.policy import decode as decode_policy
from vaxel_router.core.state import State, World
from vaxel_shared.contracts import wire


@dataclass(frozen=True, slots=True)
class WorkRecord:
    """A record of ``vaxel.work`` as it was recorded."""

    offset: int
    timestamp_ms: int
    value: bytes


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A valid record of ``vaxel.decisions``: its place in the chain and its JSON body."""

    offset: int
    seq: int
    from_: int
    through: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first difference: the record, the decision in it, and both sides."""

    offset: int
    seq: int
    index: int | None
    recorded: str
    recomputed: str


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """How much was folded, and the first difference, if any."""

    records: int
    decisions: int
    mismatch: Mismatch | None


def replay_partition(
    log_id: str,
    partition: int,
    work_records: Iterable[WorkRecord],
    decision_records: Iterable[DecisionRecord],
    blobs: Mapping[str, bytes],
) -> ReplayResult:
    """Recompute every record of a partition from the log's beginning.

    ``blobs`` holds each policy's bytes by the version that ``policy.adopted`` names. Raises
    ``KeyError`` with the version or offset that is missing.
    """
    world = World(State(log_id, partition))
    library = _Library(blobs)
    inputs = {
        item.offset: decode(item.offset, item.timestamp_ms, item.value) for item in work_records
    }
    records = decisions = 0
    for record in decision_records:
        body = _recompute(world, library, inputs, record)
        records += 1
        decisions += len(body.decisions)
        if wire.encode(body) != record.body:
            return ReplayResult(records, decisions, _difference(record, body))
    return ReplayResult(records, decisions, None)


def _recompute(
    world: World, library: _Library, inputs: Mapping[int, Input], record: DecisionRecord
) -> wire.Batch:
    recorded = wire.decode_batch(record.body)
    before = None if recorded.state_digest is None else states.digest(world.state)
    batch = Batch(world, library, seq=record.seq, wall_ms=recorded.wall_ms)
    rejected = _rejection(recorded)
    if rejected is not None:
        batch.reject(inputs[record.through], rejected)
    else:
        for offset in range(record.from_, record.through + 1):
            batch.add(inputs[offset])
    if recorded.open is not None:
        batch.add(inputs[record.through + 1])
    elif recorded.tick_ms is not None:
        batch.tick(recorded.tick_ms)
    return batch.close(engine=recorded.engine, state_digest=before, claim=recorded.claim)


def _rejection(recorded: wire.Batch) -> str | None:
    """The error, where the engine of then could not fold an input and the shell said so."""
    if len(recorded.decisions) != 1 or recorded.decisions[0].type != "input.rejected":
        return None
    error = str(recorded.decisions[0].data.get("error", ""))
    return error if error.startswith("raised:") else None


def _difference(record: DecisionRecord, body: wire.Batch) -> Mismatch:
    """Where two bodies differ first."""
    recorded = wire.decode_batch(record.body)
    for index in range(max(len(recorded.decisions), len(body.decisions))):
        pair = [
            msgspec.json.encode(side.decisions[index]).decode()
            if index < len(side.decisions)
            else "nothing"
            for side in (recorded, body)
        ]
        if pair[0] != pair[1]:
            return Mismatch(record.offset, record.seq, index, pair[0], pair[1])
    texts = [
        msgspec.json.encode(msgspec.structs.replace(side, decisions=[])).decode()
        for side in (recorded, body)
    ]
    return Mismatch(record.offset, record.seq, None, texts[0], texts[1])


class _Library(dict[str, Policy]):
    """Policies decoded when they are first asked for."""

    def __init__(self, blobs: Mapping[str, bytes]) -> None:
        super().__init__()
        self._blobs = blobs

    def __missing__(self, version: str) -> Policy:
        policy = decode_policy(self._blobs[version])
        self[version] = policy
        return policy

    def __contains__(self, version: object) -> bool:
        return version in self._blobs
