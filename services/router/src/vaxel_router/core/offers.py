"""Agents' answers to offers, and what delivery says of them."""

from __future__ import annotations

from vaxel_router.core.limits import AWAY_MS_MIN, RETRY_MS_MAX
from vaxel_router.core.queueing import (
    end_offer,
    match_agent,
    match_work,
    release_reserved,
    withdraw_others,
)
from vaxel_router.core.state import Offer, Work
from vaxel_router.core.step import Refused, Step
from vaxel_router.core.stepping import step_work
from vaxel_router.core.written.works import ACCEPTED
from vaxel_shared.contracts.wire import Command


def _pending(step: Step, command: Command) -> tuple[Offer, Work]:
    """The pending offer that an answer means. Raises Refused for any other."""
    offer = step.pool.offers.get(command.data.get("offer_id", ""))
    if offer is None:
        raise Refused("unknown_offer", {"offer_id": command.data.get("offer_id")})
    if offer.token != command.token:
        raise Refused("stale_token", {"token": offer.token})
    if command.actor.kind == "agent" and command.agent_id != offer.agent_id:
        raise Refused("not_owner")
    return offer, step.pool.works[offer.work_id]


def accept(step: Step, command: Command) -> None:
    """``offer.accept``: the agent owns the work from here on."""
    offer, work = _pending(step, command)
    freed = withdraw_others(step, work, offer, "accepted_by_other")
    end_offer(step, work, "accepted", offer=offer)
    step.emit(
        "work.assigned",
        case_id=work.case_id,
        work_id=work.id,
        offer_id=offer.id,
        agent_id=offer.agent_id,
        via=ACCEPTED,
        channel=work.channel,
        cost=offer.cost,
        lease_until_ms=step.lease_until(work),
    )
    agent = step.pool.agents[offer.agent_id]
    if agent.max_offers is not None:  # there is room for another to be shown
        match_agent(step, agent)
    for other in freed:
        match_agent(step, other)


def decline(step: Step, command: Command) -> None:
    """``offer.decline``: the work keeps its age and goes to the next; the agent is barred.

    ``retry_at_ms`` says until when, where it isn't the policy's time.
    """
    offer, work = _pending(step, command)
    retry_ms = command.data.get("retry_at_ms")
    if retry_ms is None:
        bar_ms = step.policy.offer.bar_after_decline_ms if step.policy is not None else 0
    elif step.now_ms < retry_ms <= step.now_ms + RETRY_MS_MAX:
        bar_ms = max(retry_ms - step.person_ms, 1)
    else:
        raise Refused("invalid_data", {"retry_at_ms": retry_ms})
    reason = command.data.get("reason")
    end_offer(step, work, "declined", offer=offer, reason=reason, bar_ms=bar_ms)
    _go_on(step, work, offer.agent_id)


def _go_on(step: Step, work: Work, agent_id: str) -> None:
    """Catch the work up with its age, offer the agent what waited longest, and it to the next.

    As long as others are still asked the work itself needs nothing.
    """
    if work.state == "queued":
        step_work(step, work, "offer_ended")
    match_agent(step, step.pool.agents[agent_id])
    match_work(step, work)


def expire(step: Step, offer: Offer) -> None:
    """An offer's time is over: missed if it was really shown for its limit, else unseen.

    Nobody missed what ran out while the router was away: an answer might have had no way to it.
    """
    work, agent = step.pool.works[offer.work_id], step.pool.agents[offer.agent_id]
    shown = offer.sent_ms is not None and step.now_ms - offer.sent_ms >= offer.limit_ms
    policy = step.policy.offer if step.policy is not None else None
    if agent.grace_ms is not None:
        end_offer(step, work, "unseen", offer=offer, reason="connection_lost")
    elif not shown or policy is None:
        end_offer(step, work, "unseen", offer=offer, reason="not_reported_sent")
    elif step.wall_ms - step.now_ms > AWAY_MS_MIN:
        end_offer(step, work, "unseen", offer=offer, reason="router_was_away")
    else:
        end_offer(step, work, "expired", offer=offer, bar_ms=policy.bar_after_miss_ms)
        if policy.misses_before_away and agent.misses >= policy.misses_before_away:
            step.emit(
                "agent.changed",
                agent_id=agent.id,
                presence="away",
                mode="keep_no_new",
                reason="missed_offers",
            )
            waits = work.state == "queued"
            if waits:
                step_work(step, work, "offer_ended")
            release_reserved(step, agent, beside=work if waits else None)
            return
    _go_on(step, work, agent.id)


UNDELIVERABLE_BAR_MS = 600_000
"""How long an agent whom an offer could not reach is spared the same work."""


def delivery_result(step: Step, command: Command) -> None:
    """``delivery.result``: an offer's limit counts from when it was really sent."""
    data = command.data
    if not {"effect_id", "effect", "state"} <= data.keys():
        raise Refused("invalid_data", {"missing": ["effect_id", "effect", "state"]})
    about = data.get("offer_id") if data["effect"] == "offer" else None
    offer = step.pool.offers.get(about or "")
    sent = offer is not None and data["state"] == "sent"
    step.emit(
        "effect.reported",
        case_id=command.case_id,
        offer_id=data.get("offer_id"),
        agent_id=command.agent_id,
        effect_id=data["effect_id"],
        effect=data["effect"],
        state=data["state"],
        code=data.get("code"),
        expires_ms=step.person_ms + offer.limit_ms if offer is not None and sent else None,
    )
    if offer is not None and data["state"] == "failed":
        work = step.pool.works[offer.work_id]
        end_offer(
            step,
            work,
            "withdrawn",
            offer=offer,
            reason="undeliverable",
            bar_ms=UNDELIVERABLE_BAR_MS,
        )
        _go_on(step, work, offer.agent_id)
