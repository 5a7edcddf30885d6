"""When queues are open, by the hours that stand in their policy.

A queue outside its hours takes nobody's time, as one that was closed by a switch: what waits keeps
its place and its steps rest, or goes to the queue that the hours name. A timer stands for each
opening and each closing; what it comes to is a ``switch.changed`` of the switch ``hours``.
"""

from __future__ import annotations

from vaxel_router.core.opening import Hours, calendar_of, hours_at
from vaxel_router.core.policy import Policy, Queue
from vaxel_router.core.step import Step
from vaxel_router.core.written.queues import HOURS, OPEN, OUTSIDE, key_of
from vaxel_shared.calendars.calendar import BusinessCalendar

_calendars: dict[tuple[str, str], BusinessCalendar] = {}
CALENDARS_MAX = 1_000


def _hours_of(step: Step, queue: Queue) -> Hours | None:
    """How a queue's hours stand now; None: it has none."""
    hours, version = queue.hours, step.pool.policy
    if hours is None or hours.open is None or version is None:
        return None
    known = _calendars.get((version, queue.name))
    if known is None:
        if len(_calendars) >= CALENDARS_MAX:
            _calendars.clear()
        known = _calendars[version, queue.name] = calendar_of(hours.open)
    return hours_at(known, step.now_ms)


def keep(step: Step, policy: Policy) -> None:
    """Say of every queue whose hours stand otherwise than known how they stand now."""
    wanted = {queue.name: _hours_of(step, queue) for queue in policy.queues}
    prefix = key_of(HOURS, "")
    known = {key.removeprefix(prefix) for key in step.pool.switches if key.startswith(prefix)}
    for name in sorted(known | wanted.keys()):
        _say(step, name, wanted.get(name))


def turn(step: Step, name: str) -> None:
    """A queue opens or closes: its timer fired."""
    queue = step.queue(name)
    now = _hours_of(step, queue) if queue is not None else None
    _say(step, name, now, again=True)


def _say(step: Step, name: str, now: Hours | None, *, again: bool = False) -> None:
    switch = step.pool.switches.get(key_of(HOURS, name))
    if now is None:
        if switch is not None:
            step.emit("switch.changed", switch=HOURS, queue=name, on=False, reason=OPEN)
        return
    reason = OPEN if now.is_open else OUTSIDE
    if switch is not None and not again and (switch.reason, switch.until_ms) == (
        reason, now.until_ms,
    ):  # fmt: skip
        return
    step.emit(
        "switch.changed",
        switch=HOURS,
        queue=name,
        on=not now.is_open,
        reason=reason,
        until_ms=now.until_ms,
    )
