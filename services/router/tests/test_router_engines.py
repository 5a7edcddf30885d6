"""One engine after another: whatever a state was restored from, it goes on in the same bytes."""

from __future__ import annotations

import msgspec
import pytest
from router_harness import LOG_ID, Router

from vaxel_router.core import state as states
from vaxel_router.core.apply import apply_batch, begin_engine
from vaxel_router.core.state import State, World
from vaxel_shared.contracts import wire

DAY_MS = 86_400_000


@pytest.fixture
def router() -> Router:
    """Some days of traffic, its names in no order."""
    router = Router()
    for day in range(3):
        for number in (7, 3, 9, 1):
            router.contact(f"mail-{number}-{day}", conversation=f"thread-{number}")
        router.accept()
        router.reply(router.case(), then="resolved")
        router.wait(DAY_MS)
    return router


def folded(router: Router, count: int) -> World:
    """What the first records of a router's log come to."""
    world = World(State(LOG_ID, 0))
    for record in router.records[:count]:
        apply_batch(world, wire.decode_batch(record.body), record.seq)
    return world


def as_once_written(world: World) -> bytes:
    """The snapshot of an engine before 0.6.0: sorted, and its memory as numbers."""
    fields = msgspec.json.decode(states.encode(states.in_order(world.state)))
    fields["memory"] = {
        day: sorted(int.from_bytes(marks[at : at + 8]) for at in range(0, len(marks), 8))
        for day, marks in world.state.memory.items()
    }
    del fields["engine"]
    return msgspec.json.encode(fields)


def test_a_snapshot_of_another_engine_and_the_log_s_beginning_come_to_the_same(
    router: Router,
) -> None:
    half = len(router.records) // 2
    begun, restored = folded(router, half), folded(router, half)
    restored = World(states.decode(as_once_written(restored)))
    for world in (begun, restored):
        begin_engine(world, "vaxel 0.6.0")
    assert states.encode(begun.state) == states.encode(restored.state)
    for record in router.records[half:]:
        for world in (begun, restored):
            apply_batch(world, wire.decode_batch(record.body), record.seq)
    assert states.encode(begun.state) == states.encode(restored.state)


def test_the_same_engine_again_moves_nothing(router: Router) -> None:
    begin_engine(router.world, "one")
    router.contact("a-last-one")
    before, memory = states.encode(router.world.state), router.world.memory
    begin_engine(router.world, "one")
    assert states.encode(router.world.state) == before
    assert router.world.memory is memory
    begin_engine(router.world, "other")
    assert states.encode(router.world.state) != before
    assert states.in_order(router.world.state) == router.world.state, "but for the order it is so"
    assert router.world.remembers("a-last-one")


def test_a_claim_in_the_log_is_where_an_engine_begins(router: Router) -> None:
    world = folded(router, len(router.records))
    claim = wire.Batch(engine="another", wall_ms=1, claim={"instance": "0", "run_id": "r"})
    apply_batch(world, claim, len(router.records))
    assert world.state.engine == "another"
    assert states.encode(world.state) == states.encode(states.in_order(world.state))
