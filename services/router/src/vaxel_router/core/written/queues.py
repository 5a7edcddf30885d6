"""How decisions about queues and switches are written into the state."""

from __future__ import annotations

from vaxel_router.core.of_queues import Shut, Switch
from vaxel_router.core.state import Pool, World, put
from vaxel_router.core.written.common import Handler, Place, arm_step
from vaxel_shared.contracts.wire import Decision

LOOK = "look"
"""The switch of a ``switch.changed`` that only says that a full record left something to do."""


WINDOW = "window"
"""The switch of a ``switch.changed`` by which what is matchable is collected, and then matched."""

HOURS, OPEN, OUTSIDE = "hours", "open", "outside_hours"
"""The switch of a ``switch.changed`` that a calendar turns, and its reasons."""


def key_of(switch: str, queue: str | None) -> str:
    """By what a switch is known in a pool."""
    return f"{switch}:{queue or ''}"


def window_timer(pool: Pool) -> str:
    """The timer that is armed as long as a pool collects what is matchable."""
    return f"window:{pool.name}:"


def _switch_changed(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    data = decision.data
    switch, queue, on = data["switch"], data.get("queue"), data.get("on", True)
    if switch == LOOK:
        timer = f"look:{pool.name}:{queue or ''}"
        if on:
            world.arm(timer, decision.at_ms)
        else:
            world.disarm(timer)
        return
    if switch == WINDOW:
        timer = window_timer(pool)
        if on:
            world.arm(timer, data["until_ms"])
        else:
            world.disarm(timer)
        return
    key = key_of(switch, queue)
    timer = f"switch:{pool.name}:{key}"
    if on or (switch == HOURS and "until_ms" in data):
        pool.switches[key] = Switch(data["until_ms"], data["reason"], data.get("value"))
        world.arm(timer, data["until_ms"])
    else:
        pool.switches.pop(key, None)
        world.disarm(timer)
    if switch in ("close", HOURS) and queue is not None:
        until_ms = closed_until_ms(pool, queue)
        if until_ms is not None:
            _shut(world, pool, queue, decision.at_ms, until_ms)
        else:
            _open(world, pool, queue, decision.at_ms)


def closed_until_ms(pool: Pool, queue: str) -> int | None:
    """Until when a queue is closed by a switch or by its hours; None: it is open."""
    by_hand = pool.switches.get(key_of("close", queue))
    by_hours = pool.switches.get(key_of(HOURS, queue))
    ends = [by_hand.until_ms] if by_hand is not None else []
    if by_hours is not None and by_hours.reason == OUTSIDE:
        ends.append(by_hours.until_ms)
    return max(ends, default=None)


def _shut(world: World, pool: Pool, queue: str, at_ms: int, until_ms: int) -> None:
    """Nothing of the queue is offered from here on, and its steps rest."""
    known = pool.shut.get(queue)
    if known is not None:
        known.until_ms = until_ms
        return
    pool.shut[queue] = Shut(at_ms, until_ms)
    matcher = world.matchers[pool.name]
    for work in pool.works.values():
        if work.queue == queue and work.state == "queued":
            matcher.drop(work.id)
            world.disarm(f"step:{pool.name}:{work.id}")


def _open(world: World, pool: Pool, queue: str, at_ms: int) -> None:
    """Its work may be offered again; the time in between doesn't count for its steps."""
    shut = pool.shut.pop(queue, None)
    if shut is None:
        return
    pace = pool.paces.get(queue)
    if pace is not None:
        pace.last_ms += at_ms - max(shut.since_ms, pace.last_ms)
    matcher = world.matchers[pool.name]
    for work in pool.works.values():
        if work.queue == queue and work.state == "queued":
            rested_ms = at_ms - max(shut.since_ms, work.clock_ms)
            work.clock_ms += rested_ms
            arm_step(world, pool, work, None if work.next_ms is None else work.next_ms + rested_ms)
            put(matcher, pool, work, world.state.now_ms)


HANDLERS: dict[str, Handler] = {
    "switch.changed": _switch_changed,
}
"""Type of a decision → what it changes."""
