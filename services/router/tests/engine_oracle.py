"""The engine with matching as one would write it first: who may take what is asked of everybody.

:class:`NaiveWorld` is a world for which the engine looks at every agent for a work, and at every
waiting work for an agent. It shares no predicate, no order and no index with the real one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import msgspec
import window_oracle
from random_desk import SKILLS

from vaxel_router.core import cycle, queueing
from vaxel_router.core.limits import OFFERS_PER_WORK_MAX
from vaxel_router.core.matching import Asks, lasting
from vaxel_router.core.state import Agent, Pool, Work, World, profile_of
from vaxel_router.core.step import Step

CODES = [
    "not_in_tier", "channel_closed", "skill_missing", "skill_level", "skill_above",
    "needs_unmet", "language_missing", "left_out",
    "presence_offline", "presence_away", "presence_lost", "presence_off_shift", "channel_off", "barred",
    "reserved_for_other", "resting", "share_full", "occupancy_full", "offers_full", "channel_full",
    "capacity_full",
]  # fmt: skip
Why = tuple[str, dict[str, Any]]


class NaiveWorld(World):
    """A world that the engine looks at as a whole."""

    def waiting_in(self, pool: Pool, queue: str | None) -> int:
        waiting = [work for work in pool.works.values() if work.state == "queued"]
        return sum(queue is None or work.queue == queue for work in waiting)

    def is_staffed(self, pool: Pool, asks: Asks) -> bool:
        return any(
            (agent.presence == "available" and not agent.off_shift)
            and asks.channel not in agent.closed
            and lasting(profile_of(agent, pool.named), asks) is None
            for agent in pool.agents.values()
        )


def _wants(work: Work) -> dict[str, Any]:
    """What is asked for besides, by name."""
    return msgspec.structs.asdict(work.wants) if work.wants is not None else {}


def _terms(pool: Pool, agent: Agent, work: Work) -> list[tuple[str, int, int]]:
    """(code, value, what it is sorted by) of all that goes before the id."""
    sticky, wants = agent.id == work.prefer_agent, _wants(work)
    terms = [("sticky", int(sticky), int(not sticky))]
    if wants.get("prefer"):
        score = wants["prefer"].get(agent.id, 0)
        terms.append(("preferred", score, -score))
    terms.append(("tier", agent.tier, agent.tier))
    if wants.get("wishes"):
        score = sum(agent.skills.get(name, 0) * weight for name, weight in wants["wishes"].items())
        terms.append(("wished", score, -score))
    if wants.get("spare"):
        needed = {
            *work.needs,
            *wants["wishes"],
            *wants["needs"].replace("(", " ").replace(")", " ").split(),
        }
        waste = sum(_price(pool, "skills", name) for name in agent.skills if name not in needed)
        waste += sum(_price(pool, "languages", t) for t in agent.languages if t not in work.speaks)
        terms.append(("spare_skill", waste, waste))
    if wants.get("choice") == "round_robin":
        terms.append(("turn", agent.turn, agent.turn))
    elif wants.get("choice"):
        load = sum(each for _, each in _hands(pool, agent)) * 1_000 // agent.capacity
        terms.append(("load", load, load if wants["choice"] == "least_loaded" else -load))
    return [*terms, ("idle_since_ms", agent.idle_since_ms, agent.idle_since_ms)]


def _price(pool: Pool, kind: str, name: str) -> int:
    return 1_000 // sum(name in getattr(agent, kind) for agent in pool.agents.values())


def _hands(pool: Pool, agent: Agent) -> list[tuple[str, int]]:
    """(channel, cost) of all that somebody has."""
    mine = [(pool.works[w].channel, pool.works[w].cost) for w in agent.works]
    mine += [(pool.offers[o].channel, pool.offers[o].cost) for o in agent.offers]
    for said in agent.elsewhere.values():
        for channel, (count, cost) in said.works.items():
            mine += [(channel, cost)] * count
    return mine


def _meets(agent: Agent, text: str) -> bool:
    """Python means the same by it, once every skill is a yes or a no."""
    said = re.sub(r"(\w+) (\d+)\.\.(\d+)", r"(\2 <= level('\1') <= \3)", text)
    said = re.sub(r"(\w+) >= (\d+)", r"(level('\1') >= \2)", said)
    for name in SKILLS:
        said = re.sub(rf"(?<!')\b{name}\b(?!')", f"(level('{name}') > 0)", said)
    return bool(eval(said, {"level": lambda name: agent.skills.get(name, 0)}))


def lacks(agent: Agent, work: Work) -> Why | None:
    """What an agent lacks for good."""
    if agent.tier not in work.tiers:
        return "not_in_tier", {"tier": agent.tier, "tiers": work.tiers}
    if work.channel not in agent.channels:
        return "channel_closed", {"channel": work.channel}
    for skill, least in sorted(work.needs.items()):
        level = agent.skills.get(skill)
        if level is None:
            return "skill_missing", {"skill": skill}
        if level < least:
            return "skill_level", {"skill": skill, "level": level, "least": least}
    for skill, most in sorted(_wants(work).get("at_most", {}).items()):
        level = agent.skills.get(skill)
        if level is not None and level > most:
            return "skill_above", {"skill": skill, "level": level, "most": most}
    if (text := _wants(work).get("needs")) and not _meets(agent, text):
        return "needs_unmet", {"needs": text}
    if work.speaks and not set(work.speaks) & set(agent.languages):
        return "language_missing", {"languages": work.speaks}
    only, without = _wants(work).get("only"), _wants(work).get("without", [])
    if agent.id in without or (only and agent.id not in only):
        return "left_out", {}
    return None


def rules_out(pool: Pool, agent: Agent, work: Work, now_ms: int) -> Why | None:
    """The first thing that keeps an agent from a work."""
    why = lacks(agent, work)
    if why is not None:
        return why
    if agent.presence != "available":
        return ("presence_lost" if agent.grace_ms else f"presence_{agent.presence}"), {}
    if agent.off_shift:
        return "presence_off_shift", {}
    if work.channel in agent.closed:
        return "channel_off", {"channel": work.channel}
    if work.barred.get(agent.id, 0) > now_ms:
        return "barred", {"until_ms": work.barred[agent.id]}
    preferred = pool.agents.get(work.prefer_agent or "")
    held = (
        preferred is not None
        and (work.prefer_until_ms or 0) > now_ms
        and (preferred.presence == "available" or preferred.grace_ms is not None)
        and not (preferred.off_shift and preferred.grace_ms is None)
        and work.channel not in preferred.closed
        and work.barred.get(preferred.id, 0) <= now_ms
        and lacks(preferred, work) is None
    )
    if held and preferred is not agent:
        return "reserved_for_other", {"until_ms": work.prefer_until_ms}
    if agent.rest_ms is not None:
        return "resting", {}
    if agent.share is not None and len(agent.recent) + len(agent.offers) >= agent.share[0]:
        return "share_full", {}
    if agent.occupied:
        return "occupancy_full", {}
    if agent.max_offers is not None and len(agent.offers) >= agent.max_offers:
        return "offers_full", {}
    cost, most = agent.channels[work.channel]
    mine = _hands(pool, agent)
    if sum(channel == work.channel for channel, _ in mine) >= most:
        return "channel_full", {"channel": work.channel, "max": most}
    used = sum(each for c, each in mine if work.channel not in agent.yields.get(c, []))
    if used + cost > agent.capacity:
        return "capacity_full", {"used": used, "capacity": agent.capacity}
    return None


def _profile(pool: Pool, agent: Agent) -> tuple[Any, ...]:
    channels = tuple((name, *item) for name, item in agent.channels.items())
    skills, languages = tuple(agent.skills.items()), tuple(agent.languages)
    name = agent.id if agent.id in pool.named else ""
    yields = tuple((one, tuple(others)) for one, others in agent.yields.items())
    order = tuple(agent.queue_order)
    return (agent.tier, skills, languages, channels, agent.capacity, name, yields, order)


def account(
    pool: Pool, work: Work, now_ms: int, but: frozenset[str] = frozenset()
) -> tuple[Agent | None, dict[str, Any]]:
    """The best of those who may take a work, and why the others don't."""
    able: list[tuple[list[int], str]] = []
    out: list[tuple[int, tuple[Any, ...], str, Why]] = []
    for agent in pool.agents.values():
        if agent.id in but:
            continue
        why = rules_out(pool, agent, work, now_ms)
        if why is None:
            able.append(([by for _, _, by in _terms(pool, agent, work)], agent.id))
        else:
            out.append((-CODES.index(why[0]), _profile(pool, agent), agent.id, why))
    able.sort()
    out.sort(key=lambda one: one[:3])
    codes = [why[0] for _, _, _, why in out]
    explain: dict[str, Any] = {
        "candidates": len(pool.agents),
        "eligible": len(able),
        "by_code": {code: codes.count(code) for code in CODES if code in codes},
        "rejected": [
            {"agent_id": name, "code": why[0], "params": why[1]}
            for _, _, name, why in (out if len(out) <= 50 else out[:5])
        ],
        "step": {"id": f"{work.queue}[{work.step}]", "at": work.step_at},
    }
    if not able:
        return None, explain
    name = able[0][1]
    terms = _terms(pool, pool.agents[name], work)
    explain["terms"] = [{"code": code, "value": value} for code, value, _ in terms]
    if len(able) > 1 and able[1][0] == able[0][0]:
        explain["tie_break"] = "agent_id"
    return pool.agents[name], explain


