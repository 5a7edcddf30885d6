"""Who may take a work, why not, and who of several is best.

Predicates are tried in one fixed order, lasting ones first: the first that fails is the reason.
"""

from __future__ import annotations

from typing import Any

import msgspec

from vaxel_router.core.limits import REJECTIONS_MAX, REJECTIONS_NEAREST
from vaxel_router.core.state import Agent, Pool, Work

PREDICATES = (
    "not_in_tier",
    "channel_closed",
    "skill_missing",
    "skill_level",
    "language_missing",
    "presence_offline",
    "presence_away",
    "barred",
    "reserved_for_other",
    "channel_full",
    "capacity_full",
)
"""In the order of evaluation; who fails late was near."""

Rejection = tuple[str, dict[str, Any]]


def used(pool: Pool, agent: Agent, channel: str) -> tuple[int, int]:
    """(capacity in use, works and offers of ``channel``): offers hold what they would cost."""
    total = count = 0
    for work_id in agent.works:
        work = pool.works[work_id]
        total += work.cost
        count += work.channel == channel
    for offer_id in agent.offers:
        offer = pool.offers[offer_id]
        total += offer.cost
        count += offer.channel == channel
    return total, count


def reject(pool: Pool, agent: Agent, work: Work, now_ms: int) -> Rejection | None:
    """The first predicate that the agent fails, with its parameters; None if eligible."""
    lasting = _reject_lasting(agent, work)
    return lasting if lasting is not None else _reject_passing(pool, agent, work, now_ms)


def _reject_lasting(agent: Agent, work: Work) -> Rejection | None:
    if agent.tier not in work.tiers:
        return "not_in_tier", {"tier": agent.tier, "tiers": work.tiers}
    if work.channel not in agent.channels:
        return "channel_closed", {"channel": work.channel}
    for skill, level in work.needs.items():
        if skill not in agent.skills:
            return "skill_missing", {"skill": skill}
        if agent.skills[skill] < level:
            return "skill_level", {"skill": skill, "level": agent.skills[skill], "least": level}
    if work.speaks and not any(tag in agent.languages for tag in work.speaks):
        return "language_missing", {"languages": work.speaks}
    return None


def _reject_passing(pool: Pool, agent: Agent, work: Work, now_ms: int) -> Rejection | None:
    if agent.presence != "available":
        return f"presence_{agent.presence}", {}
    if work.barred.get(agent.id, 0) > now_ms:
        return "barred", {"until_ms": work.barred[agent.id]}
    if _is_reserved(pool, work, now_ms) and work.prefer_agent != agent.id:
        return "reserved_for_other", {"until_ms": work.prefer_until_ms}
    cost, most = agent.channels[work.channel]
    total, count = used(pool, agent, work.channel)
    if count >= most:
        return "channel_full", {"channel": work.channel, "max": most}
    if total + cost > agent.capacity:
        return "capacity_full", {"used": total, "capacity": agent.capacity}
    return None


def _is_reserved(pool: Pool, work: Work, now_ms: int) -> bool:
    """Whether the work waits for one agent: who must be there and not have turned it down."""
    if work.prefer_agent is None or (work.prefer_until_ms or 0) <= now_ms:
        return False
    preferred = pool.agents.get(work.prefer_agent)
    return (
        preferred is not None
        and preferred.presence == "available"
        and work.barred.get(preferred.id, 0) <= now_ms
        and _reject_lasting(preferred, work) is None
    )


class Choice(msgspec.Struct):
    """The winner, if any, and the account of how it came about (an ``Explain``)."""

    winner: Agent | None
    explain: dict[str, Any]


def choose(pool: Pool, work: Work, now_ms: int) -> Choice:
    """Look at every agent of the pool and choose: sticky, lowest tier, longest idle, then id."""
    rejected: list[tuple[int, str, str, dict[str, Any]]] = []
    eligible: list[Agent] = []
    for agent in pool.agents.values():
        why = reject(pool, agent, work, now_ms)
        if why is None:
            eligible.append(agent)
        else:
            rejected.append((-PREDICATES.index(why[0]), agent.id, why[0], why[1]))
    winner = min(eligible, key=lambda agent: _score(agent, work), default=None)
    rejected.sort(key=lambda item: item[:2])
    by_code = dict.fromkeys(PREDICATES, 0)
    for _, _, code, _ in rejected:
        by_code[code] += 1
    named = rejected if len(rejected) <= REJECTIONS_MAX else rejected[:REJECTIONS_NEAREST]
    explain: dict[str, Any] = {
        "candidates": len(pool.agents),
        "eligible": len(eligible),
        "by_code": {code: count for code, count in by_code.items() if count},
        "rejected": [
            {"agent_id": agent_id, "code": code, "params": params}
            for _, agent_id, code, params in named
        ],
        "step": {"id": f"{work.queue}[{work.step}]", "at": work.step_at},
    }
    if winner is not None:
        explain["terms"] = [
            {"code": "sticky", "value": int(winner.id == work.prefer_agent)},
            {"code": "tier", "value": winner.tier},
            {"code": "idle_since_ms", "value": winner.idle_since_ms},
        ]
        best = [agent for agent in eligible if _score(agent, work)[:3] == _score(winner, work)[:3]]
        if len(best) > 1:
            explain["tie_break"] = "agent_id"
    return Choice(winner, explain)


def _score(agent: Agent, work: Work) -> tuple[int, int, int, str]:
    return (int(agent.id != work.prefer_agent), agent.tier, agent.idle_since_ms, agent.id)
