"""How decisions about policies, rosters and agents are written into the state."""

from __future__ import annotations

from typing import Any

from vaxel_router.core.state import Agent, Pool, World, profile_of
from vaxel_router.core.written.common import MORE_WAITS, Handler, Place
from vaxel_shared.contracts.wire import Decision


def _policy_adopted(_world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    pool.policy = decision.data["version"]


def _roster_adopted(_world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    pool.roster = decision.data["version"]


def _agent_changed(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    assert decision.agent_id is not None
    data = decision.data
    agent = pool.agents.get(decision.agent_id)
    if (profile := data.get("profile")) is not None:
        fresh = _agent(profile)
        if agent is None:
            pool.agents[fresh.id] = fresh
        else:
            for name in ("tier", "skills", "languages", "capacity", "channels", "present"):
                setattr(agent, name, getattr(fresh, name))
        agent = pool.agents[decision.agent_id]
    assert agent is not None
    matcher = world.matchers[pool.name]
    more = f"match:{pool.name}:{agent.id}"
    if data.get("reason") == MORE_WAITS:
        world.arm(more, decision.at_ms)
    else:
        world.disarm(more)
    if (presence := data.get("presence")) is not None:
        if presence == "available" and agent.presence != "available":
            agent.idle_since_ms = decision.at_ms
            agent.misses = 0
        agent.presence, agent.mode = presence, data.get("mode", "keep")
        agent.until_ms = data.get("until_ms")
        key = f"back:{pool.name}:{agent.id}"
        if agent.until_ms is None:
            world.disarm(key)
        else:
            world.arm(key, agent.until_ms)
    if profile is not None:
        brings = profile_of(agent)
        matcher.join(agent.id, brings, presence=agent.presence, idle=agent.idle_since_ms)
    elif presence is not None:
        matcher.set_presence(agent.id, agent.presence, idle=agent.idle_since_ms)


def _agent(profile: dict[str, Any]) -> Agent:
    return Agent(
        id=profile["id"],
        tier=profile.get("tier", 1),
        skills=dict(sorted(profile.get("skills", {}).items())),
        languages=dict(sorted(profile.get("languages", {}).items())),
        capacity=profile.get("capacity", 1),
        channels={
            name: (item.get("cost", 1), item.get("max", 1))
            for name, item in sorted(profile.get("channels", {}).items())
        },
        present=profile.get("present", False),
        presence="offline",
        mode="keep",
    )


def _agent_removed(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    assert decision.agent_id is not None
    agent = pool.agents.pop(decision.agent_id)
    assert not agent.works, "an agent leaves with empty hands"
    assert not agent.offers, "an agent leaves without offers"
    world.matchers[pool.name].leave(agent.id)
    world.disarm(f"back:{pool.name}:{agent.id}")
    world.disarm(f"match:{pool.name}:{agent.id}")


HANDLERS: dict[str, Handler] = {
    "policy.adopted": _policy_adopted,
    "roster.adopted": _roster_adopted,
    "agent.changed": _agent_changed,
    "agent.removed": _agent_removed,
}
"""Type of a decision → what it changes."""