def _waiting(step: Step) -> list[Work]:
    waiting = [work for work in step.pool.works.values() if work.state == "queued"]
    return sorted(waiting, key=_place)


def _waiting_for(step: Step, agent: Agent) -> list[Work]:
    """The same in the order in which somebody takes it: some queues first, perhaps."""
    queues = {name: place for place, name in enumerate(agent.queue_order)}
    return sorted(_waiting(step), key=lambda work: queues.get(work.queue, len(queues)))


def _place(work: Work) -> tuple[int, int, int]:
    if work.place_ms is None:
        return -work.priority, work.since_ms, work.order
    return 0, work.place_ms + 2**62, work.order


def closed(pool: Pool, work: Work) -> bool:
    """Whether a work's queue is closed, by hand or by its hours."""
    by_hours = pool.switches.get(f"hours:{work.queue}")
    outside = by_hours is not None and by_hours.reason == "outside_hours"
    return outside or f"close:{work.queue}" in pool.switches


def _rests(pool: Pool, work: Work) -> bool:
    """Whether a waiting work isn't offered to anybody."""
    return work.attempts >= OFFERS_PER_WORK_MAX or closed(pool, work)


def _collects(step: Step, count: int) -> bool:
    """Whether matching is left to a window; so many could be chosen among."""
    if step.policy is None or step.policy.match is None:
        return False
    if f"window:{step.pool.name}:" not in step.world.state.timers:
        if count < 2:
            return False
        until_ms = step.now_ms + step.policy.match.window_ms
        step.emit("switch.changed", switch="window", reason="collecting", until_ms=until_ms)
    return True


