"""Coming and going: whole or by channel, by a name of one's own, and connections that break.

Whoever says to be away means it: offers are taken back at once, and work as its ``mode`` says. A
connection that breaks says nothing yet: for the policy's grace the agent is asked for nothing new,
and what the agent holds stays held, offers and customers of one's own included. Who is back in time
goes on as if nothing had been; of who isn't, all is taken that the policy says.
"""

from __future__ import annotations

from typing import NamedTuple

from vaxel_router.core.policy import MODES, PRESENCES, PresencePolicy
from vaxel_router.core.queueing import (
    close_work,
    end_offer,
    match_agent,
    match_work,
    queue_work,
    release_reserved,
)
from vaxel_router.core.state import Agent, Work, work_key
from vaxel_router.core.step import Refused, Step
from vaxel_router.core.stepping import step_work
from vaxel_router.core.written.agents import GIVES_MORE, GIVING
from vaxel_shared.contracts.wire import Command


def presence(step: Step, command: Command) -> None:
    """``agent.presence``: away and offline take no new work; ``return_work`` gives it back."""
    data = command.data
    agent = step.agent(command.agent_id)
    wanted, mode = data.get("presence"), data.get("mode", "keep")
    if wanted not in PRESENCES:
        raise Refused("invalid_data", {"presence": wanted})
    if mode not in MODES:
        raise Refused("invalid_data", {"mode": mode})
    until_ms = data.get("until_ms")
    if until_ms is not None and (not isinstance(until_ms, int) or until_ms <= step.now_ms):
        raise Refused("invalid_data", {"until_ms": until_ms})
    name, lost, channels = data.get("name"), data.get("lost"), data.get("channels")
    if name is not None:
        wanted, mode = _meant(step, name)
    if lost and (wanted != "offline" or channels is not None):
        raise Refused("invalid_data", {"lost": lost, "presence": wanted})
    if channels is not None:
        _of_channels(step, command, agent, Wanted(wanted, mode, until_ms))
    elif lost:
        lose(step, agent, data.get("reason") or "connection_lost")
    else:
        _whole(step, command, agent, Wanted(wanted, mode, until_ms))


class Wanted(NamedTuple):
    """What somebody wants to be, what becomes of the work in hand, and until when."""

    presence: str
    mode: str
    until_ms: int | None


def _whole(step: Step, command: Command, agent: Agent, wanted: Wanted) -> None:
    """A presence that is meant for every channel."""
    if step.continues:
        # What is left may need nothing, and every input yields a decision.
        step.emit("agent.changed", agent_id=agent.id, reason="matching")
    else:
        step.emit(
            "agent.changed",
            agent_id=agent.id,
            presence=wanted.presence,
            mode=wanted.mode,
            until_ms=wanted.until_ms,
            reason=command.data.get("reason"),
            name=command.data.get("name"),
            closed={} if wanted.presence == "available" and agent.closed else None,
        )
    if wanted.presence == "available":
        match_agent(step, agent)
    else:
        works = wanted.mode == "return_work"
        done = empty_hands(step, agent, f"agent_{wanted.presence}", works=works)
        step.unfinished = not done


def _meant(step: Step, name: str) -> tuple[str, str]:
    """The presence and mode that a name of the policy's own stands for. Raises Refused."""
    found = _policy(step).names.get(name)
    if found is None:
        raise Refused("unknown_presence", {"name": name, "names": sorted(_policy(step).names)})
    return found.presence, found.mode


def _policy(step: Step) -> PresencePolicy:
    return step.policy.presence if step.policy is not None else PresencePolicy()


# By channel


def _of_channels(step: Step, command: Command, agent: Agent, wanted: Wanted) -> None:
    """A presence that is meant for some channels only: the others stay as they are."""
    channels = command.data["channels"]
    if not channels or not agent.channels.keys() >= set(channels):
        raise Refused("invalid_data", {"channels": channels, "has": sorted(agent.channels)})
    if step.continues:
        step.emit("agent.changed", agent_id=agent.id, reason="matching")
    else:
        rest = {name: until for name, until in agent.closed.items() if name not in channels}
        if wanted.presence != "available":
            rest |= dict.fromkeys(channels, wanted.until_ms or 0)
        step.emit(
            "agent.changed",
            agent_id=agent.id,
            closed=dict(sorted(rest.items())),
            reason=command.data.get("reason") or "channels",
        )
    if wanted.presence == "available":
        match_agent(step, agent)
    else:
        some, works = frozenset(channels), wanted.mode == "return_work"
        step.unfinished = not empty_hands(step, agent, "channel_off", works=works, channels=some)


