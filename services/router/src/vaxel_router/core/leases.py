"""Work that somebody has and doesn't begin with comes back; and an end to being handed on.

An assignment is a lease until the first reply, where the policy gives its channel one. Who lets it
lapse is spared that work for a time, and the work keeps its age. Each lapse and each transfer by an
agent is a *bounce*; when there were as many as the policy allows, agents hand on no more, and
whatever lapses still goes to the highest tier, where it stays with somebody.
"""

from __future__ import annotations

from vaxel_router.core.limits import AWAY_MS_MIN
from vaxel_router.core.queueing import close_work, match_agent, match_work, queue_work
from vaxel_router.core.state import Work
from vaxel_router.core.step import Refused, Step


def lapse(step: Step, work: Work) -> None:
    """Nobody replied in time: the work goes to somebody else, at last to the highest tier."""
    policy, agent_id = step.policy, work.agent_id
    assert agent_id is not None, "only work in hand is leased"
    if policy is None or step.wall_ms - step.now_ms > AWAY_MS_MIN or step.lease_until(work) is None:
        # No reply had a way to us, or the policy has none any more: it begins again, if at all.
        step.emit(
            "work.resumed",
            case_id=work.case_id,
            work_id=work.id,
            agent_id=agent_id,
            lease_until_ms=step.lease_until(work),
            reason="lease_renewed",
        )
        return
    last = bool(policy.bounce_limit) and work.bounces >= policy.bounce_limit
    floor = max([work.floor, *step.matcher.tiers()]) if last else work.floor
    live = {name: until for name, until in work.barred.items() if until > step.now_ms}
    live[agent_id] = step.person_ms + policy.offer.bar_after_lapse_ms
    freed = close_work(step, work, LAPSED)
    back = queue_work(
        step,
        step.pool.cases[work.case_id],
        reason=LAPSED,
        since_ms=work.since_ms,
        clock_ms=work.clock_ms,
        queue=work.queue,
        floor=floor,
        barred=dict(sorted(live.items())),
        escalations=work.escalations,
        bounces=work.bounces + 1,
        settled=True,
    )
    if floor > work.floor:
        step.emit(
            "work.escalated",
            case_id=back.case_id,
            work_id=back.id,
            from_tiers=list(work.tiers),
            to_tiers=list(back.tiers),
            floor=floor,
            reason="bounce_limit",
        )
    if freed is not None:
        match_agent(step, freed)
    match_work(step, back)


LAPSED = "lease_lapsed"


def hand_on(step: Step, work: Work, kind: str) -> int:
    """How often a work has bounced when this kind of actor hands it on. Raises Refused."""
    if kind != "agent":
        return work.bounces
    limit = step.policy.bounce_limit if step.policy is not None else 0
    if limit and work.bounces >= limit:
        raise Refused("bounce_limit", {"bounces": work.bounces, "max": limit})
    return work.bounces + 1
