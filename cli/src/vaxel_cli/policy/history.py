"""A recorded log folded again, stopping before each decision: the state in which it was made.

As a restore folds it: what was decided is applied, nothing is decided anew. So it stands whatever
engine wrote the log, and costs a fraction of a replay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from vaxel_cli.commands.recorded import Recorded
from vaxel_cli.console import answer_is_no
from vaxel_router.core.apply import apply, finish_batch
from vaxel_router.core.state import State, World
from vaxel_shared.contracts import wire
from vaxel_shared.kafka import chain


@dataclass(frozen=True, slots=True)
class Moment:
    """The world just before ``decision`` was applied; at the log's end there is none."""

    world: World
    seq: int
    index: int
    decision: wire.Decision | None
    wall_ms: int = 0
    """What the router's clock said when it decided."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A decision and where it stands."""

    partition: int
    seq: int
    index: int
    decision: wire.Decision


def batches(recorded: Recorded, partition: int) -> Iterator[tuple[int, wire.Batch]]:
    """The records that count, with their seq. Raises (exit 1) where the chain is broken."""
    state = chain.genesis(recorded.log_id, partition)
    try:
        for record in recorded.decisions(partition):
            outcome = chain.accept(state, record.offset, record.value)
            state = outcome.state
            if isinstance(outcome, chain.Accepted):
                yield outcome.header.seq, wire.decode_batch(record.value[chain.HEADER_BYTES :])
    except chain.ChainHalt as error:
        raise answer_is_no(str(error)) from error


def kept(recorded: Recorded, partition: int) -> Iterator[tuple[int, wire.Batch]]:
    """The same where the log's beginning is trimmed: from the first record that is left on."""
    previous: bytes | None = None
    for record in recorded.kept(partition):
        parts = chain.unpack(record.value)
        if parts is None or (previous is not None and parts[0].prev_sha256 != previous):
            continue  # void
        previous = hashlib.sha256(record.value).digest()
        yield parts[0].seq, wire.decode_batch(parts[1])


def fold(recorded: Recorded, partition: int) -> Iterator[Moment]:
    """Every moment of a partition in order, the end last."""
    world = World(State(recorded.log_id, partition))
    for seq, batch in batches(recorded, partition):
        for index, decision in enumerate(batch.decisions):
            yield Moment(world, seq, index, decision, batch.wall_ms)
            apply(world, decision, (seq, index))
        finish_batch(world, batch)
    yield Moment(world, -1, -1, None)


def of_case(recorded: Recorded, wanted: str, *, trimmed: bool = False) -> list[Placed]:
    """All decisions about the case of this number or id, in order; empty where there is none."""
    for partition in recorded.partitions:
        found: list[Placed] = []
        case_id: str | None = None
        for seq, batch in (kept if trimmed else batches)(recorded, partition):
            for index, decision in enumerate(batch.decisions):
                number = decision.data.get("number")
                named = isinstance(number, str) and number.upper() == wanted.upper()
                if case_id is None and decision.case_id and (named or decision.case_id == wanted):
                    case_id = decision.case_id
                if case_id is not None and decision.case_id == case_id:
                    found.append(Placed(partition, seq, index, decision))
        if found:
            return found
    return []
