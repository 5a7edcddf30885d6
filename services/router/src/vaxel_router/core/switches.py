"""Switches: what somebody turns on for a time, with a reason and an end.

``close`` a queue: what waits in it keeps its place and isn't offered, and its steps rest.
``divert`` it: what waits there and what comes goes to another. ``all_hands``: the skills of a
queue, or of all, are waived and every tier is in. Each ends by itself at an instant, or sooner.
"""

from __future__ import annotations

from vaxel_router.core import hours
from vaxel_router.core.limits import SWITCH_MS_MAX
from vaxel_router.core.queueing import match_work
from vaxel_router.core.state import Pool, Work
from vaxel_router.core.step import Refused, Step
from vaxel_router.core.stepping import step_work
from vaxel_router.core.written.queues import HOURS, LOOK, OPEN, key_of
from vaxel_shared.contracts.wire import Command

KINDS = ("close", "divert", "all_hands")


def set_switch(step: Step, command: Command) -> None:
    """``switch.set``: on with a reason and an end, or off before its end."""
    data = command.data
    switch, queue, on = data.get("switch"), data.get("queue"), data.get("on", True)
    if switch not in KINDS or (queue is None and switch != "all_hands"):
        raise Refused("invalid_data", {"switch": switch, "queue": queue})
    if step.policy is None:
        raise Refused("no_policy")
    value = None
    if on:
        if queue is not None and step.queue(queue) is None:
            raise Refused("unknown_queue", {"queue": queue})
        _require_end(step, command)
        if switch == "divert" and queue is not None:
            value = _target(step, queue, data.get("value"))
    elif key_of(switch, queue) not in step.pool.switches:
        raise Refused("wrong_state", {"switch": switch, "queue": queue})
    step.emit(
        "switch.changed",
        switch=switch,
        queue=queue,
        value=value,
        on=on,
        reason=data.get("reason") or "requested",
        until_ms=data["until_ms"] if on else None,
    )
    _follow(step, switch, queue, on=on)


def _require_end(step: Step, command: Command) -> None:
    missing = [name for name in ("reason", "until_ms") if command.data.get(name) is None]
    if missing:
        raise Refused("invalid_data", {"missing": missing})
    until_ms: int = command.data["until_ms"]
    if not step.now_ms < until_ms <= step.now_ms + SWITCH_MS_MAX:
        raise Refused("invalid_data", {"until_ms": until_ms})


def _target(step: Step, queue: str, value: str | None) -> str:
    """Where a diversion leads to: another queue, and not back. Raises Refused."""
    if value is None or step.queue(value) is None:
        raise Refused("unknown_queue", {"queue": value})
    way = [queue, value]
    while way[-1] != queue and (further := step.pool.switches.get(f"divert:{way[-1]}")) is not None:
        way.append(further.value or "")
    if way[-1] == queue:
        raise Refused("invalid_data", {"cycle": way})
    return value


def _follow(step: Step, switch: str, queue: str | None, *, on: bool) -> None:
    """Look at the work that a switch makes a difference to."""
    if (switch, on) not in (("close", True), ("divert", False)):
        look_again(step, queue)


def end(step: Step, key: str) -> None:
    """A switch's time is over."""
    switch, _, queue = key.partition(":")
    if switch == HOURS:
        hours.turn(step, queue)
        look_again(step, queue)
        return
    step.emit("switch.changed", switch=switch, queue=queue or None, on=False, reason="ended")
    _follow(step, switch, queue or None, on=False)


def go_on(step: Step, queue: str) -> None:
    """What a full record cut short."""
    step.emit("switch.changed", switch=LOOK, queue=queue or None, on=False, reason="matching")
    look_again(step, queue or None)


def look_again(step: Step, queue: str | None) -> None:
    """Bring the waiting work of a queue, or of all, to where it belongs now, and match it.

    In the order of service; a full record leaves the rest to a timer that is due at once.
    """
    key = f"look:{step.pool.name}:{queue or ''}"
    todo = _todo(step, key, queue)
    while todo:
        if not step.has_room:
            step.world.todo = (key, todo)
            step.emit("switch.changed", switch=LOOK, queue=queue, on=True, reason="more_waits")
            return
        work = todo.pop()
        if step.pool.works.get(work.id) is not work or work.state != "queued":
            continue
        step_work(step, work, "switch")
        match_work(step, work)


def _todo(step: Step, key: str, queue: str | None) -> list[Work]:
    """What is left to look at, the first to be served at the end; an index, so never saved.

    What was looked at needs nothing more: a restored router that begins anew decides the same.
    """
    known, todo = step.world.todo
    if known == key:
        step.world.todo = ("", [])
        return todo
    return [w for w in step.world.waiting(step.pool) if queue is None or w.queue == queue][::-1]


def active(pool: Pool) -> list[dict[str, object]]:
    """The switches that are on, by name."""
    rows: list[dict[str, object]] = []
    for key, item in sorted(pool.switches.items()):
        switch, _, queue = key.partition(":")
        if item.reason == OPEN and switch == HOURS:
            continue
        rows.append({
            "pool": pool.name, "switch": switch, "queue": queue or None, "value": item.value,
            "reason": item.reason, "until_ms": item.until_ms,
        })  # fmt: skip
    return rows
