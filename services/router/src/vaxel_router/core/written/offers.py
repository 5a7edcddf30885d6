"""How decisions about offers are written into the state."""

from __future__ import annotations

from vaxel_router.core.state import Offer, Pool, World, put
from vaxel_router.core.written.common import (
    Handler,
    Place,
    arm_bars,
    arm_step,
    disarm_work,
    work_id_of,
)
from vaxel_shared.contracts.wire import Decision


def _offer_made(world: World, pool: Pool, decision: Decision, place: Place) -> None:
    assert decision.agent_id is not None
    assert decision.offer_id is not None
    work, agent = pool.works[work_id_of(decision)], pool.agents[decision.agent_id]
    data = decision.data
    matcher = world.matchers[pool.name]
    matcher.drop(work.id)
    if work.offer_id is None:
        world.count(pool, work.queue, -1)
    pool.turns += 1
    agent.turn = pool.turns
    matcher.hold(agent.id, work.channel, data["cost"], idle=decision.at_ms, turn=agent.turn)
    work.state, work.attempts = "offered", data["attempt"]
    if work.offer_id is None:
        work.offer_id = decision.offer_id
    else:
        work.others.append(decision.offer_id)
    offer = Offer(
        id=decision.offer_id,
        work_id=work.id,
        agent_id=agent.id,
        token=f"{place[0]}.{place[1]}",
        channel=work.channel,
        cost=data["cost"],
        made_ms=decision.at_ms,
        limit_ms=data["limit_ms"],
        expires_ms=data["expires_ms"],
    )
    pool.offers[offer.id] = offer
    agent.offers.append(offer.id)
    agent.idle_since_ms = decision.at_ms
    matcher.stop(agent.id, agent.stop)
    disarm_work(world, pool, work)
    world.arm(f"offer:{pool.name}:{offer.id}", offer.expires_ms)


def _offer_ended(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    assert decision.offer_id is not None
    offer = pool.offers.pop(decision.offer_id)
    work, agent = pool.works[offer.work_id], pool.agents[offer.agent_id]
    agent.offers.remove(offer.id)
    matcher = world.matchers[pool.name]
    matcher.stop(agent.id, agent.stop)
    world.disarm(f"offer:{pool.name}:{offer.id}")
    still = [offer_id for offer_id in work.open_offers if offer_id != offer.id]
    work.offer_id, work.others = (still[0], still[1:]) if still else (None, [])
    outcome = decision.data["outcome"]
    if outcome == "expired":
        agent.misses += 1
    bar_ms = decision.data.get("bar_until_ms")
    live = {name: until for name, until in work.barred.items() if until > decision.at_ms}
    work.barred = live if bar_ms is None else dict(sorted({**live, agent.id: bar_ms}.items()))
    if still:
        matcher.free(agent.id, offer.channel, offer.cost)
        return
    work.state = "queued"
    world.count(pool, work.queue, 1)
    if outcome != "accepted":
        # An accepted one is assigned by the very next decision, and keeps what it holds.
        matcher.free(agent.id, offer.channel, offer.cost)
        put(matcher, pool, work, world.state.now_ms)
        arm_step(world, pool, work, work.next_ms)
        arm_bars(world, pool, work)


def _effect_reported(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    offer, state = pool.offers.get(decision.offer_id or ""), decision.data["state"]
    case = pool.cases.get(decision.case_id or "")
    while case is not None and state == "failed":
        if case.explanation == decision.data["effect_id"]:
            case.explanation = None
        case = pool.cases.get(case.merged_into or "")
    if offer is None or state != "sent" or offer.sent_ms is not None:
        return
    offer.sent_ms = decision.at_ms
    offer.expires_ms = decision.data["expires_ms"]
    world.arm(f"offer:{pool.name}:{offer.id}", offer.expires_ms)


HANDLERS: dict[str, Handler] = {
    "offer.made": _offer_made,
    "offer.ended": _offer_ended,
    "effect.reported": _effect_reported,
}
"""Type of a decision → what it changes."""
