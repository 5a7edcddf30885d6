"""What must hold between any two inputs, by name: asserted in tests, simulation and chaos alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from vaxel_router.core.eligibility import own_hands, reject, used
from vaxel_router.core.state import Agent, Pool, World, is_matched, profile_of
from vaxel_router.core.written.queues import window_timer


def one_owner_at_a_time(_world: World, pool: Pool) -> list[str]:
    """No work is in two hands, and hands and works agree."""
    wrong = []
    for agent in pool.agents.values():
        wrong += [w for w in agent.works if pool.works[w].agent_id != agent.id]
        wrong += [o for o in agent.offers if pool.offers[o].agent_id != agent.id]
    held = [work_id for agent in pool.agents.values() for work_id in agent.works]
    wrong += sorted({work_id for work_id in held if held.count(work_id) > 1})
    owned = {work.id for work in pool.works.values() if work.agent_id is not None}
    return wrong + sorted(owned ^ set(held))


def capacity_never_exceeded(_world: World, pool: Pool, overridden: frozenset[str]) -> list[str]:
    """Offers included, nobody holds more than allowed, unless a supervisor or roster said so."""
    wrong = []
    for agent in pool.agents.values():
        mine = own_hands(pool, agent)
        for channel, (_cost, most) in agent.channels.items():
            count = sum(one == channel for one, _ in mine)
            over = count > most or _at_once(agent, mine) > agent.capacity
            if agent.id not in overridden and over:
                wrong.append(agent.id)
        shown = len(agent.offers)
        if agent.id not in overridden and shown > (agent.max_offers or shown):
            wrong.append(agent.id)
    return wrong


def _at_once(agent: Agent, mine: list[tuple[str, int]]) -> int:
    """What somebody has in hand and not put aside for anything else in hand."""
    busy = {channel for channel, _ in mine}
    return sum(cost for channel, cost in mine if busy.isdisjoint(agent.yields.get(channel, ())))


def offers_and_works_agree(_world: World, pool: Pool) -> list[str]:
    """A work is offered as long as any offer of it is open, and to nobody twice."""
    wrong = []
    for work in pool.works.values():
        asked = [pool.offers[o].agent_id for o in work.open_offers if o in pool.offers]
        if len({*asked}) != len(work.open_offers) or bool(asked) != (work.state == "offered"):
            wrong.append(work.id)
    known = {offer_id for work in pool.works.values() for offer_id in work.open_offers}
    return wrong + sorted(known ^ pool.offers.keys())


def only_who_is_there_is_asked(_world: World, pool: Pool) -> list[str]:
    """Offers are pending with those who are there, or were until a moment ago."""
    return [
        offer.id
        for offer in pool.offers.values()
        if (agent := pool.agents[offer.agent_id]).presence == "offline" and agent.grace_ms is None
    ]


def _times(agent: Agent) -> list[tuple[str, int | None]]:
    """What of an agent ends by itself, and when."""
    ends = [until for until in agent.closed.values() if until]
    counts = agent.share is not None and agent.recent
    return [
        ("back", agent.until_ms),
        ("grace", agent.grace_ms),
        ("open", min(ends, default=None)),
        ("shift", agent.shift_ms),
        ("rest", agent.rest_ms),
        ("occupied", agent.occupied_ms),
        ("share", agent.recent[0] + agent.share[1] if agent.share and counts else None),
        ("elsewhere", min((said.until_ms for said in agent.elsewhere.values()), default=None)),
    ]


def every_deadline_has_a_timer(world: World, pool: Pool) -> list[str]:
    """Offers, wrap-ups, waiting steps, absences and switches end by themselves."""
    wanted = {f"offer:{pool.name}:{o.id}": o.expires_ms for o in pool.offers.values()}
    for work in pool.works.values():
        rests = work.queue in pool.shut
        if work.state == "queued" and work.next_ms is not None and not rests:
            wanted[f"step:{pool.name}:{work.id}"] = work.next_ms
        ends = [until for until in work.barred.values() if until > world.state.now_ms]
        if work.state == "queued" and ends:
            # Whom it waits for first may be sooner; the timer is for whatever ends first.
            kept_ms = work.prefer_until_ms or 0
            ends += [kept_ms] if kept_ms > world.state.now_ms else []
            wanted[f"free:{pool.name}:{work.id}"] = min(ends)
        if work.lease_ms is not None:
            wanted[f"lease:{pool.name}:{work.id}"] = work.lease_ms
    for agent in pool.agents.values():
        for kind, due_ms in _times(agent):
            if due_ms is not None:
                wanted[f"{kind}:{pool.name}:{agent.id}"] = due_ms
    for key, switch in pool.switches.items():
        wanted[f"switch:{pool.name}:{key}"] = switch.until_ms
    wrapping = [w for w in pool.works.values() if w.state == "wrapping"]
    missing = [key for key, due in wanted.items() if world.state.timers.get(key) != due]
    return missing + [
        w.id for w in wrapping if f"wrap:{pool.name}:{w.id}" not in world.state.timers
    ]


def nothing_waits_while_somebody_could(world: World, pool: Pool) -> list[str]:
    """No queued work has an eligible agent, unless they are collected until a timer fires."""
    if pool.policy is None or window_timer(pool) in world.state.timers:
        return []
    return [
        work.id
        for work in pool.works.values()
        if work.state == "queued"
        and is_matched(pool, work)
        and any(
            reject(pool, agent, work, world.state.now_ms) is None for agent in pool.agents.values()
        )
    ]


def waiting_index_is_true(world: World, pool: Pool) -> list[str]:
    """What waits in the matcher is what is queued, in its order; and it knows who has what."""
    matcher = world.matchers[pool.name]
    waiting = [w.id for w in world.waiting(pool) if is_matched(pool, w)]
    wrong = [] if matcher.in_order() == waiting else sorted({*matcher.in_order()} ^ {*waiting})
    for agent in pool.agents.values():
        seat = matcher.seats[agent.id]
        known = (
            seat.presence, seat.idle, seat.turn, seat.brought.profile, seat.used, seat.closed,
            seat.stop,
        )  # fmt: skip
        if known != (
            agent.standing, agent.idle_since_ms, agent.turn, profile_of(agent, pool.named),
            used(pool, agent, "")[0], frozenset(agent.closed), agent.stop,
        ):  # fmt: skip
            wrong.append(agent.id)
    return wrong + sorted(matcher.seats.keys() ^ pool.agents.keys())


def open_cases_have_work(_world: World, pool: Pool) -> list[str]:
    """An open case has exactly one work, another none but a wrap-up; no case has two."""
    wrong = [c.id for c in pool.cases.values() if c.status == "open" and c.work_id is None]
    wrong += [
        c.id for c in pool.cases.values() if c.work_id is not None and c.work_id not in pool.works
    ]
    wrong += [
        w.case_id
        for w in pool.works.values()
        if w.state != "wrapping" and pool.cases[w.case_id].status != "open"
    ]
    cases = [work.case_id for work in pool.works.values()]
    return wrong + sorted({case for case in cases if cases.count(case) > 1})


def waiting_is_counted(world: World, pool: Pool) -> list[str]:
    """How many wait in each queue is known without counting them."""
    found = Counter(work.queue for work in pool.works.values() if work.state == "queued")
    known = world.queued[pool.name]
    return sorted(name for name in {*found, *known} if found[name] != known.get(name, 0))


def complaints_go_on_with_somebody_new(_world: World, pool: Pool) -> list[str]:
    """Nobody who had a complaint is asked to review it, and none is over without an explanation."""
    wrong = [
        offer.id
        for offer in pool.offers.values()
        if not (case := pool.cases[pool.works[offer.work_id].case_id]).merged
        and offer.agent_id in case.involved
    ]
    return wrong + [
        case.id
        for case in pool.cases.values()
        if case.status == "resolved" and case.stage and case.explanation is None
    ]


def questions_belong_to_cases_in_progress(_world: World, pool: Pool) -> list[str]:
    """What is asked of others belongs to a case that isn't over, and that knows of it."""
    alive = {
        case.id: case
        for case in pool.cases.values()
        if case.parent is not None and case.parent.kind != "review" and case.status != "resolved"
    }
    known = {child: case for case in pool.cases.values() for child in case.children}
    wrong = [child for child, case in known.items() if case.status in ("resolved", "handed_over")]
    return sorted({*wrong, *(alive.keys() ^ known.keys())})


