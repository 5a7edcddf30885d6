"""In which order equals are served, and what makes one more than another: kept as one instant.

A pool orders its work by priority, as ever, or by time: then each work has a *place*, an instant
that doesn't change while it waits, and the earliest place goes first. Waiting counts by itself, and
what a priority or a promise is worth is told in time too. So nobody's order changes as time passes,
a heap is enough, and nobody waits for ever: whoever came more than a known time later goes later,
whatever the priorities (:func:`passed_within_ms`).
"""

from __future__ import annotations

from vaxel_router.core.policy import Order, Policy, Queue


def place_ms(
    policy: Policy | None, queue: Queue | None, *, priority: int, since_ms: int, due_ms: int | None
) -> int | None:
    """The place of a work; None: its pool orders by priority.

    ``since_ms`` is its age; ``due_ms`` when a clock said that a promise to it is due.
    """
    if policy is None or policy.order.by == "priority":
        return None
    order = policy.order
    lead_ms = max(-order.at_most_ms, min(order.at_most_ms, priority * order.point_ms))
    if order.by == "waiting":
        return since_ms - lead_ms
    within_ms, cost = _promise(order, queue)
    due = since_ms + within_ms
    if due_ms is not None:
        due = min(due, due_ms)
    return since_ms + (due - since_ms) // cost - lead_ms


def _promise(order: Order, queue: Queue | None) -> tuple[int, int]:
    """(time, cost) of what a queue promises."""
    promise = queue.promise if queue is not None else None
    if promise is None:
        return order.within_ms, 1
    return promise.within_ms, promise.cost


def passed_within_ms(policy: Policy) -> int | None:
    """The bound on being passed; None: there is none.

    No work goes after one that came more than so much later, for anybody who may take both. Where
    an SLA clock's alert made a work due earlier than its queue promises, that one alone may pass
    others by the difference more.
    """
    order = policy.order
    if order.by == "priority":
        return None
    spread = 0
    if order.by == "promise":
        some = [_promise(order, queue) for queue in policy.queues]
        times = [within_ms // cost for within_ms, cost in some] + [order.within_ms]
        spread = max(times) - min(times)
    return 2 * order.at_most_ms + spread