def open_channels(step: Step, agent: Agent) -> None:
    """The time of some channels is over: the agent takes them again."""
    shut = {name: until for name, until in agent.closed.items() if not until or until > step.now_ms}
    step.emit("agent.changed", agent_id=agent.id, closed=shut, reason="until")
    match_agent(step, agent)


# Connections


def lose(step: Step, agent: Agent, reason: str) -> None:
    """Nobody said so, but the agent can't be reached: wait a moment before anything is taken."""
    policy = _policy(step)
    if agent.grace_ms is not None:
        step.emit("agent.changed", agent_id=agent.id, reason=reason)  # the first loss counts
        return
    if agent.presence != "available":
        # What becomes of the work was said by the agent, who had left before.
        step.emit(
            "agent.changed", agent_id=agent.id, presence="offline", mode=agent.mode, reason=reason
        )
    else:
        step.emit(
            "agent.changed",
            agent_id=agent.id,
            presence="offline",
            mode=policy.after_grace,
            grace_ms=step.person_ms + policy.grace_ms if policy.grace_ms else None,
            reason=reason,
        )
    if agent.grace_ms is None:
        done = empty_hands(step, agent, "agent_lost", works=agent.mode == "return_work")
        _goes_on(step, agent, done=done)


def end_grace(step: Step, agent: Agent) -> None:
    """Not back in time: the agent is gone, and what was held goes its way."""
    step.emit(
        "agent.changed",
        agent_id=agent.id,
        presence="offline",
        mode=agent.mode,
        reason="grace_over",
    )
    give_back(step, agent)


def give_back(step: Step, agent: Agent) -> None:
    """Take what somebody who is gone may not keep, as much as fits into the record."""
    gone = agent.presence != "available"  # else it is the shift that is over
    works = gone and agent.mode == "return_work"
    done = empty_hands(step, agent, "agent_lost" if gone else "shift_over", works=works)
    _goes_on(step, agent, done=done)


def go_on_giving(step: Step, agent: Agent) -> None:
    """The rest of what a full record cut short."""
    step.emit("agent.changed", agent_id=agent.id, reason=GIVING)
    give_back(step, agent)


def _goes_on(step: Step, agent: Agent, *, done: bool) -> None:
    if not done:
        step.emit("agent.changed", agent_id=agent.id, reason=GIVES_MORE)


def come_back(step: Step, agent: Agent) -> None:
    """The time away is over; or the time for which somebody was known to be there."""
    if agent.presence == "available":
        lose(step, agent, "lease_over")
        return
    step.emit("agent.changed", agent_id=agent.id, presence="available", reason="until")
    match_agent(step, agent)


# What is taken back


def empty_hands(
    step: Step,
    agent: Agent,
    reason: str,
    *,
    works: bool,
    channels: frozenset[str] | None = None,
) -> bool:
    """Take an agent's offers back and, if ``works``, the work in hand, which keeps its age.

    Work that waited for this agent alone is anybody's now. All of it is matched in the order of
    service. ``channels``: only of these. False: go on in the next batch.
    """
    if agent.standing == "available" and channels is None:
        step.emit("agent.changed", agent_id=agent.id, presence="offline", reason=reason)
    pool = step.pool
    freed = [pool.offers[offer_id].work_id for offer_id in agent.offers]
    freed += agent.works if works else []
    freed += step.matcher.preferring(agent.id)
    some = [pool.works[work_id] for work_id in freed]
    if channels is not None:
        some = [work for work in some if work.channel in channels]
    for work in sorted(some, key=work_key):
        if not step.has_room:
            return False
        mine = [offer_id for offer_id in work.open_offers if offer_id in agent.offers]
        if mine:
            end_offer(step, work, "withdrawn", offer=pool.offers[mine[0]], reason=reason)
            if work.state == "queued":
                step_work(step, work, "offer_ended")
        if work.agent_id is None:
            match_work(step, work)
        else:
            _give_back(step, work, reason)
    if channels is not None:
        match_agent(step, agent)
    return True


def _give_back(step: Step, work: Work, reason: str) -> None:
    wrapping = work.state == "wrapping"
    close_work(step, work, reason)
    if wrapping:
        return
    back = queue_work(
        step,
        step.pool.cases[work.case_id],
        reason=reason,
        since_ms=work.since_ms,
        clock_ms=work.clock_ms,
        queue=work.queue,
        floor=work.floor,
        escalations=work.escalations,
        bounces=work.bounces,
        settled=True,
    )
    match_work(step, back)


def go_on(step: Step, agent: Agent) -> None:
    """What a full record cut short: work for an agent, and work that had waited for one."""
    step.emit("agent.changed", agent_id=agent.id, reason="matching")
    match_agent(step, agent)
    release_reserved(step, agent)