def _able(step: Step, work: Work) -> list[Agent]:
    agents = step.pool.agents.values()
    return [one for one in agents if rules_out(step.pool, one, work, step.now_ms) is None]


def _may_take(step: Step, agent: Agent) -> list[Work]:
    some = [work for work in _waiting(step) if not _rests(step.pool, work)]
    return [one for one in some if rules_out(step.pool, agent, one, step.now_ms) is None]


def _match_work(step: Step, work: Work) -> None:
    if step.policy is None or work.state != "queued" or _rests(step.pool, work):
        return
    if _collects(step, len(_able(step, work))):
        return
    winner, explain = account(step.pool, work, step.now_ms)
    while winner is not None:
        first = _owed(step, winner)
        if first is None or first is work:
            queueing.give(step, work, winner, explain, _besides(step, work, winner))
            return
        _match_work(step, first)
        if _collects(step, 0):
            return
        winner, explain = account(step.pool, work, step.now_ms)


def _besides(step: Step, work: Work, first: Agent) -> list[Agent]:
    """Who is asked beside the best, the best of them first."""
    found: list[Agent] = []
    seen, count = {first.id}, queueing.shown_besides(step, work, first)
    while len(found) < count:
        agent, _ = account(step.pool, work, step.now_ms, frozenset(seen))
        if agent is None:
            break
        seen.add(agent.id)
        if _owed(step, agent) in (None, work):
            found.append(agent)
    return found


