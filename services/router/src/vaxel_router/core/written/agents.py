"""How decisions about policies, rosters and agents are written into the state."""

from __future__ import annotations

from typing import Any

from vaxel_router.core import occupancy
from vaxel_router.core.elsewhere import Elsewhere, taken
from vaxel_router.core.state import Agent, Pool, World, profile_of
from vaxel_router.core.written.common import MORE_WAITS, Handler, Place
from vaxel_shared.contracts.wire import Decision


def _policy_adopted(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    if pool.policy != decision.data["version"]:
        pool.shares = {}
    if decision.data["kind"] == "shadow":
        ends = decision.data["version"] == pool.policy
        pool.shadow = None if ends else decision.data["version"]
        pool.share = 0 if ends else decision.data.get("share", 0)
        _name(world, pool, decision)
        return
    if decision.data["version"] == pool.shadow:
        pool.shadow, pool.share = None, 0
    _hold_rules(pool, pool.policy, decision.data["version"], decision.data.get("in_flight"))
    pool.policy = decision.data["version"]
    for one in pool.agents.values():
        if one.shift is not None:  # its calendar may be another
            one.shift_ms = decision.at_ms
            _set(world, pool, one, "shift", one.shift_ms)
    _name(world, pool, decision)


def _name(world: World, pool: Pool, decision: Decision) -> None:
    """Whom a policy names is told apart from those who bring the same."""
    before, pool.named = pool.named, list(decision.data.get("names", []))
    for agent_id in sorted({*before} ^ {*pool.named}):
        agent = pool.agents.get(agent_id)
        if agent is not None:
            brings = profile_of(agent, pool.named)
            matcher = world.matchers[pool.name]
            matcher.join(agent.id, brings, presence=agent.standing, idle=agent.idle_since_ms)


def _hold_rules(pool: Pool, before: str | None, version: str, in_flight: str | None) -> None:
    """Which rules hold for the work that is there: the new ones, or those that held so far."""
    for work in pool.works.values():
        if work.rules is not None and work.rules == pool.shadow:
            continue
        if in_flight is None or work.rules == version:
            work.rules = None
        elif work.rules is None and before != version:
            work.rules = before


def _roster_adopted(_world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    pool.roster = decision.data["version"]


def _agent_changed(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    assert decision.agent_id is not None
    data = decision.data
    agent = pool.agents.get(decision.agent_id)
    if (profile := data.get("profile")) is not None:
        agent = _bring(world, pool, agent, decision)
    assert agent is not None
    matcher = world.matchers[pool.name]
    _go_on_later(world, pool, agent, decision)
    if (presence := data.get("presence")) is not None:
        _be(world, pool, agent, decision)
    if (closed := data.get("closed")) is not None:
        agent.closed = dict(closed)
        ends = [until for until in agent.closed.values() if until]
        _set(world, pool, agent, "open", min(ends, default=None))
    _by_the_clock(world, pool, agent, decision)
    if profile is not None:
        brings = profile_of(agent, pool.named)
        matcher.join(agent.id, brings, presence=agent.standing, idle=agent.idle_since_ms)
    if "elsewhere" in data:
        _elsewhere(world, pool, agent, decision)
    matcher.stop(agent.id, agent.stop)
    if presence is not None or closed is not None or "on_shift" in data:
        matcher.set_presence(
            agent.id, agent.standing, idle=agent.idle_since_ms, closed=frozenset(agent.closed)
        )


def _bring(world: World, pool: Pool, agent: Agent | None, decision: Decision) -> Agent:
    """Somebody new, or another profile."""
    fresh = agent_of(decision.data["profile"])
    shift = agent.shift if agent is not None else None
    if agent is None:
        agent = pool.agents[fresh.id] = fresh
    else:
        for name in PROFILE:
            setattr(agent, name, getattr(fresh, name))
    if agent.shift != shift:  # it is looked at before anything else happens
        agent.off_shift = agent.shift is not None
        agent.shift_ms = decision.at_ms if agent.shift is not None else None
        _set(world, pool, agent, "shift", agent.shift_ms)
    return agent


def _by_the_clock(world: World, pool: Pool, agent: Agent, decision: Decision) -> None:
    """A shift, a pause, a share, an occupancy."""
    data = decision.data
    if (on_shift := data.get("on_shift")) is not None:
        agent.off_shift, agent.shift_ms = not on_shift, data.get("shift_ms")
        _set(world, pool, agent, "shift", agent.shift_ms)
    if (rest_ms := data.get("rest_ms")) is not None:
        agent.rest_ms = max(agent.rest_ms or 0, rest_ms) if rest_ms else None
        _set(world, pool, agent, "rest", agent.rest_ms)
    count_share(world, pool, agent, decision.at_ms)
    agent.occupied = data.get("occupied", agent.occupied)
    count_occupancy(world, pool, agent, decision.at_ms)


def count_share(world: World, pool: Pool, agent: Agent, at_ms: int) -> None:
    """Forget the works that don't count for the agent's share any more."""
    if agent.share is None:
        if agent.recent:
            agent.recent = []
            _set(world, pool, agent, "share", None)
        return
    most, within_ms = agent.share
    agent.recent = [got_ms for got_ms in agent.recent if got_ms > at_ms - within_ms][-most:]
    end_ms = agent.recent[0] + within_ms if agent.recent else None
    _set(world, pool, agent, "share", end_ms)


def count_occupancy(world: World, pool: Pool, agent: Agent, at_ms: int) -> None:
    """Note whether there is work in hand, and when the cap is reached or isn't any more.

    ``occupied`` itself changes by a decision of its own only, so that the log tells it.
    """
    if agent.occupancy is None:
        if agent.busy_ms is not None or agent.spans or agent.occupied:
            agent.spans, agent.busy_ms, agent.occupied, agent.occupied_ms = [], None, False, None
            _set(world, pool, agent, "occupied", None)
        return
    percent, within_ms = agent.occupancy
    spans = agent.spans
    if agent.works and agent.busy_ms is None:
        agent.busy_ms = at_ms
    elif not agent.works and agent.busy_ms is not None:
        spans, agent.busy_ms = [*spans, (agent.busy_ms, at_ms)], None
    agent.spans = occupancy.kept(spans, at_ms, within_ms)
    cap_ms = occupancy.most_ms(percent, within_ms)
    full, due_ms = occupancy.turn(agent.spans, agent.busy_ms, at_ms, within_ms, cap_ms)
    agent.occupied_ms = due_ms if full == agent.occupied else at_ms
    _set(world, pool, agent, "occupied", agent.occupied_ms)


def _be(world: World, pool: Pool, agent: Agent, decision: Decision) -> None:
    """Another presence. Who is back before a grace is over was never gone."""
    data = decision.data
    comes = data["presence"] == "available" and agent.presence != "available"
    if comes and agent.grace_ms is None:
        agent.idle_since_ms = decision.at_ms
        agent.misses = 0
    agent.presence, agent.mode = data["presence"], data.get("mode", "keep")
    agent.until_ms, agent.grace_ms = data.get("until_ms"), data.get("grace_ms")
    agent.name = data.get("name")
    _set(world, pool, agent, "back", agent.until_ms)
    _set(world, pool, agent, "grace", agent.grace_ms)
    if agent.presence == "available":
        _set(world, pool, agent, "give", None)


def _elsewhere(world: World, pool: Pool, agent: Agent, decision: Decision) -> None:
    """What a tool says takes the place of what it said before; nothing: it is forgotten."""
    matcher, said = world.matchers[pool.name], decision.data["elsewhere"]
    for channel, cost in taken(agent.elsewhere):
        matcher.free(agent.id, channel, cost)
    rest = {source: one for source, one in agent.elsewhere.items() if source != said["source"]}
    if said["works"] or said.get("missing") or said.get("lingering"):
        rest[said["source"]] = Elsewhere(
            said["until_ms"],
            {channel: (count, cost) for channel, (count, cost) in said["works"].items()},
            list(said.get("missing", [])),
            list(said.get("lingering", [])),
        )
    agent.elsewhere = rest
    for channel, cost in taken(agent.elsewhere):
        matcher.hold(agent.id, channel, cost)
    ends = [one.until_ms for one in agent.elsewhere.values()]
    _set(world, pool, agent, "elsewhere", min(ends, default=None))


def _go_on_later(world: World, pool: Pool, agent: Agent, decision: Decision) -> None:
    """A full record cut something short: it goes on at once in the next."""
    reason = decision.data.get("reason")
    _set(world, pool, agent, "match", decision.at_ms if reason == MORE_WAITS else None)
    if reason == GIVES_MORE:
        _set(world, pool, agent, "give", decision.at_ms)
    elif reason == GIVING:
        _set(world, pool, agent, "give", None)


def _set(world: World, pool: Pool, agent: Agent, kind: str, due_ms: int | None) -> None:
    """Set an agent's timer, or forget it."""
    key = f"{kind}:{pool.name}:{agent.id}"
    if due_ms is None:
        world.disarm(key)
    else:
        world.arm(key, due_ms)


GIVES_MORE, GIVING = "gives_more", "giving_back"
"""Reasons of an ``agent.changed``: a full record cut short what is taken from somebody who is gone;
the next goes on with it."""
TIMERS = ("back", "match", "grace", "give", "open", "shift", "share", "rest", "occupied",
          "elsewhere")  # fmt: skip
"""Kinds of an agent's timers."""
AUTHORITY = "authority"
"""The skill whose level is the amount that an agent may grant."""
PROFILE = (
    "tier", "skills", "languages", "capacity", "channels", "present", "max_offers", "auto_accept",
    "yields", "backup", "shift", "share", "occupancy", "queue_order",
)  # fmt: skip
"""What a roster says of an agent; all else of it is what happened."""


def agent_of(profile: dict[str, Any]) -> Agent:
    """Somebody new, as a roster says."""
    granted = {AUTHORITY: most} if (most := profile.get("authority")) else {}
    return Agent(
        id=profile["id"],
        tier=profile.get("tier", 1),
        skills=dict(sorted((profile.get("skills", {}) | granted).items())),
        languages=dict(sorted(profile.get("languages", {}).items())),
        capacity=profile.get("capacity", 1),
        channels={
            name: (item.get("cost", 1), item.get("max", 1))
            for name, item in sorted(profile.get("channels", {}).items())
        },
        present=profile.get("present", False),
        presence="offline",
        mode="keep",
        max_offers=profile.get("max_offers"),
        auto_accept=sorted(profile.get("auto_accept") or []),
        yields={
            name: sorted(item["interrupted_by"])
            for name, item in sorted(profile.get("channels", {}).items())
            if item.get("interrupted_by")
        },
        backup=profile.get("backup"),
        shift=profile.get("shift"),
        share=(share["most"], share["within_ms"]) if (share := profile.get("share")) else None,
        occupancy=(cap["most"], cap["within_ms"]) if (cap := profile.get("occupancy")) else None,
        queue_order=list(dict.fromkeys(profile.get("queue_order") or [])),
    )


def _agent_removed(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    assert decision.agent_id is not None
    agent = pool.agents.pop(decision.agent_id)
    assert not agent.works, "an agent leaves with empty hands"
    assert not agent.offers, "an agent leaves without offers"
    world.matchers[pool.name].leave(agent.id)
    for kind in TIMERS:
        _set(world, pool, agent, kind, None)


HANDLERS: dict[str, Handler] = {
    "policy.adopted": _policy_adopted,
    "roster.adopted": _roster_adopted,
    "agent.changed": _agent_changed,
    "agent.removed": _agent_removed,
}
"""Type of a decision → what it changes."""
