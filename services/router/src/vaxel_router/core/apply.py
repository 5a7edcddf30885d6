"""The only mutation of the state.

Live stepping, restore, replay and simulation all come through :func:`apply`; what each type of
decision changes stands in :mod:`vaxel_router.core.written`.
"""

from __future__ import annotations

from vaxel_router.core.state import World, in_order
from vaxel_router.core.written import HANDLERS, Place
from vaxel_shared.contracts.wire import Batch, Decision


def apply(world: World, decision: Decision, place: Place) -> None:
    """Write one decision into the state. An unknown type changes nothing but the time."""
    state = world.state
    state.now_ms = max(state.now_ms, decision.at_ms)
    handler = HANDLERS.get(decision.type)
    if handler is not None:
        pool = state.pools.get(decision.pool) or world.pool(decision.pool)
        handler(world, pool, decision, place)


def apply_batch(world: World, batch: Batch, seq: int) -> None:
    """Write a whole record into the state; used by restore, and at the end of a live batch."""
    for index, decision in enumerate(batch.decisions):
        apply(world, decision, (seq, index))
        if decision.cause != batch.open and decision.type not in UNREMEMBERED:
            remember(world, decision.cause, decision.at_ms)
    finish_batch(world, batch)


def is_kept(decision_type: str) -> bool:
    """Whether decisions of this type change the state of their pool."""
    return decision_type in HANDLERS


def finish_batch(world: World, batch: Batch) -> None:
    """What a record changes besides its decisions: the clock reading, and an unfinished input."""
    if batch.claim is None:
        world.state.open = batch.open
    else:
        begin_engine(world, batch.engine)
    if batch.tick_ms is not None:
        world.state.now_ms = max(world.state.now_ms, batch.tick_ms)


def begin_engine(world: World, engine: str) -> None:
    """An engine claims the partition. If it is another, it begins with the state in order.

    Engines write their snapshots in orders of their own. From here on a state that was restored
    from one gives the same bytes as one that was folded from the log's beginning.
    """
    if world.state.engine != engine:
        state = in_order(world.state)
        state.engine = engine
        world.begin(state)


UNREMEMBERED = frozenset({"input.rejected", "command.repeated"})
"""Decisions that leave the id of their command free to be used."""


def remember(world: World, cause: str, at_ms: int) -> None:
    """Remember a command's id; timers are no commands."""
    if not cause.startswith("timer:") and not world.remembers(cause):
        world.memory.add(cause, at_ms)
