"""Every input delivered one to five times: the same final state as delivered once.

The recorded history is folded again by the engine, record by record. At the end of each record that
folded inputs, copies of inputs that were folded by then are delivered again, shuffled.
"""

from __future__ import annotations

import random
from typing import Any

from simulation.world.checker import Violation
from simulation.world.people import DEFECT
from simulation.world.routing import LOG_ID

from vaxel_router.core import state as states
from vaxel_router.core.engine import Batch, Input
from vaxel_router.core.inputs import decode
from vaxel_router.core.policy import Policy
from vaxel_router.core.policy import decode as decode_policy
from vaxel_router.core.state import State, World
from vaxel_shared.contracts import wire
from vaxel_shared.kafka.topics import WORK

COPIES_MAX = 4


def judge(world: Any, rng: random.Random) -> int:
    """Fold the history with and without copies; answers how many copies there were."""
    inputs = [
        decode(record.offset, record.timestamp_ms, record.value)
        for record in world.broker.partition(WORK).archive
    ]
    library = {
        ref.partition("/")[2]: decode_policy(blob)
        for ref, blob in world.disk.blobs.items()
        if ref.startswith("policy/")
    }
    once, _ = _fold(world, inputs, library, None)
    often, copies = _fold(world, inputs, library, rng)
    if once != often:
        raise Violation(f"{copies} inputs that came again led to another state")
    return copies


def _fold(
    world: Any, inputs: list[Input], library: dict[str, Policy], rng: random.Random | None
) -> tuple[str, int]:
    """The final state's digest, and how many copies were folded on the way."""
    made = World(State(LOG_ID, 0))
    left: list[int] = []
    copies = 0
    for one in world.checker.valid:
        body = wire.decode_batch(one.body)
        batch = Batch(made, library, seq=one.seq, wall_ms=body.wall_ms)
        for offset in range(one.from_, one.through + 1):
            command = inputs[offset].command
            if command is not None and command.type == DEFECT:  # set aside, alone in its record
                batch.reject(inputs[offset], "raised:ZeroDivisionError")
                continue
            batch.add(inputs[offset])
            if rng is not None:
                left += [offset] * rng.randint(0, COPIES_MAX)
        if rng is not None and one.through >= one.from_ and body.open is None:
            rng.shuffle(left)
            while left and batch.has_room:
                copies += 1
                batch.add(inputs[left.pop()]._replace(append_ms=0))
        if body.open is not None:
            batch.add(inputs[one.through + 1])
        elif body.tick_ms is not None:
            batch.tick(body.tick_ms)
        batch.close(engine=body.engine, claim=body.claim)
    return states.digest(made.state), copies
