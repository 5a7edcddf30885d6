"""When somebody takes work by the clock: shifts, pauses, shares and occupancy that are used up.

Each end is a timer of its own. A shift is a calendar of the policy: on its edges the agent's offers
are taken back, or matching begins; work in hand stays. Pauses, shares and occupancy rule an agent
out as one who is full is: customers of the agent's own go on waiting.
"""

from __future__ import annotations

from vaxel_router.core.opening import Opening, calendar_of, hours_at
from vaxel_router.core.presence import give_back
from vaxel_router.core.queueing import match_agent
from vaxel_router.core.state import Agent, Work
from vaxel_router.core.step import Step


def turn(step: Step, agent: Agent) -> None:
    """A shift may begin or end now, or be another one."""
    on, until_ms = True, None
    policy = step.policy
    if policy is not None and agent.shift in policy.calendars:
        on, until_ms = look(policy.calendars[agent.shift], step.now_ms)
    before = agent.standing
    step.emit("agent.changed", agent_id=agent.id, on_shift=on, shift_ms=until_ms, reason="shift")
    if agent.standing == before:
        return
    if on:
        match_agent(step, agent)
    else:
        give_back(step, agent)


def look(opening: Opening, at_ms: int) -> tuple[bool, int | None]:
    """Whether it is open at an instant, and until when that is so; None: for good."""
    calendar = calendar_of(opening)
    try:
        found = hours_at(calendar, at_ms)
    except (ValueError, OverflowError):  # outside the years that a calendar has
        return True, None
    return (found.is_open, found.until_ms) if calendar.ever_open else (False, None)


def cool_down(step: Step, agent: Agent | None, work: Work) -> None:
    """Work of a queue after which one needs a pause is done: the pause begins."""
    queue = step.queue(work.queue)
    if agent is None or work.agent_id != agent.id or queue is None or not queue.cool_down_ms:
        return
    step.emit(
        "agent.changed",
        agent_id=agent.id,
        rest_ms=step.person_ms + queue.cool_down_ms,
        reason="cool_down",
    )


def rested(step: Step, agent: Agent) -> None:
    """The pause is over."""
    step.emit("agent.changed", agent_id=agent.id, rest_ms=0, reason="rested")
    match_agent(step, agent)


def share_renewed(step: Step, agent: Agent) -> None:
    """The oldest work of the agent's share is long enough ago."""
    step.emit("agent.changed", agent_id=agent.id, reason="share_renewed")
    match_agent(step, agent)


def occupied(step: Step, agent: Agent) -> None:
    """The agent's occupancy reached its cap, or fell below."""
    full = not agent.occupied
    step.emit("agent.changed", agent_id=agent.id, occupied=full, reason="occupancy")
    if not full:
        match_agent(step, agent)