def _owed(step: Step, agent: Agent) -> Work | None:
    """What a full record kept from an agent goes first."""
    if f"match:{step.pool.name}:{agent.id}" not in step.world.state.timers:
        return None
    for work in _waiting_for(step, agent):
        spent = _rests(step.pool, work)
        if not spent and rules_out(step.pool, agent, work, step.now_ms) is None:
            return work
    return None


def _match_agent(step: Step, agent: Agent) -> None:
    if agent.presence != "available" or step.policy is None:
        return
    for work in _waiting_for(step, agent):
        spent = work.state != "queued" or _rests(step.pool, work)
        if spent or rules_out(step.pool, agent, work, step.now_ms) is not None:
            continue
        if _collects(step, len(_may_take(step, agent))):
            return
        if not step.has_room:
            step.emit("agent.changed", agent_id=agent.id, reason="more_waits")
            return
        _match_work(step, work)


def _release_reserved(step: Step, agent: Agent, *, beside: Work | None = None) -> None:
    for work in _waiting(step):
        if work.prefer_agent != agent.id and work is not beside:
            continue
        if not step.has_room:
            step.emit("agent.changed", agent_id=agent.id, reason="more_waits")
            return
        _match_work(step, work)


def _round_of(step: Step) -> cycle.Round | None:
    """The best of what can be matched now: found as ever, and held against what it must be."""
    found = _REAL["round_of"](step)
    works = [work for work in _waiting(step) if not _rests(step.pool, work)]
    may = {work.id: {agent.id for agent in _able(step, work)} for work in works}
    terms = {(w.id, a): _terms(step.pool, step.pool.agents[a], w) for w in works for a in may[w.id]}
    direct = any(queue.auto_accept for queue in step.policy.queues) if step.policy else False
    window_oracle.check(step.pool, works, may, terms, found, direct=direct)
    return found


_REAL = {
    name: getattr(queueing, name) for name in ("match_work", "match_agent", "release_reserved")
} | {"round_of": cycle.round_of}


@contextmanager
def both_kinds_of_worlds() -> Iterator[None]:
    """Within it the engine matches a :class:`NaiveWorld` by looking, any other as it does."""
    naive = {
        "match_work": _match_work,
        "match_agent": _match_agent,
        "release_reserved": _release_reserved,
        "round_of": _round_of,
    }

    def either(name: str) -> Any:
        def chosen(step: Step, *given: Any, **named: Any) -> Any:
            kind: dict[str, Any] = naive if isinstance(step.world, NaiveWorld) else _REAL
            return kind[name](step, *given, **named)

        return chosen

    core = (name for name in sorted(sys.modules) if name.startswith("vaxel_router.core."))
    modules = [sys.modules[name] for name in core]
    patches = [
        mock.patch.object(module, name, either(name))
        for module in modules
        for name in naive
        if hasattr(module, name)
    ]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()
