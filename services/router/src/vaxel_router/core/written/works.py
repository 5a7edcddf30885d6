"""How decisions about works are written into the state."""

from __future__ import annotations

from vaxel_router.core import wants
from vaxel_router.core.limits import HANDLERS_MAX
from vaxel_router.core.state import Case, Pool, Work, World, put
from vaxel_router.core.waits import taken
from vaxel_router.core.written.agents import count_occupancy, count_share
from vaxel_router.core.written.common import (
    MORE_WAITS,
    Handler,
    Place,
    arm_bars,
    arm_step,
    case_id_of,
    disarm_work,
    lease,
    work_id_of,
)
from vaxel_shared.contracts.wire import Decision

ACCEPTED = "accept"
"""How work came to whoever accepted its offer: ``via`` of a ``work.assigned``."""


def _work_queued(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    data = decision.data
    case = pool.cases[case_id_of(decision)]
    work_id = work_id_of(decision)
    assert case.work_id is None, "a case has at most one open work"
    pool.order += 1
    work = Work(
        id=work_id,
        case_id=case.id,
        state="queued",
        queue=data["queue"],
        channel=case.channel,
        language=data["language"],
        priority=data["priority"],
        skills=dict(sorted(data["asks"].get("skills", {}).items())),
        languages=list(data["asks"].get("languages", [])),
        needs=dict(sorted(data["requires"].get("skills", {}).items())),
        speaks=list(data["requires"].get("languages", [])),
        tiers=list(data["tiers"]),
        floor=data["floor"],
        since_ms=data["since_ms"],
        clock_ms=data["clock_ms"],
        step=data["step"],
        step_at=data["step_at"],
        order=pool.order,
        prefer_agent=data.get("prefer_agent"),
        prefer_until_ms=data.get("prefer_until_ms"),
        barred=dict(data.get("barred", {})),
        escalations=data.get("escalations", 0),
        bounces=data.get("bounces", 0),
        own=wants.of(data["asks"]),
        wants=wants.of(data["requires"]),
        ahead_ms=data.get("ahead_ms", 0),
        rules=data.get("rules"),
        place_ms=data.get("place_ms"),
        due_ms=case.due_ms,
    )
    case.works, case.work_id, case.queue = data["number"], work_id, data.get("home", work.queue)
    pool.works[work_id] = work
    if (stage := data.get("stage")) is not None:
        _begin_stage(case, stage)
    if (divided := data.get("share_of")) is not None:
        given, target = pool.shares.setdefault(divided, {}), case.queue
        given[target] = given.get(target, 0) + 1
    world.count(pool, work.queue, 1)
    put(world.matchers[pool.name], pool, work, world.state.now_ms)
    arm_step(world, pool, work, data.get("next_ms"))
    arm_bars(world, pool, work)


def _begin_stage(case: Case, stage: int) -> None:
    """A complaint's next stage: whoever had it until now is kept from it."""
    case.handlers = list(case.had_by)
    if stage > 1:
        case.involved = list(case.handlers)
    case.stage, case.explanation = stage, None


def _work_stepped(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    work, data = pool.works[work_id_of(decision)], decision.data
    work.step, work.step_at = data["step"], data["step_at"]
    work.tiers = list(data["tiers"])
    work.needs = dict(sorted(data["requires"].get("skills", {}).items()))
    work.speaks = list(data["requires"].get("languages", []))
    work.wants = wants.of(data["requires"])
    work.place_ms = data.get("place_ms")
    if (queue := data.get("queue")) is not None:
        if work.state == "queued":
            world.count(pool, work.queue, -1)
            world.count(pool, queue, 1)
        work.queue, work.clock_ms = queue, data["clock_ms"]
        work.moves += 1
    work.ahead_ms = data.get("ahead_ms", 0)
    if data.get("rules") == "new":
        work.rules = None
    arm_step(world, pool, work, data.get("next_ms"))
    arm_bars(world, pool, work)
    owed = f"owed:{pool.name}:{work.id}"
    if data["reason"] == MORE_WAITS:
        world.arm(owed, decision.at_ms)
    else:
        world.disarm(owed)
    _put_again(world, pool, work)


def _put_again(world: World, pool: Pool, work: Work) -> None:
    """A work that may wait asks for something else now, or has another place."""
    if work.state == "queued":
        matcher = world.matchers[pool.name]
        matcher.drop(work.id)
        put(matcher, pool, work, world.state.now_ms)


def _work_suspended(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    work = pool.works[work_id_of(decision)]
    world.matchers[pool.name].drop(work.id)
    world.count(pool, work.queue, -1)
    work.state, work.suspended_ms = "suspended", decision.at_ms
    disarm_work(world, pool, work)
    if (until_ms := decision.data.get("until_ms")) is not None:
        world.arm(f"resume:{pool.name}:{work.id}", until_ms)


def _wait_again(world: World, pool: Pool, decision: Decision, work: Work) -> None:
    """The time in between doesn't count for its steps; what its queue rested it counts itself."""
    assert work.suspended_ms is not None, "only what is suspended waits again"
    shut = pool.shut.get(work.queue)
    end_ms = decision.at_ms if shut is None else min(decision.at_ms, shut.since_ms)
    rested_ms = max(0, end_ms - max(work.suspended_ms, work.clock_ms))
    work.state, work.suspended_ms = "queued", None
    work.clock_ms += rested_ms
    world.disarm(f"resume:{pool.name}:{work.id}")
    world.count(pool, work.queue, 1)
    put(world.matchers[pool.name], pool, work, world.state.now_ms)
    arm_step(world, pool, work, None if work.next_ms is None else work.next_ms + rested_ms)
    arm_bars(world, pool, work)


def _work_escalated(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    work = pool.works[work_id_of(decision)]
    priority = decision.data.get("to_priority", work.priority)
    if priority != work.priority:
        raised = priority - work.priority
        work.priority = priority
        pool.cases[work.case_id].priority += raised  # its next work is as urgent
    work.tiers = list(decision.data["to_tiers"])
    work.floor = decision.data["floor"]
    work.since_ms = decision.data.get("since_ms", work.since_ms)
    if (place_ms := decision.data.get("place_ms")) is not None:
        work.place_ms = place_ms
        if (due_ms := decision.data.get("due_ms")) is not None:
            work.due_ms = due_ms if work.due_ms is None else min(work.due_ms, due_ms)
            pool.cases[work.case_id].due_ms = work.due_ms
    work.escalations += decision.data["reason"] != "wait"
    _put_again(world, pool, work)


def _work_assigned(world: World, pool: Pool, decision: Decision, place: Place) -> None:
    assert decision.agent_id is not None
    work, agent = pool.works[work_id_of(decision)], pool.agents[decision.agent_id]
    assert work.agent_id is None, "one owner"
    matcher = world.matchers[pool.name]
    if work.state == "queued":
        matcher.drop(work.id)
        world.count(pool, work.queue, -1)
    pool.paces[work.queue] = taken(pool.paces.get(work.queue), work.clock_ms, decision.at_ms)
    work.state, work.agent_id, work.suspended_ms = "assigned", agent.id, None
    work.cost = decision.data["cost"]
    work.token = f"{place[0]}.{place[1]}"
    agent.works.append(work.id)
    if agent.share is not None:
        agent.recent.append(decision.at_ms)
        count_share(world, pool, agent, decision.at_ms)
        matcher.stop(agent.id, agent.stop)
    if agent.occupancy is not None:
        count_occupancy(world, pool, agent, decision.at_ms)
    agent.idle_since_ms = decision.at_ms
    agent.misses = 0
    if decision.data["via"] == ACCEPTED:  # its offer held what it takes
        matcher.touch(agent.id, decision.at_ms)
    else:
        pool.turns += 1
        agent.turn = pool.turns
        matcher.hold(agent.id, work.channel, work.cost, idle=decision.at_ms, turn=agent.turn)
    case = pool.cases[work.case_id]
    case.last_agent = agent.id
    if case.stage and agent.id not in case.handlers and len(case.handlers) < HANDLERS_MAX:
        case.handlers = [*case.handlers, agent.id]
    disarm_work(world, pool, work)
    lease(world, pool, work, decision.data.get("lease_until_ms"))


def _work_wrapping(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    work = pool.works[work_id_of(decision)]
    work.state = "wrapping"
    lease(world, pool, work, None)
    world.arm(f"wrap:{pool.name}:{work.id}", decision.data["until_ms"])


def _work_closed(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    work = pool.works[work_id_of(decision)]
    assert work.offer_id is None, "an offer ends before its work"
    matcher = world.matchers[pool.name]
    if work.state == "queued":
        matcher.drop(work.id)
        world.count(pool, work.queue, -1)
    if work.agent_id is not None:
        agent = pool.agents[work.agent_id]
        agent.works.remove(work.id)
        if agent.occupancy is not None:
            count_occupancy(world, pool, agent, decision.at_ms)
        agent.idle_since_ms = decision.at_ms
        matcher.free(agent.id, work.channel, work.cost, idle=decision.at_ms)
    disarm_work(world, pool, work)
    world.disarm(f"wrap:{pool.name}:{work.id}")
    lease(world, pool, work, None)
    del pool.works[work.id]
    pool.cases[work.case_id].work_id = None


def _work_resumed(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    """Suspended work waits again; of work in hand the lease begins again, or is none any more."""
    work = pool.works[work_id_of(decision)]
    if work.state == "suspended":
        _wait_again(world, pool, decision, work)
    else:
        lease(world, pool, work, decision.data.get("lease_until_ms"))


HANDLERS: dict[str, Handler] = {
    "work.queued": _work_queued,
    "work.stepped": _work_stepped,
    "work.escalated": _work_escalated,
    "work.suspended": _work_suspended,
    "work.assigned": _work_assigned,
    "work.resumed": _work_resumed,
    "work.wrapping": _work_wrapping,
    "work.closed": _work_closed,
    "work.cancelled": _work_closed,
    "work.abandoned": _work_closed,
}
"""Type of a decision → what it changes."""
