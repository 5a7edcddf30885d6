"""What the functions that write decisions into the state have in common."""

from __future__ import annotations

from collections.abc import Callable

from vaxel_router.core.state import Case, Pool, Work, World
from vaxel_shared.contracts.wire import Decision

Place = tuple[int, int]
"""(seq of the record, index of the decision in it): what a token is made of."""


Handler = Callable[[World, Pool, Decision, Place], None]


MORE_WAITS = "more_waits"
"""Reason of an ``agent.changed`` or ``work.stepped``: a full record cut the matching short.

The next goes on, first with what that agent is owed, then with the work: timers that are due at
once fire by their names, and ``match:`` comes before ``owed:``.
"""


def arm_step(world: World, pool: Pool, work: Work, next_ms: int | None) -> None:
    """Set the time of a work's next step; None: none. It rests while the queue is shut."""
    work.next_ms = next_ms
    key = f"step:{pool.name}:{work.id}"
    if next_ms is None or work.queue in pool.shut:
        world.disarm(key)
    else:
        world.arm(key, next_ms)


def arm_bars(world: World, pool: Pool, work: Work) -> None:
    """One timer for whatever ends first: a bar, or the time reserved for one agent."""
    ends = [until for until in work.barred.values() if until > world.state.now_ms]
    if work.prefer_until_ms is not None and work.prefer_until_ms > world.state.now_ms:
        ends.append(work.prefer_until_ms)
    key = f"free:{pool.name}:{work.id}"
    if ends and work.state == "queued":
        world.arm(key, min(ends))
    else:
        world.disarm(key)


def disarm_work(world: World, pool: Pool, work: Work) -> None:
    """Forget the timers of a work that waits: it does no more."""
    tail = f":{pool.name}:{work.id}"
    world.disarm_all(("step" + tail, "free" + tail, "resume" + tail, "owed" + tail))


def lease(world: World, pool: Pool, work: Work, until_ms: int | None) -> None:
    """Until when the first reply to work in hand is awaited; None: it isn't."""
    work.lease_ms = until_ms
    key = f"lease:{pool.name}:{work.id}"
    if until_ms is None:
        world.disarm(key)
    else:
        world.arm(key, until_ms)


def case_id_of(decision: Decision) -> str:
    """The case that the decision is about, which its type must name."""
    assert decision.case_id is not None
    return decision.case_id


def work_id_of(decision: Decision) -> str:
    """The work that the decision is about, which its type must name."""
    assert decision.work_id is not None
    return decision.work_id


def all_merged(pool: Pool, case: Case) -> list[str]:
    """The cases that went into one, and into those, the last of them first."""
    found: list[str] = []
    for merged in case.merged:
        found += [*all_merged(pool, pool.cases[merged]), merged]
    return found
