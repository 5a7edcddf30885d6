"""Every candidate for one work at one moment, and what would have to be otherwise for each.

By the router's own predicates and its own choice; nothing here knows what they are about except
the table of remedies. A code that isn't in it simply has none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from vaxel_cli.policy.forward import HORIZON_MS, Later, Scene, as_at, course, edges
from vaxel_router.core.eligibility import choose, reject, scores
from vaxel_router.core.state import Agent, Work

CHANGES_MAX = 12
"""Of one agent, until nothing rules it out: there are not more predicates than that."""
WHAT_IFS_MAX = 200
"""Agents for whom it is worked out what would have to be otherwise, the nearest first."""

Score = Callable[[Agent], list[dict[str, Any]]]
Changed = tuple[Agent, dict[str, Any]]


def table(scene: Scene) -> dict[str, Any]:
    """The whole table: ``winner``, ``step`` and a row for each agent of the pool.

    ``held``: what keeps the work from everybody alike; then nobody wins.
    """
    choice = choose(scene.pool, scene.work, scene.now_ms)
    held = _held(scene)
    winner = choice.winner.id if choice.winner is not None and held is None else None
    score = scores(scene.pool, scene.work)
    rows = [_row(scene, agent, winner, score) for agent in scene.pool.agents.values()]
    counts = choice.explain["by_code"]
    near = list(counts)[::-1]  # the router lists its predicates, the lasting first
    rows.sort(key=lambda row: (_rank(row, winner, near), row["agent_id"]))
    ruled_out = [row for row in rows if row["code"] is not None or held is not None]
    later = course(scene) if ruled_out else []
    for row in ruled_out[:WHAT_IFS_MAX]:
        agent = scene.pool.agents[row["agent_id"]]
        row["if"] = what_ifs(scene, agent, later)
    return {
        "at_ms": scene.now_ms,
        "candidates": choice.explain["candidates"],
        "eligible": choice.explain["eligible"],
        "by_code": counts,
        "step": choice.explain["step"],
        "held": held,
        "winner": winner,
        "tie_break": choice.explain.get("tie_break"),
        "table": rows,
    }


def _held(scene: Scene) -> dict[str, Any] | None:
    shut = scene.pool.shut.get(scene.work.queue)
    return None if shut is None else {"code": "queue_closed", "until_ms": shut.until_ms}


def _row(scene: Scene, agent: Agent, winner: str | None, score: Score) -> dict[str, Any]:
    why = reject(scene.pool, agent, scene.work, scene.now_ms)
    row: dict[str, Any] = {"agent_id": agent.id, "code": None, "params": {}}
    if why is not None:
        return row | {"code": why[0], "params": why[1]}
    return row | {"terms": score(agent), "chosen": agent.id == winner}


def _rank(row: dict[str, Any], winner: str | None, near: list[str]) -> int:
    if row["code"] is None:
        return -2 if row["agent_id"] == winner else -1
    return near.index(row["code"]) if row["code"] in near else len(near)


def what_ifs(scene: Scene, agent: Agent, later: list[Later]) -> list[dict[str, Any]]:
    """What would make an agent who is ruled out take it: by time alone, and by a change.

    Each ``would`` is ``offered`` (it would win) or ``eligible`` (another would still be before it);
    ``in_ms`` from the moment, ``changes`` of the agent. The work goes on as it does by itself,
    through steps, closed hours and overflow, for as long as :data:`HORIZON_MS`; nothing else is
    taken to change meanwhile, nor who is there for the queues that ask for it.
    """
    found = []
    if (by_time := _by_time(scene, agent, later)) is not None:
        found.append(by_time)
    if (by_change := _by_change(scene, agent)) is not None:
        found.append(by_change)
    return found


def _would(scene: Scene, agent: Agent, work: Work, at_ms: int) -> str:
    others = scene.pool.agents
    if at_ms > scene.now_ms:
        others = {name: as_at(scene, one, at_ms) for name, one in others.items()}
    pool = msgspec.structs.replace(scene.pool, agents={**others, agent.id: agent})
    winner = choose(pool, work, at_ms).winner
    return "offered" if winner is not None and winner.id == agent.id else "eligible"


def _by_time(scene: Scene, agent: Agent, later: list[Later]) -> dict[str, Any] | None:
    work = scene.work
    known = {work.barred.get(agent.id), work.prefer_until_ms, *edges(scene, agent)}
    known |= {one.at_ms for one in later}
    end_ms = scene.now_ms + HORIZON_MS
    for at_ms in sorted(one for one in known if one is not None and scene.now_ms < one <= end_ms):
        there, pool = as_at(scene, agent, at_ms), scene.pool
        if (first := pool.agents.get(work.prefer_agent or "")) is not None:
            # Whom it waits for may be gone by then.
            agents = {**pool.agents, first.id: as_at(scene, first, at_ms)}
            pool = msgspec.structs.replace(pool, agents=agents)
        for then in _at(later, at_ms):
            if then.closed or reject(pool, there, then.work, at_ms) is not None:
                continue
            found: dict[str, Any] = {
                "in_ms": at_ms - scene.now_ms,
                "step": {"id": f"{then.work.queue}[{then.work.step}]", "at": then.work.step_at},
                "would": _would(scene, there, then.work, at_ms),
            }
            return found if then.work.queue == work.queue else found | {"queue": then.work.queue}
    return None


def _at(later: list[Later], at_ms: int) -> list[Later]:
    """How the work stands at an instant: one after the other where it changes more than once."""
    exact = [one for one in later if one.at_ms == at_ms]
    return exact or [one for one in later if one.at_ms < at_ms][-1:]


def _by_change(scene: Scene, agent: Agent) -> dict[str, Any] | None:
    changed = agent
    held = scene.work.queue in scene.pool.shut
    changes: list[dict[str, Any]] = [{"open": scene.work.queue}] if held else []
    for _ in range(CHANGES_MAX):
        why = reject(scene.pool, changed, scene.work, scene.now_ms)
        if why is None:
            return {"changes": changes, "would": _would(scene, changed, scene.work, scene.now_ms)}
        remedy = _REMEDIES.get(why[0])
        if remedy is None or (why[0] == "not_in_tier" and not scene.work.tiers):
            return None  # nothing that the agent could do about it
        changed, change = remedy(changed, scene.work, why[1])
        changes.append(change)
    return None


def _skill(agent: Agent, work: Work, params: dict[str, Any]) -> Changed:
    name = params["skill"]
    skills = {**agent.skills, name: work.needs[name]}
    change = {"skill": name, "level_at_least": work.needs[name]}
    return msgspec.structs.replace(agent, skills=skills), change


def _above(agent: Agent, _work: Work, params: dict[str, Any]) -> Changed:
    name, most = params["skill"], params["most"]
    change = {"skill": name, "level_at_most": most}
    return msgspec.structs.replace(agent, skills={**agent.skills, name: most}), change


def _language(agent: Agent, work: Work, _params: dict[str, Any]) -> Changed:
    languages = {**agent.languages, work.speaks[0]: 1}
    return msgspec.structs.replace(agent, languages=languages), {"language": list(work.speaks)}


def _tier(agent: Agent, work: Work, _params: dict[str, Any]) -> Changed:
    nearest = min(work.tiers, key=lambda tier: (abs(tier - agent.tier), tier))
    return msgspec.structs.replace(agent, tier=nearest), {"tier": nearest}


def _present(agent: Agent, _work: Work, _params: dict[str, Any]) -> Changed:
    there = msgspec.structs.replace(agent, presence="available", grace_ms=None, off_shift=False)
    return there, {"presence": "available"}


def _open(agent: Agent, work: Work, _params: dict[str, Any]) -> Changed:
    closed = {name: until for name, until in agent.closed.items() if name != work.channel}
    return msgspec.structs.replace(agent, closed=closed), {"takes": work.channel}


def _rested(agent: Agent, _work: Work, _params: dict[str, Any]) -> Changed:
    return msgspec.structs.replace(agent, rest_ms=None), {"pause": "over"}


def _share(agent: Agent, _work: Work, _params: dict[str, Any]) -> Changed:
    return msgspec.structs.replace(agent, share=None), {"share": "more"}


def _occupancy(agent: Agent, _work: Work, _params: dict[str, Any]) -> Changed:
    return msgspec.structs.replace(agent, occupied=False), {"occupancy": "higher"}


def _offers(agent: Agent, _work: Work, _params: dict[str, Any]) -> Changed:
    return msgspec.structs.replace(agent, max_offers=None), {"open_offers": "fewer"}


def _channel(agent: Agent, work: Work, _params: dict[str, Any]) -> Changed:
    channels = {**agent.channels, work.channel: (1, 1)}
    return msgspec.structs.replace(agent, channels=channels), {"channel": work.channel}


def _room(agent: Agent, work: Work, _params: dict[str, Any]) -> Changed:
    cost, most = agent.channels[work.channel]
    # One more of each than is in hand, and nothing elsewhere: as if that much were done.
    channels = {**agent.channels, work.channel: (cost, most + 1)}
    fuller = msgspec.structs.replace(
        agent, channels=channels, capacity=agent.capacity + cost, elsewhere={}
    )
    return fuller, {"room_for": work.channel}


_REMEDIES: dict[str, Callable[[Agent, Work, dict[str, Any]], Changed]] = {
    "skill_missing": _skill,
    "skill_level": _skill,
    "skill_above": _above,
    "language_missing": _language,
    "not_in_tier": _tier,
    "presence_away": _present,
    "presence_offline": _present,
    "presence_lost": _present,
    "presence_off_shift": _present,
    "resting": _rested,
    "share_full": _share,
    "occupancy_full": _occupancy,
    "channel_off": _open,
    "offers_full": _offers,
    "channel_closed": _channel,
    "channel_full": _room,
    "capacity_full": _room,
}
"""What would have to be otherwise of an agent, by what rules it out."""
