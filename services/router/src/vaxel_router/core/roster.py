"""Who works, and by which policy: published versions and agents' presence.

These change much at once. Each handler does what fits into the batch and says that it is
unfinished; given the same command again it does the rest, since it looks at what still differs.
"""

from __future__ import annotations

from typing import Any

from vaxel_router.core.offers import step_work
from vaxel_router.core.queueing import close_work, end_offer, match_agent, match_work, queue_work
from vaxel_router.core.state import Agent
from vaxel_router.core.step import Refused, Step
from vaxel_shared.contracts.wire import Command


def publish_policy(step: Step, command: Command) -> None:
    """``policy.publish``: adopt the version, then catch all waiting work up with it."""
    version = command.data.get("version", "")
    if command.data.get("kind") != "routing":
        raise Refused("not_supported", {"kind": command.data.get("kind")})
    if version not in step.library:
        raise Refused("no_policy", {"version": version})
    if not step.continues:
        step.emit("policy.adopted", kind="routing", version=version, ref=command.data["ref"])
    works = sorted(step.pool.works.values(), key=lambda work: work.order)
    for work in works:
        if work.state != "queued":
            continue
        if not step.has_room:
            step.unfinished = True
            return
        step_work(step, work, "policy")
        match_work(step, work)
    if step.continues:
        # Whatever was left may have needed nothing, and every input yields a decision.
        step.emit("policy.adopted", kind="routing", version=version, ref=command.data["ref"])


def set_roster(step: Step, command: Command) -> None:
    """``roster.set``: all agents of the pool; whoever isn't named leaves, work goes back."""
    data = command.data
    profiles = {item["id"]: item for item in data.get("agents", [])}
    if not data.get("version") or not data.get("directory_ref"):
        raise Refused("invalid_data", {"missing": ["version", "directory_ref"]})
    for agent_id in sorted(step.pool.agents.keys() - profiles.keys()):
        if not step.has_room:
            step.unfinished = True
            return
        if not _leave(step, step.pool.agents[agent_id]):
            return
    for agent_id, profile in sorted(profiles.items()):
        if not step.has_room:
            step.unfinished = True
            return
        _join(step, agent_id, profile)
    step.emit(
        "roster.adopted",
        source=data.get("source", "file"),
        version=data["version"],
        directory_ref=data["directory_ref"],
        directory_sha256=data.get("directory_sha256", ""),
        agents=len(profiles),
    )


def _join(step: Step, agent_id: str, profile: dict[str, Any]) -> None:
    """A new agent, or a changed one; whoever is new and ``present`` is available at once."""
    agent = step.pool.agents.get(agent_id)
    if agent is not None and _profile(agent) == _profile_of(profile):
        return
    step.emit(
        "agent.changed",
        agent_id=agent_id,
        profile=profile,
        presence=("available" if profile.get("present", False) else "offline")
        if agent is None
        else None,
        reason="roster",
    )
    match_agent(step, step.pool.agents[agent_id])


def _profile(agent: Agent) -> dict[str, Any]:
    return {
        "tier": agent.tier,
        "skills": agent.skills,
        "languages": agent.languages,
        "capacity": agent.capacity,
        "channels": {name: tuple(item) for name, item in agent.channels.items()},
        "present": agent.present,
    }


def _profile_of(profile: dict[str, Any]) -> dict[str, Any]:
    return {
        "tier": profile.get("tier", 1),
        "skills": profile.get("skills", {}),
        "languages": profile.get("languages", {}),
        "capacity": profile.get("capacity", 1),
        "channels": {
            name: (item.get("cost", 1), item.get("max", 1))
            for name, item in profile.get("channels", {}).items()
        },
        "present": profile.get("present", False),
    }


def _leave(step: Step, agent: Agent) -> bool:
    """Take back all that an agent has, then let the agent go; False: go on in the next batch."""
    if not _empty_hands(step, agent, "agent_removed", works=True):
        return False
    step.emit("agent.removed", agent_id=agent.id, reason="roster")
    return True


def _empty_hands(step: Step, agent: Agent, reason: str, *, works: bool) -> bool:
    """Withdraw an agent's offers and, if ``works``, put the work in hand back with its age."""
    if agent.presence == "available":
        step.emit("agent.changed", agent_id=agent.id, presence="offline", reason=reason)
    for offer_id in list(agent.offers):
        if not step.has_room:
            step.unfinished = True
            return False
        work = step.pool.works[step.pool.offers[offer_id].work_id]
        end_offer(step, work, "withdrawn", reason=reason)
        step_work(step, work, "offer_ended")
        match_work(step, work)
    for work_id in list(agent.works) if works else []:
        if not step.has_room:
            step.unfinished = True
            return False
        work = step.pool.works[work_id]
        wrapping = work.state == "wrapping"
        close_work(step, work, reason)
        if not wrapping:
            case = step.pool.cases[work.case_id]
            back = queue_work(
                step,
                case,
                reason=reason,
                since_ms=work.since_ms,
                clock_ms=work.clock_ms,
                queue=work.queue,
                floor=work.floor,
                escalations=work.escalations,
            )
            match_work(step, back)
    return True


def presence(step: Step, command: Command) -> None:
    """``agent.presence``: away and offline take no new work; ``return_work`` gives it back."""
    data = command.data
    agent = step.agent(command.agent_id)
    wanted, mode = data.get("presence"), data.get("mode", "keep")
    if wanted not in ("available", "away", "offline"):
        raise Refused("invalid_data", {"presence": wanted})
    if mode not in ("keep", "keep_no_new", "return_work"):
        raise Refused("invalid_data", {"mode": mode})
    until_ms = data.get("until_ms")
    if until_ms is not None and (not isinstance(until_ms, int) or until_ms <= step.now_ms):
        raise Refused("invalid_data", {"until_ms": until_ms})
    if not step.continues:
        step.emit(
            "agent.changed",
            agent_id=agent.id,
            presence=wanted,
            mode=mode,
            until_ms=until_ms,
            reason=data.get("reason"),
        )
    if wanted == "available":
        match_agent(step, agent)
    elif _empty_hands(step, agent, f"agent_{wanted}", works=mode == "return_work"):
        _release_reserved(step, agent)


def _release_reserved(step: Step, agent: Agent) -> None:
    """Work that waited for this agent alone is anybody's now."""
    for _, work_id in list(step.world.waiting[step.pool.name]):
        work = step.pool.works[work_id]
        if work.prefer_agent == agent.id and step.has_room:
            match_work(step, work)


def come_back(step: Step, agent: Agent) -> None:
    """The time away is over."""
    step.emit("agent.changed", agent_id=agent.id, presence="available", reason="until")
    match_agent(step, agent)
