"""The only mutation of the state.

Live stepping, restore, replay and simulation all come through :func:`apply`; what each type of
decision changes stands in :mod:`vaxel_router.core.written`.
"""

from __future__ import annotations

from vaxel_router.core.limits import DAY_MS, MEMORY_DAYS, MEMORY_IDS_MAX
from vaxel_router.core.state import World, fingerprint
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
    if batch.tick_ms is not None:
        world.state.now_ms = max(world.state.now_ms, batch.tick_ms)


UNREMEMBERED = frozenset({"input.rejected", "command.repeated"})
"""Decisions that leave the id of their command free to be used."""


def remember(world: World, cause: str, at_ms: int) -> None:
    """Remember a command's id; timers are no commands. The oldest days are forgotten."""
    if cause.startswith("timer:") or world.remembers(cause):
        return
    memory, today = world.state.memory, str(at_ms // DAY_MS)
    begins = today not in memory
    memory.setdefault(today, set()).add(fingerprint(cause))
    world.remembered += 1
    if begins or world.remembered > MEMORY_IDS_MAX:
        _forget_days(world)


def _forget_days(world: World) -> None:
    """The newest days on which anything was applied stay: an outage makes nothing forgotten."""
    memory = world.state.memory
    days = sorted(memory, key=int)
    while len(days) > MEMORY_DAYS + 1 or (world.remembered > MEMORY_IDS_MAX and len(days) > 1):
        world.remembered -= len(memory.pop(days.pop(0)))
