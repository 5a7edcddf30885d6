"""How it stood at a past instant, from the log folded up to then: queues, and who did what.

Ids, numbers and codes only, as everything that comes from decisions.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from vaxel_cli.commands.recorded import Recorded
from vaxel_cli.policy.history import fold
from vaxel_router.core import views
from vaxel_router.core.eligibility import aside, choose, used
from vaxel_router.core.state import Agent, Pool, Work, World, is_matched
from vaxel_router.core.written.queues import window_timer
from vaxel_shared.contracts import wire


@dataclass(slots=True)
class Past:
    """One partition at an instant."""

    world: World
    at_ms: int
    begin_ms: int
    end_ms: int
    """When its log begins and ends; the instant may lie beyond: then all is as at the end."""
    given_ms: dict[str, int] = field(default_factory=dict)
    """Work in hand → since when."""
    there_ms: dict[str, int] = field(default_factory=dict)
    """``pool/agent`` → since when the presence is what it is."""


def at(recorded: Recorded, partition: int, at_ms: int) -> Past | None:
    """A partition as it was at an instant; None where its log begins later, or is empty."""
    given: dict[str, int] = {}
    there: dict[str, int] = {}
    begin_ms = None
    for moment in fold(recorded, partition):
        decision = moment.decision
        if begin_ms is None:
            begin_ms = decision.at_ms if decision is not None else None
            if begin_ms is None or begin_ms > at_ms:
                return None
        if decision is None or decision.at_ms > at_ms:
            end_ms = moment.world.state.now_ms if decision is None else at_ms
            moment.world.state.now_ms = at_ms
            return Past(moment.world, at_ms, begin_ms, end_ms, given, there)
        _note(decision, given, there)
    return None


def _note(made: wire.Decision, given: dict[str, int], there: dict[str, int]) -> None:
    if made.type == "work.assigned":
        given[str(made.work_id)] = made.at_ms
    elif made.type == "work.closed":
        given.pop(str(made.work_id), None)
    elif made.type == "agent.changed" and made.data.get("presence") is not None:
        there[f"{made.pool}/{made.agent_id}"] = made.at_ms


def queues(past: Past) -> list[dict[str, Any]]:
    """Every queue of every pool that holds work or is closed."""
    rows = views.queues(past.world)
    known = {(row["pool"], row["queue"]) for row in rows}
    states = ("waiting", "offered", "assigned", "wrapping", "suspended")
    for pool in past.world.state.pools.values():
        for name in pool.shut:
            if (pool.name, name) not in known:
                rows.append({"pool": pool.name, "queue": name} | dict.fromkeys(states, 0))
    for row in rows:
        shut = past.world.state.pools[row["pool"]].shut.get(row["queue"])
        row["closed_until_ms"] = shut.until_ms if shut is not None else None
    return sorted(rows, key=lambda row: (row["pool"], row["queue"]))


def line(past: Past, pool: Pool, queue: str, first: int) -> list[dict[str, Any]]:
    """What waits in a queue, in the order of service, the first so many with the reasons."""
    waiting = [work for work in past.world.waiting(pool) if work.queue == queue]
    return [
        _waiting(past, pool, work, place) for place, work in enumerate(waiting[:first], start=1)
    ]


def _waiting(past: Past, pool: Pool, work: Work, place: int) -> dict[str, Any]:
    explain = choose(pool, work, past.at_ms).explain
    reserved = work.prefer_agent if (work.prefer_until_ms or 0) > past.at_ms else None
    return {
        "position": place,
        "case_id": work.case_id,
        "number": pool.cases[work.case_id].number,
        "work_id": work.id,
        "channel": work.channel,
        "priority": work.priority,
        "since_ms": work.since_ms,
        "clock_ms": work.clock_ms,
        "waited_ms": past.at_ms - work.clock_ms,
        "tiers": work.tiers,
        "skills": work.needs,
        "languages": work.speaks,
        "step": {"id": f"{work.queue}[{work.step}]", "at": work.step_at},
        "next_ms": work.next_ms,
        "attempts": work.attempts,
        "kept_for": reserved,
        "held": _held(past, pool, work),
        "why_not_yet": {
            key: explain[key] for key in ("candidates", "eligible", "by_code", "rejected")
        },
    }


def _held(past: Past, pool: Pool, work: Work) -> str | None:
    """What keeps it from everybody alike, as a code."""
    if work.queue in pool.shut:
        return "queue_closed"
    if not is_matched(pool, work):
        return "offered_too_often"
    return "collecting" if window_timer(pool) in past.world.state.timers else None


def on_their_way(past: Past, pool: Pool, queue: str) -> list[dict[str, Any]]:
    """The works of a queue that are offered, in hand, being wrapped up, or suspended."""
    rows = []
    for work in pool.works.values():
        if work.queue != queue or work.state == "queued":
            continue
        offers = [pool.offers[name] for name in work.open_offers]
        since = {"assigned": past.given_ms.get(work.id), "wrapping": past.given_ms.get(work.id),
                 "suspended": work.suspended_ms}  # fmt: skip
        rows.append({
            "case_id": work.case_id,
            "number": pool.cases[work.case_id].number,
            "work_id": work.id,
            "state": work.state,
            "agent_id": work.agent_id,
            "offered_to": [offer.agent_id for offer in offers],
            "since_ms": min((one.made_ms for one in offers), default=None)
            if offers else since.get(work.state),
        })  # fmt: skip
    return sorted(rows, key=lambda row: (row["state"], row["since_ms"] or 0, row["number"]))


def agents(past: Past, pool: Pool) -> list[dict[str, Any]]:
    """Everybody of a pool, those who are there first, and what each was doing."""
    held: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for agent in pool.agents.values():
        for work_id in agent.works:
            held[agent.id].append(_doing(past, pool, pool.works[work_id], None))
        for offer_id in agent.offers:
            offer = pool.offers[offer_id]
            held[agent.id].append(_doing(past, pool, pool.works[offer.work_id], offer.made_ms))
    rows = [_agent(past, pool, agent, held[agent.id]) for agent in pool.agents.values()]
    return sorted(rows, key=lambda row: (row["standing"] != "available", row["agent_id"]))


def _doing(past: Past, pool: Pool, work: Work, offered_ms: int | None) -> dict[str, Any]:
    return {
        "number": pool.cases[work.case_id].number,
        "work_id": work.id,
        "queue": work.queue,
        "channel": work.channel,
        "state": work.state,
        "since_ms": offered_ms if offered_ms is not None else past.given_ms.get(work.id),
    }


def _agent(past: Past, pool: Pool, agent: Agent, doing: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "agent_id": agent.id,
        "standing": agent.standing,
        "name": agent.name,
        "since_ms": past.there_ms.get(f"{pool.name}/{agent.id}"),
        "until_ms": agent.until_ms,
        "stop": agent.stop or None,
        "closed": sorted(agent.closed),
        "tier": agent.tier,
        "capacity": agent.capacity,
        "used": used(pool, agent, "")[0],
        "aside": aside(pool, agent),
        "elsewhere": {
            source: {channel: count for channel, (count, _) in said.works.items()}
            for source, said in sorted(agent.elsewhere.items())
        },
        "idle_since_ms": agent.idle_since_ms or None,
        "doing": doing,
    }
