"""How a waiting work goes on if nobody takes it: its steps, overflow, closed queues, whose rules.

The router's own engine says so: the pool as it is, with this work waiting and all others counted
but left out, everybody barred from it, and only the timers that concern it or its queues. Nothing
else is taken to happen meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

import msgspec

from vaxel_router.core import occupancy, shifts
from vaxel_router.core import state as states
from vaxel_router.core.apply import apply, finish_batch
from vaxel_router.core.engine import Batch
from vaxel_router.core.policy import Policy
from vaxel_router.core.state import Agent, Pool, State, Work, World

HORIZON_MS = 14 * 86_400_000
"""So far is looked ahead."""
CHANGES_MAX = 200
EDGES_MAX = 30
"""Beginnings and ends of an agent's shift that are looked at."""
_NEVER_MS = 1 << 52
_OF_WORK = ("step", "free", "owed")
_OF_POOL = ("switch", "look")


@dataclass(frozen=True, slots=True)
class Scene:
    """A pool, a work that waits in it, the instant, the pool's timers, and policies by version."""

    pool: Pool
    work: Work
    now_ms: int
    timers: Mapping[str, int]
    policies: Mapping[str, Policy]

    @property
    def policy(self) -> Policy | None:
        """The pool's own."""
        return self.policies[self.pool.policy] if self.pool.policy is not None else None


@dataclass(frozen=True, slots=True)
class Later:
    """The work from an instant on; ``closed``: its queue takes nobody's time."""

    at_ms: int
    work: Work
    closed: bool


def course(scene: Scene) -> list[Later]:
    """The work now and whenever something about it changes, in order.

    What happens at one instant is told apart by what made it so: a queue that closes may send work
    to one that closes next, and which is open in between.
    """
    pool, work, policy = scene.pool, scene.work, scene.policy
    found = [Later(scene.now_ms, work, work.queue in pool.shut)]
    if policy is None:
        return found
    world, told = _alone(scene), _alone(scene)
    for seq in range(CHANGES_MAX):
        due_ms = _next(world, pool.name, work.id)
        if due_ms is None or due_ms > scene.now_ms + HORIZON_MS:
            break
        batch = Batch(world, scene.policies, seq=seq, wall_ms=due_ms)
        batch.tick(due_ms)
        body = batch.close(engine="")
        place = 0
        for _, some in groupby(body.decisions, key=lambda made: made.cause):
            for made in some:
                apply(told, made, (seq, place))
                place += 1
            there = told.pool(pool.name)
            now = there.works.get(work.id)
            if now is None or now.state != "queued":
                return found
            one = _copy(now)
            one.barred = work.barred
            closed = now.queue in there.shut
            if (one, closed) != (found[-1].work, found[-1].closed):
                found.append(Later(due_ms, one, closed))
        finish_batch(told, body)
    return found


def _copy(work: Work) -> Work:
    """A work that goes on changing, as it is."""
    return msgspec.convert(msgspec.to_builtins(work), Work)


def _next(world: World, pool: str, work_id: str) -> int | None:
    """When the next timer that concerns the work is due; all others are forgotten."""
    while (timer := world.next_timer()) is not None:
        if _concerns(timer[1], pool, work_id):
            return timer[0]
        world.disarm(timer[1])
    return None


def _concerns(key: str, pool: str, work_id: str) -> bool:
    kind, _, rest = key.partition(":")
    if kind in _OF_WORK:
        return rest == f"{pool}:{work_id}"
    return kind in _OF_POOL and rest.startswith(f"{pool}:")


def _alone(scene: Scene) -> World:
    """The pool with no other waiting work, and nobody who may have this one."""
    pool, work = scene.pool, scene.work
    busy = {one.id: one for one in pool.works.values() if one.state != "queued"}
    others = [one for one in pool.works.values() if one.state == "queued" and one.id != work.id]
    case = pool.cases[work.case_id]
    small = msgspec.structs.replace(
        pool, works={**busy, work.id: work}, cases={case.id: case}, conversations={}, closed={}
    )
    timers = {
        key: due for key, due in scene.timers.items() if _concerns(key, pool.name, work.id)
    }  # fmt: skip
    state = State("", 0, now_ms=scene.now_ms, pools={pool.name: small}, timers=timers)
    state = states.decode(states.encode(state))
    barred = dict.fromkeys(pool.agents, scene.now_ms + _NEVER_MS)
    state.pools[pool.name].works[work.id].barred = barred
    world = World(state)
    for other in others:
        world.count(state.pools[pool.name], other.queue, 1)
    return world


def as_at(scene: Scene, agent: Agent, at_ms: int) -> Agent:
    """An agent as by then, by what passes by itself: breaks, pauses, shares, shifts, tools."""
    there = msgspec.structs.replace(agent)
    over = agent.until_ms is not None and agent.until_ms <= at_ms
    if over and agent.presence != "available":
        there.presence, there.grace_ms = "available", None
    elif over:  # only known to be there until then
        there.presence = "offline"
    there.elsewhere = {
        source: said for source, said in agent.elsewhere.items() if said.until_ms > at_ms
    }  # fmt: skip
    if agent.rest_ms is not None and agent.rest_ms <= at_ms:
        there.rest_ms = None
    there.closed = {
        name: until for name, until in agent.closed.items() if not until or until > at_ms
    }  # fmt: skip
    if agent.share is not None:
        there.recent = [got_ms for got_ms in agent.recent if got_ms > at_ms - agent.share[1]]
    there.occupied, _ = _occupied(agent, at_ms)
    policy = scene.policy
    if policy is not None and agent.shift is not None and agent.shift in policy.calendars:
        on, _ = shifts.look(policy.calendars[agent.shift], at_ms)
        there.off_shift = not on
    return there


def _occupied(agent: Agent, at_ms: int) -> tuple[bool, int | None]:
    """Whether the cap is reached then, if nothing happens; and when that changes."""
    if agent.occupancy is None:
        return False, None
    percent, within_ms = agent.occupancy
    cap_ms = occupancy.most_ms(percent, within_ms)
    return occupancy.turn(agent.spans, agent.busy_ms, at_ms, within_ms, cap_ms)


def edges(scene: Scene, agent: Agent) -> set[int]:
    """When something about the agent passes by itself."""
    found = {agent.until_ms, agent.rest_ms, *agent.closed.values()}
    found |= {said.until_ms for said in agent.elsewhere.values()}
    if agent.share is not None:
        found |= {got_ms + agent.share[1] for got_ms in agent.recent}
    turn_ms: int | None = scene.now_ms
    for _ in range(EDGES_MAX):
        if turn_ms is not None:
            _, turn_ms = _occupied(agent, turn_ms)
            found.add(turn_ms)
    policy = scene.policy
    if policy is not None and agent.shift is not None and agent.shift in policy.calendars:
        at_ms = scene.now_ms
        for _ in range(EDGES_MAX):
            _, until_ms = shifts.look(policy.calendars[agent.shift], at_ms)
            if until_ms is None or until_ms > scene.now_ms + HORIZON_MS:
                break
            found.add(until_ms)
            at_ms = until_ms
    return {at_ms for at_ms in found if at_ms is not None and at_ms > scene.now_ms}
