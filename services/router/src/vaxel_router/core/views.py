"""Answers to live questions, from the state alone."""

from __future__ import annotations

from typing import Any

from vaxel_router.core import switches as switching
from vaxel_router.core import waits as waiting
from vaxel_router.core.eligibility import aside, choose, used
from vaxel_router.core.state import Case, Pool, Work, World, work_key
from vaxel_router.core.written.queues import window_timer


def case(world: World, case_id: str) -> dict[str, Any] | None:
    """A case, its work, its position in the queue, and what blocks it; None where unknown."""
    for pool in world.state.pools.values():
        found = pool.cases.get(case_id)
        if found is not None:
            return _case(world, pool, found)
    return None


def _case(world: World, pool: Pool, found: Case) -> dict[str, Any]:
    work = pool.works.get(found.work_id or "")
    waits = work is not None and work.state == "queued"
    position = _position(pool, work) if work is not None and waits else None
    now_ms = world.state.now_ms
    return {
        "case": {
            "id": found.id,
            "number": found.number,
            "pool": pool.name,
            "status": found.status,
            "queue": found.queue,
            "language": found.language,
            "last_agent": found.last_agent,
            "last_contact_seq": found.last_contact_seq,
        },
        "work": _work(work) if work is not None else None,
        "position": position,
        "expected_wait_ms": waiting.expected_ms(pool.paces.get(work.queue), position, now_ms)
        if work is not None and position is not None and work.queue not in pool.shut
        else None,
        "why_not_yet": choose(pool, work, now_ms).explain if work is not None and waits else None,
        "held": _held(world, pool, work) if work is not None and waits else None,
    }


def _held(world: World, pool: Pool, work: Work) -> dict[str, Any] | None:
    """What keeps a waiting work from everybody alike."""
    shut = pool.shut.get(work.queue)
    if shut is not None:
        return {"code": "queue_closed", "until_ms": shut.until_ms}
    until_ms = world.state.timers.get(window_timer(pool))
    return None if until_ms is None else {"code": "collecting", "until_ms": until_ms}


def _work(work: Work) -> dict[str, Any]:
    return {
        "id": work.id,
        "state": work.state,
        "queue": work.queue,
        "priority": work.priority,
        "tiers": work.tiers,
        "skills": work.needs,
        "languages": work.speaks,
        "since_ms": work.since_ms,
        "clock_ms": work.clock_ms,
        "step": work.step,
        "step_at": work.step_at,
        "next_ms": work.next_ms,
        "attempts": work.attempts,
        "bounces": work.bounces,
        "lease_ms": work.lease_ms,
        "offer_id": work.offer_id,
        "offers": work.open_offers,
        "agent_id": work.agent_id,
        "token": work.token,
    }


def _position(pool: Pool, work: Work) -> int:
    """Place among the waiting of its queue, counted from 1."""
    key = work_key(work)
    return 1 + sum(
        other.state == "queued" and other.queue == work.queue and work_key(other) < key
        for other in pool.works.values()
    )


def queues(world: World) -> list[dict[str, Any]]:
    """Every queue that holds work, by pool and name, and how long new work would wait there."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for pool in world.state.pools.values():
        for work in pool.works.values():
            empty = {"waiting": 0, "offered": 0, "assigned": 0, "wrapping": 0, "suspended": 0}
            key = (pool.name, work.queue)
            row = rows.setdefault(key, {"pool": pool.name, "queue": work.queue, **empty})
            row["waiting" if work.state == "queued" else work.state] += 1
            if work.state == "queued":
                oldest = row.get("oldest_since_ms", work.clock_ms)
                row["oldest_since_ms"] = min(oldest, work.clock_ms)
        for (_, name), row in rows.items():
            if row["pool"] == pool.name:
                ahead, now_ms = row["waiting"] + 1, world.state.now_ms
                row["expected_wait_ms"] = (
                    waiting.expected_ms(pool.paces.get(name), ahead, now_ms)
                    if name not in pool.shut
                    else None
                )
    return [rows[key] for key in sorted(rows)]


def switches(world: World) -> list[dict[str, Any]]:
    """The switches that are on, by pool and name."""
    return [row for pool in world.state.pools.values() for row in switching.active(pool)]


def agents(world: World) -> list[dict[str, Any]]:
    """Every agent with presence, capacity and what each has in hand."""
    return [
        {
            "id": agent.id,
            "pool": pool.name,
            "presence": agent.presence,
            "mode": agent.mode,
            "until_ms": agent.until_ms,
            "name": agent.name,
            "grace_ms": agent.grace_ms,
            "standing": agent.standing,
            "stop": agent.stop or None,
            "shift_ms": agent.shift_ms,
            "rest_ms": agent.rest_ms,
            "closed": sorted(agent.closed),
            "tier": agent.tier,
            "capacity": agent.capacity,
            "used": used(pool, agent, "")[0],
            "offers": list(agent.offers),
            "works": list(agent.works),
            "aside": aside(pool, agent),
            "elsewhere": {
                source: {
                    "works": {channel: count for channel, (count, _) in said.works.items()},
                    "until_ms": said.until_ms,
                }
                for source, said in sorted(agent.elsewhere.items())
            },
        }
        for pool in world.state.pools.values()
        for _, agent in sorted(pool.agents.items())
    ]
