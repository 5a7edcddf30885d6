"""Who works, and by which policy: published versions.

These change much at once. Each handler does what fits into the batch and says that it is
unfinished; given the same command again it does the rest, since it looks at what still differs.
"""

from __future__ import annotations

from typing import Any

from vaxel_router.core import hours, trials
from vaxel_router.core.limits import (
    AGENT_ID_MAX,
    CAPACITY_MAX,
    OCCUPANCY_MS_MAX,
    OCCUPANCY_MS_MIN,
    QUEUE_ORDER_MAX,
    SHARE_MS_MAX,
)
from vaxel_router.core.presence import empty_hands
from vaxel_router.core.queueing import match_agent, match_work, release_reserved
from vaxel_router.core.state import Agent, Work, key_at
from vaxel_router.core.step import Refused, Step
from vaxel_router.core.stepping import step_work
from vaxel_router.core.written.agents import PROFILE, agent_of
from vaxel_shared.contracts.wire import Command


def publish_policy(step: Step, command: Command) -> None:
    """``policy.publish``: adopt the version, then catch all waiting work up with it."""
    version = command.data.get("version", "")
    if command.data.get("kind") not in ("routing", "shadow"):
        raise Refused("not_supported", {"kind": command.data.get("kind")})
    if version not in step.library:
        raise Refused("no_policy", {"version": version})
    if step.library[version].name != step.pool.name:
        raise Refused("invalid_data", {"pool": step.library[version].name})
    if command.data["kind"] == "shadow":
        trials.publish(step, command)
        return
    if not step.continues:
        _adopt(step, command)
        hours.keep(step, step.library[version])
    todo = _waiting_still(step)
    while todo:
        if not step.has_room:
            step.world.todo = (step.cause, todo)
            step.unfinished = True
            return
        work = todo.pop()
        if work.state == "queued":
            step_work(step, work, "policy")
            match_work(step, work)
    if step.continues:
        # Whatever was left may have needed nothing, and every input yields a decision.
        _adopt(step, command)


def _adopt(step: Step, command: Command) -> None:
    version = command.data["version"]
    policy = step.library[version]
    held = set() if policy.in_flight == "new" else trials.held(step)
    held |= {step.pool.shadow} if step.pool.shadow is not None else set()
    names = set(policy.names()).union(*(step.library[one].names() for one in held))
    step.emit(
        "policy.adopted",
        kind="routing",
        version=version,
        ref=command.data["ref"],
        names=sorted(names) or None,
        in_flight=policy.in_flight if policy.in_flight != "new" else None,
    )


def _waiting_still(step: Step) -> list[Work]:
    """The works that a policy must yet be applied to, the first to be served at the end.

    What an earlier record of the same input caught up needs nothing more, so it makes no difference
    that a router which was restored since then begins with all of them again.
    """
    cause, todo = step.world.todo
    step.world.todo = ("", [])
    if step.continues and cause == step.cause:
        return todo
    waiting = [work for work in step.pool.works.values() if work.state == "queued"]
    return sorted(waiting, key=lambda work: key_at(work, step.place(work)), reverse=True)


def set_roster(step: Step, command: Command) -> None:
    """``roster.set``: all agents of the pool; whoever isn't named leaves, work goes back."""
    data = command.data
    profiles = {item["id"]: item for item in data.get("agents", [])}
    if not data.get("version") or not data.get("directory_ref"):
        raise Refused("invalid_data", {"missing": ["version", "directory_ref"]})
    for agent_id, profile in profiles.items():
        if not _makes_sense(profile):
            raise Refused("invalid_data", {"agent_id": agent_id})
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
    if agent is not None and _is_same(agent, agent_of(profile)):
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
    agent = step.pool.agents[agent_id]
    match_agent(step, agent)
    release_reserved(step, agent)


def _is_same(agent: Agent, other: Agent) -> bool:
    return all(getattr(agent, name) == getattr(other, name) for name in PROFILE)


def _makes_sense(profile: dict[str, Any]) -> bool:
    """Whether an agent's limits are limits: nobody works for nothing, or without an end."""
    named = profile.get("channels", {}).items()
    channels = [item for _, item in named]
    return (
        0 < len(profile["id"]) <= AGENT_ID_MAX
        and 0 <= profile.get("capacity", 1) <= CAPACITY_MAX
        and 1 <= (profile.get("max_offers") or 1) <= CAPACITY_MAX
        and all(1 <= item.get("cost", 1) <= CAPACITY_MAX for item in channels)
        and 1 <= (profile.get("share") or {"most": 1})["most"] <= CAPACITY_MAX
        and 1 <= (profile.get("share") or {"within_ms": 1})["within_ms"] <= SHARE_MS_MAX
        and 1 <= (profile.get("occupancy") or {"most": 1})["most"] <= 99
        and OCCUPANCY_MS_MIN
        <= (profile.get("occupancy") or {"within_ms": OCCUPANCY_MS_MIN})["within_ms"]
        <= OCCUPANCY_MS_MAX
        and all(0 <= item.get("max", 1) <= CAPACITY_MAX for item in channels)
        and all(name not in (item.get("interrupted_by") or []) for name, item in named)
        and len(profile.get("queue_order") or []) <= QUEUE_ORDER_MAX
    )


def _leave(step: Step, agent: Agent) -> bool:
    """Take back all that an agent has, then let the agent go; False: go on in the next batch."""
    if not empty_hands(step, agent, "agent_removed", works=True):
        step.unfinished = True
        return False
    step.emit("agent.removed", agent_id=agent.id, reason="roster")
    return True