Predicate = Callable[[World, Pool], list[str]]

PREDICATES: dict[str, Predicate] = {
    "one_owner_at_a_time": one_owner_at_a_time,
    "every_deadline_has_a_timer": every_deadline_has_a_timer,
    "nothing_waits_while_somebody_could": nothing_waits_while_somebody_could,
    "waiting_index_is_true": waiting_index_is_true,
    "waiting_is_counted": waiting_is_counted,
    "open_cases_have_work": open_cases_have_work,
    "only_who_is_there_is_asked": only_who_is_there_is_asked,
    "offers_and_works_agree": offers_and_works_agree,
    "complaints_go_on_with_somebody_new": complaints_go_on_with_somebody_new,
    "questions_belong_to_cases_in_progress": questions_belong_to_cases_in_progress,
}


def broken(world: World, overridden: frozenset[str] = frozenset()) -> dict[str, list[str]]:
    """Each invariant that doesn't hold, with the ids that break it; empty when all do.

    ``overridden`` are agents who may be above their limits: a supervisor gave them work, or a
    roster lowered their limits while they held it.
    """
    found: dict[str, list[str]] = {}
    for pool in world.state.pools.values():
        for name, predicate in PREDICATES.items():
            found.setdefault(name, []).extend(predicate(world, pool))
        over = capacity_never_exceeded(world, pool, overridden)
        found.setdefault("capacity_never_exceeded", []).extend(over)
    return {name: ids for name, ids in found.items() if ids}
