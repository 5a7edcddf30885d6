"""The only mutation of the state: one function for each type of decision.

Live stepping, restore, replay and simulation all come through :func:`apply`. It never judges and
never computes what a decision could have said: it writes down what the decision states.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vaxel_router.core.limits import (
    CLOSED_LINKS_MAX,
    CONVERSATIONS_PER_CASE_MAX,
    DAY_MS,
    MEMORY_DAYS,
    MEMORY_IDS_MAX,
)
from vaxel_router.core.state import (
    Agent,
    Case,
    Offer,
    Pool,
    Work,
    World,
    fingerprint,
    profile_of,
    put,
)
from vaxel_shared.contracts.wire import Batch, Decision

Place = tuple[int, int]
"""(seq of the record, index of the decision in it): what a token is made of."""

Handler = Callable[[World, Pool, Decision, Place], None]


def apply(world: World, decision: Decision, place: Place) -> None:
    """Write one decision into the state. An unknown type changes nothing but the time."""
    state = world.state
    state.now_ms = max(state.now_ms, decision.at_ms)
    handler = _HANDLERS.get(decision.type)
    if handler is not None:
        handler(world, world.pool(decision.pool), decision, place)


def apply_batch(world: World, batch: Batch, seq: int) -> None:
    """Write a whole record into the state; used by restore, and at the end of a live batch."""
    for index, decision in enumerate(batch.decisions):
        apply(world, decision, (seq, index))
        if decision.cause != batch.open and decision.type not in UNREMEMBERED:
            remember(world, decision.cause, decision.at_ms)
    finish_batch(world, batch)


def is_kept(decision_type: str) -> bool:
    """Whether decisions of this type change the state of their pool."""
    return decision_type in _HANDLERS


def finish_batch(world: World, batch: Batch) -> None:
    """What a record changes besides its decisions: the clock reading, and an unfinished input."""
    if batch.claim is None:
        world.state.open = batch.open
    if batch.tick_ms is not None:
        world.state.now_ms = max(world.state.now_ms, batch.tick_ms)


UNREMEMBERED = frozenset({"input.rejected", "command.repeated"})
"""Decisions that leave the id of their command free to be used."""


def remember(world: World, cause: str, at_ms: int) -> None:
    """Remember a command's id; timers are no commands. The oldest days are forgotten."""
    if cause.startswith("timer:") or world.remembers(cause):
        return
    memory, today = world.state.memory, str(at_ms // DAY_MS)
    begins = today not in memory
    memory.setdefault(today, set()).add(fingerprint(cause))
    world.remembered += 1
    if begins or world.remembered > MEMORY_IDS_MAX:
        _forget_days(world, int(today))


def _forget_days(world: World, today: int) -> None:
    memory = world.state.memory
    for day in sorted(memory, key=int):
        old = int(day) < today - MEMORY_DAYS or world.remembered > MEMORY_IDS_MAX
        if int(day) != today and old:
            world.remembered -= len(memory.pop(day))


def _policy_adopted(_world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    pool.policy = decision.data["version"]


def _roster_adopted(_world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    pool.roster = decision.data["version"]


def _agent_changed(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    assert decision.agent_id is not None
    data = decision.data
    agent = pool.agents.get(decision.agent_id)
    if (profile := data.get("profile")) is not None:
        fresh = _agent(profile)
        if agent is None:
            pool.agents[fresh.id] = fresh
        else:
            for name in ("tier", "skills", "languages", "capacity", "channels", "present"):
                setattr(agent, name, getattr(fresh, name))
        agent = pool.agents[decision.agent_id]
    assert agent is not None
    matcher = world.matchers[pool.name]
    more = f"match:{pool.name}:{agent.id}"
    if data.get("reason") == MORE_WAITS:
        world.arm(more, decision.at_ms)
    else:
        world.disarm(more)
    if (presence := data.get("presence")) is not None:
        if presence == "available" and agent.presence != "available":
            agent.idle_since_ms = decision.at_ms
            agent.misses = 0
        agent.presence, agent.mode = presence, data.get("mode", "keep")
        agent.until_ms = data.get("until_ms")
        key = f"back:{pool.name}:{agent.id}"
        if agent.until_ms is None:
            world.disarm(key)
        else:
            world.arm(key, agent.until_ms)
    if profile is not None:
        brings = profile_of(agent)
        matcher.join(agent.id, brings, presence=agent.presence, idle=agent.idle_since_ms)
    elif presence is not None:
        matcher.set_presence(agent.id, agent.presence, idle=agent.idle_since_ms)


ACCEPTED = "accept"
"""How work came to whoever accepted its offer: ``via`` of a ``work.assigned``."""

MORE_WAITS = "more_waits"
"""Reason of an ``agent.changed``: a full record cut the matching short, the next goes on."""


def _agent(profile: dict[str, Any]) -> Agent:
    return Agent(
        id=profile["id"],
        tier=profile.get("tier", 1),
        skills=dict(sorted(profile.get("skills", {}).items())),
        languages=dict(sorted(profile.get("languages", {}).items())),
        capacity=profile.get("capacity", 1),
        channels={
            name: (item.get("cost", 1), item.get("max", 1))
            for name, item in sorted(profile.get("channels", {}).items())
        },
        present=profile.get("present", False),
    )


def _agent_removed(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    assert decision.agent_id is not None
    agent = pool.agents.pop(decision.agent_id)
    assert not agent.works, "an agent leaves with empty hands"
    assert not agent.offers, "an agent leaves without offers"
    world.matchers[pool.name].leave(agent.id)
    world.disarm(f"back:{pool.name}:{agent.id}")
    world.disarm(f"match:{pool.name}:{agent.id}")


def _case_opened(world: World, pool: Pool, decision: Decision, place: Place) -> None:
    data, requires = decision.data, decision.data["requires"]
    case = Case(
        id=_case_id(decision),
        number=data["number"],
        status="open",
        conversations=[],
        channel=data["channel"],
        account=data["account"],
        customer_id=data["customer_id"],
        language=data["language"],
        queue=data["queue"],
        priority=data["priority"],
        # In order, as a snapshot gives them back: decisions repeat them byte for byte.
        skills=dict(sorted(requires.get("skills", {}).items())),
        languages=list(requires.get("languages", [])),
        opened_ms=decision.at_ms,
        last_contact_id=data["contact_id"],
        last_contact_seq=place[0],
        automatic=data.get("automatic", False),
    )
    pool.counter += 1
    pool.cases[case.id] = case
    _note_contact(world, pool, case, decision, place)


def _case_joined(world: World, pool: Pool, decision: Decision, place: Place) -> None:
    _note_contact(world, pool, pool.cases[_case_id(decision)], decision, place)


def _case_reopened(world: World, pool: Pool, decision: Decision, place: Place) -> None:
    case = pool.cases[_case_id(decision)]
    case.status, case.resolved_ms = "open", None
    world.disarm(f"close:{pool.name}:{case.id}")
    world.disarm(f"wake:{pool.name}:{case.id}")
    if decision.data.get("contact_id") is not None:
        _note_contact(world, pool, case, decision, place)


def _note_contact(world: World, pool: Pool, case: Case, decision: Decision, place: Place) -> None:
    data = decision.data
    case.last_contact_id, case.last_contact_seq = data["contact_id"], place[0]
    conversation = data["conversation_key"]
    room = len(case.conversations) < CONVERSATIONS_PER_CASE_MAX
    if conversation not in case.conversations and room:
        case.conversations.append(conversation)
        pool.conversations[conversation] = case.id
        pool.closed.pop(conversation, None)
    partition, offset = data["src"]
    sources = world.state.sources
    sources[str(partition)] = max(offset, sources.get(str(partition), -1))


def _case_replied(_world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    if decision.agent_id is not None:
        pool.cases[_case_id(decision)].last_agent = decision.agent_id


def _case_waiting(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    case = pool.cases[_case_id(decision)]
    case.status = f"waiting_{decision.data['waits_for']}"
    key = f"wake:{pool.name}:{case.id}"
    if (wake_ms := decision.data.get("wake_ms")) is not None:
        world.arm(key, wake_ms)
    else:
        world.disarm(key)


def _case_resolved(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    case = pool.cases[_case_id(decision)]
    case.status, case.resolved_ms = "resolved", decision.at_ms
    world.disarm(f"wake:{pool.name}:{case.id}")
    if (close_ms := decision.data.get("close_ms")) is not None:
        world.arm(f"close:{pool.name}:{case.id}", close_ms)


def _case_closed(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    case = pool.cases.pop(_case_id(decision))
    assert case.work_id is None, "a case closes without open work"
    world.disarm(f"close:{pool.name}:{case.id}")
    world.disarm(f"wake:{pool.name}:{case.id}")
    for conversation in case.conversations:
        if pool.conversations.get(conversation) == case.id:
            del pool.conversations[conversation]
            pool.closed[conversation] = case.id
    if len(pool.closed) > CLOSED_LINKS_MAX:
        # Many at a time, since finding them takes a look at all; which ones is chance, but settled.
        for conversation in sorted(pool.closed)[: max(1, CLOSED_LINKS_MAX // 10)]:
            del pool.closed[conversation]


def _work_queued(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    data = decision.data
    case = pool.cases[_case_id(decision)]
    work_id = _work_id(decision)
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
    )
    case.works, case.work_id, case.queue = data["number"], work_id, data["queue"]
    pool.works[work_id] = work
    put(world.matchers[pool.name], work, world.state.now_ms)
    _arm_step(world, pool, work, data.get("next_ms"))
    _arm_bars(world, pool, work)


def _arm_step(world: World, pool: Pool, work: Work, next_ms: int | None) -> None:
    work.next_ms = next_ms
    key = f"step:{pool.name}:{work.id}"
    if next_ms is None:
        world.disarm(key)
    else:
        world.arm(key, next_ms)


def _arm_bars(world: World, pool: Pool, work: Work) -> None:
    """One timer for whatever ends first: a bar, or the time reserved for one agent."""
    ends = [until for until in work.barred.values() if until > world.state.now_ms]
    if work.prefer_until_ms is not None and work.prefer_until_ms > world.state.now_ms:
        ends.append(work.prefer_until_ms)
    key = f"free:{pool.name}:{work.id}"
    if ends and work.state == "queued":
        world.arm(key, min(ends))
    else:
        world.disarm(key)


def _work_stepped(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    work, data = pool.works[_work_id(decision)], decision.data
    work.step, work.step_at = data["step"], data["step_at"]
    work.tiers = list(data["tiers"])
    work.needs = dict(sorted(data["requires"].get("skills", {}).items()))
    work.speaks = list(data["requires"].get("languages", []))
    _arm_step(world, pool, work, data.get("next_ms"))
    _arm_bars(world, pool, work)
    _put_again(world, pool, work)


def _put_again(world: World, pool: Pool, work: Work) -> None:
    """A work that may wait asks for something else now, or has another place."""
    if work.state == "queued":
        matcher = world.matchers[pool.name]
        matcher.drop(work.id)
        put(matcher, work, world.state.now_ms)


def _work_escalated(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    work = pool.works[_work_id(decision)]
    priority = decision.data.get("to_priority", work.priority)
    if priority != work.priority:
        raised = priority - work.priority
        work.priority = priority
        pool.cases[work.case_id].priority += raised  # its next work is as urgent
    work.tiers = list(decision.data["to_tiers"])
    work.floor = decision.data["floor"]
    work.escalations += decision.data["reason"] != "wait"
    _put_again(world, pool, work)


def _work_assigned(world: World, pool: Pool, decision: Decision, place: Place) -> None:
    assert decision.agent_id is not None
    work, agent = pool.works[_work_id(decision)], pool.agents[decision.agent_id]
    assert work.agent_id is None, "one owner"
    matcher = world.matchers[pool.name]
    if work.state == "queued":
        matcher.drop(work.id)
    work.state, work.agent_id = "assigned", agent.id
    work.cost = decision.data["cost"]
    work.token = f"{place[0]}.{place[1]}"
    agent.works.append(work.id)
    agent.idle_since_ms = decision.at_ms
    agent.misses = 0
    if decision.data["via"] == ACCEPTED:  # its offer held what it takes
        matcher.touch(agent.id, decision.at_ms)
    else:
        matcher.hold(agent.id, work.channel, work.cost, idle=decision.at_ms)
    pool.cases[work.case_id].last_agent = agent.id
    _disarm_work(world, pool, work)


def _work_wrapping(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    work = pool.works[_work_id(decision)]
    work.state = "wrapping"
    world.arm(f"wrap:{pool.name}:{work.id}", decision.data["until_ms"])


def _work_closed(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    work = pool.works[_work_id(decision)]
    assert work.offer_id is None, "an offer ends before its work"
    matcher = world.matchers[pool.name]
    if work.state == "queued":
        matcher.drop(work.id)
    if work.agent_id is not None:
        agent = pool.agents[work.agent_id]
        agent.works.remove(work.id)
        agent.idle_since_ms = decision.at_ms
        matcher.free(agent.id, work.channel, work.cost, idle=decision.at_ms)
    _disarm_work(world, pool, work)
    world.disarm(f"wrap:{pool.name}:{work.id}")
    del pool.works[work.id]
    pool.cases[work.case_id].work_id = None


def _disarm_work(world: World, pool: Pool, work: Work) -> None:
    for kind in ("step", "free"):
        world.disarm(f"{kind}:{pool.name}:{work.id}")


def _offer_made(world: World, pool: Pool, decision: Decision, place: Place) -> None:
    assert decision.agent_id is not None
    assert decision.offer_id is not None
    work, agent = pool.works[_work_id(decision)], pool.agents[decision.agent_id]
    data = decision.data
    matcher = world.matchers[pool.name]
    matcher.drop(work.id)
    matcher.hold(agent.id, work.channel, data["cost"], idle=decision.at_ms)
    work.state, work.offer_id, work.attempts = "offered", decision.offer_id, data["attempt"]
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
    _disarm_work(world, pool, work)
    world.arm(f"offer:{pool.name}:{offer.id}", offer.expires_ms)


def _offer_ended(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    assert decision.offer_id is not None
    offer = pool.offers.pop(decision.offer_id)
    work, agent = pool.works[offer.work_id], pool.agents[offer.agent_id]
    agent.offers.remove(offer.id)
    world.disarm(f"offer:{pool.name}:{offer.id}")
    work.offer_id = None
    outcome = decision.data["outcome"]
    if outcome == "expired":
        agent.misses += 1
    bar_ms = decision.data.get("bar_until_ms")
    live = {name: until for name, until in work.barred.items() if until > decision.at_ms}
    work.barred = live if bar_ms is None else dict(sorted({**live, agent.id: bar_ms}.items()))
    work.state = "queued"
    if outcome != "accepted":
        # An accepted one is assigned by the very next decision, and keeps what it holds.
        matcher = world.matchers[pool.name]
        matcher.free(agent.id, offer.channel, offer.cost)
        put(matcher, work, world.state.now_ms)
        _arm_step(world, pool, work, work.next_ms)
        _arm_bars(world, pool, work)


def _effect_reported(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    offer = pool.offers.get(decision.offer_id or "")
    if offer is None or decision.data["state"] != "sent" or offer.sent_ms is not None:
        return
    offer.sent_ms = decision.at_ms
    offer.expires_ms = decision.data["expires_ms"]
    world.arm(f"offer:{pool.name}:{offer.id}", offer.expires_ms)


def _case_id(decision: Decision) -> str:
    assert decision.case_id is not None
    return decision.case_id


def _work_id(decision: Decision) -> str:
    assert decision.work_id is not None
    return decision.work_id


_HANDLERS: dict[str, Handler] = {
    "policy.adopted": _policy_adopted,
    "roster.adopted": _roster_adopted,
    "agent.changed": _agent_changed,
    "agent.removed": _agent_removed,
    "case.opened": _case_opened,
    "case.joined": _case_joined,
    "case.reopened": _case_reopened,
    "case.replied": _case_replied,
    "case.waiting": _case_waiting,
    "case.resolved": _case_resolved,
    "case.closed": _case_closed,
    "work.queued": _work_queued,
    "work.stepped": _work_stepped,
    "work.escalated": _work_escalated,
    "work.assigned": _work_assigned,
    "work.wrapping": _work_wrapping,
    "work.closed": _work_closed,
    "offer.made": _offer_made,
    "offer.ended": _offer_ended,
    "effect.reported": _effect_reported,
}
