"""Folds a golden history again and prints what comes out, for another process to compare.

python tests/replay/refold.py FOLDER      the sha256 of every body, then that of the end's state
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from vaxel_cli.commands.recorded import FromExport
from vaxel_router.core import state as states
from vaxel_router.core.apply import apply_batch
from vaxel_router.core.replay import DecisionRecord, ReplayResult, WorkRecord, replay_partition
from vaxel_router.core.state import State, World
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.topic_reader import Record


class IsVoid(Exception):
    """A record that doesn't count: no golden history holds one."""


def accepted(log_id: str, records: list[Record]) -> Iterator[tuple[int, chain.Accepted, bytes]]:
    """(offset, record, body) of every record; raises ChainHalt or IsVoid."""
    state = chain.genesis(log_id, 0)
    for record in records:
        outcome = chain.accept(state, record.offset, record.value)
        if isinstance(outcome, chain.Void):
            raise IsVoid(f"offset {record.offset} doesn't continue the chain")
        state = outcome.state
        yield record.offset, outcome, record.value[chain.HEADER_BYTES :]


def replay(folder: Path, decisions: list[Record] | None = None) -> ReplayResult:
    """Decide it all again; ``decisions`` instead of the recorded ones."""
    log = FromExport(folder)
    work = [WorkRecord(r.offset, r.timestamp_ms, r.value) for r in log.work(0)]
    recorded = [
        DecisionRecord(offset, o.header.seq, o.header.from_, o.header.through, body)
        for offset, o, body in accepted(log.log_id, decisions or list(log.decisions(0)))
    ]
    return replay_partition(log.log_id, 0, work, recorded, log.policies)


def restore(folder: Path, decisions: list[Record] | None = None, *, halfway: bool = False) -> World:
    """Apply what was decided; ``halfway`` through a snapshot."""
    log = FromExport(folder)
    records = list(accepted(log.log_id, decisions or list(log.decisions(0))))
    world = World(State(log.log_id, 0))
    for place, (_, outcome, _) in enumerate(records):
        if halfway and place == len(records) // 2:
            world = World(states.decode(states.encode(world.state)))
        apply_batch(world, outcome.batch, outcome.header.seq)
    return world


def main() -> None:
    folder = Path(sys.argv[1])
    result = replay(folder)
    print(result.records, result.decisions, result.mismatch)
    for record in FromExport(folder).decisions(0):
        print(hashlib.sha256(record.value).hexdigest())
    print(states.digest(restore(folder).state))


if __name__ == "__main__":
    main()
