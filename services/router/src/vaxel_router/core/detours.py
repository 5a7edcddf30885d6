"""Where work goes when not into the queue it is for, and when waiting moves it to another.

Before work waits: a queue that was diverted, one that is full, and overflow that holds from the
first moment. While it waits: overflow by age. Each may look at the other queue first. Work is moved
so many times and no more; where detours lead in a circle, it stays where it first was.
"""

from __future__ import annotations

from vaxel_router.core import waits
from vaxel_router.core.limits import DETOURS_MAX, MOVES_MAX
from vaxel_router.core.policy import Overflow, There
from vaxel_router.core.state import Case, Work, asks_for
from vaxel_router.core.step import Step
from vaxel_router.core.written.queues import HOURS, OUTSIDE, key_of


def destination(step: Step, asked: Case | Work, queue: str) -> tuple[str, str | None]:
    """Where new work for a queue waits, and why not in that queue itself."""
    found, why, seen = queue, None, {queue}
    while len(seen) <= DETOURS_MAX and (onward := _onward(step, asked, found)) is not None:
        if onward[0] in seen:
            return queue, None
        found, why = onward
        seen.add(found)
    return found, why


def _onward(step: Step, asked: Case | Work, name: str) -> tuple[str, str] | None:
    forced, queue = sent_away(step, name), step.queue(name)
    if forced is not None or queue is None:
        return forced
    if queue.limit is not None and queue.limit.to is not None and is_full(step, name):
        return queue.limit.to, "full"
    for rule in queue.overflow:
        if rule.after_ms == 0 and _holds(step, asked, name, rule):
            return rule.to, "overflow"
    return None


def sent_away(step: Step, name: str) -> tuple[str, str] | None:
    """Where all of a queue's work goes now, and why; None: it stays."""
    if not step.pool.switches:
        return None
    diverted = step.diverted(name)
    if diverted != name:
        return diverted, "divert"
    queue, hours = step.queue(name), step.pool.switches.get(key_of(HOURS, name))
    if queue is None or queue.hours is None or hours is None or hours.reason != OUTSIDE:
        return None
    to = queue.hours.to
    return (to, "hours") if to is not None and to not in step.pool.shut else None


def is_full(step: Step, name: str) -> bool:
    """Whether as much waits in a queue as may."""
    queue = step.queue(name)
    limit = queue.limit if queue is not None else None
    return limit is not None and step.world.waiting_in(step.pool, name) >= limit.waiting


def refuses(step: Step, asked: Case, beside: int = 0) -> bool:
    """Whether a new case can't be taken: the pool, its queue, or where that sends it, is full.

    ``beside``: so many cases more than there are, such as itself where it isn't opened yet.
    """
    limits, pool = step.policy.limits if step.policy is not None else None, step.pool
    if limits is not None:
        if limits.cases is not None and len(pool.cases) + beside > limits.cases:
            return True
        if limits.waiting is not None and step.world.waiting_in(pool, None) >= limits.waiting:
            return True
    name, _ = destination(step, asked, asked.queue)
    queue = step.queue(name)
    if queue is None or queue.limit is None or not queue.limit.refuse:
        return False
    return is_full(step, name)


def moved(step: Step, work: Work) -> tuple[str, str] | None:
    """The queue that a waiting work is to move to, and why; None: it stays."""
    if work.moves >= MOVES_MAX:
        return None
    forced, rules = sent_away(step, work.queue), step.rules_of(work)
    if forced is not None:
        return forced
    queue = rules.queue(work.queue) if rules is not None else None
    if queue is None or not queue.overflow or work.queue in step.pool.shut:
        return None
    age_ms = step.now_ms - work.clock_ms
    for rule in queue.overflow:
        if rule.after_ms <= age_ms and _holds(step, work, work.queue, rule):
            target = step.diverted(rule.to)
            return (target, "overflow") if target != work.queue else None
    return None


def _holds(step: Step, asked: Case | Work, here: str, rule: Overflow) -> bool:
    """Whether a rule's conditions hold: how long it takes here, and how the other queue is."""
    if rule.to in step.pool.shut:
        return False
    if rule.expected_wait_ms is not None:
        expected_ms = _expected_ms(step, here)
        if expected_ms is None or expected_ms < rule.expected_wait_ms:
            return False
    return rule.if_there is None or _is_so(step, asked, rule.to, rule.if_there)


def _expected_ms(step: Step, queue: str) -> int | None:
    """How long new work is expected to wait in a queue; None: nothing is known yet."""
    waiting = step.world.waiting_in(step.pool, queue)
    return waits.expected_ms(step.pool.paces.get(queue), waiting + 1, step.now_ms)


def _is_so(step: Step, asked: Case | Work, queue: str, there: There) -> bool:
    """Whether another queue is as it must be. Where nothing waits, nobody need know how long."""
    waiting = step.world.waiting_in(step.pool, queue)
    if there.waiting_below is not None and waiting >= there.waiting_below:
        return False
    if there.expected_wait_below_ms is not None and waiting:
        expected_ms = _expected_ms(step, queue)
        if expected_ms is None or expected_ms >= there.expected_wait_below_ms:
            return False
    return not there.staffed or _is_staffed(step, asked, queue)


def _is_staffed(step: Step, asked: Case | Work, queue: str) -> bool:
    """Whether somebody is there who could take this work in another queue."""
    now = step.plan_in(queue, asked, 1, step.now_ms)
    asks = asks_for(asked.channel, now.tiers, now.skills, now.languages, now.wants)
    return step.world.is_staffed(step.pool, asks)
