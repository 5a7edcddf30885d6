"""Putting work into a queue, and matching: what handlers do when work or capacity appears.

Matching is woken by what changed and looks at nothing else. New work can't change who was eligible
for older work, so only it is tried; freed capacity can only serve work that this agent may take,
so the queue is searched for this agent alone, in the order of service. Where both happen, freed
capacity goes first. Where a pool collects for a window, all this waits for its end
(:mod:`vaxel_router.core.windows`). So no waiting item is passed by an equal younger one, and no
item waits while somebody could take it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from vaxel_router.core.complaints import bars, enters
from vaxel_router.core.detours import destination
from vaxel_router.core.eligibility import choose_waiting
from vaxel_router.core.limits import STAND_INS_MAX
from vaxel_router.core.shares import furthest_behind
from vaxel_router.core.state import Agent, Case, Offer, Work, work_key
from vaxel_router.core.step import Step
from vaxel_router.core.trials import compared, rules_for
from vaxel_router.core.wants import plain
from vaxel_router.core.windows import collects_for, collects_from, is_open
from vaxel_router.core.written.common import MORE_WAITS
from vaxel_shared import ids

OF_THE_BEST = ("terms", "tie_break", "queue_order")
"""What an offer's account says of the best alone."""


def queue_work(
    step: Step,
    case: Case,
    *,
    reason: str,
    since_ms: int,
    clock_ms: int | None = None,
    queue: str | None = None,
    prefer_agent: str | None = None,
    prefer_ms: int = 0,
    barred: dict[str, int] | None = None,
    floor: int = 1,
    escalations: int = 0,
    bounces: int = 0,
    settled: bool = False,
) -> Work:
    """New work for a case: it waits, ready to be matched.

    ``since_ms`` is its age, which orders it; ``clock_ms`` is when it began to wait, which moves it
    through the queue's steps (left out: now). ``prefer_agent`` has it reserved for ``prefer_ms``.
    ``settled``: it waits in that very queue, wherever the queue's work is sent now.
    """
    name = queue if queue is not None else case.queue
    stage, involved = enters(step, case, name)
    home, detour, share_of = case.queue, None, None
    if not settled:
        home, share_of = _divided(step, name)
        name, detour = destination(step, case, home)
    clock_ms = clock_ms if clock_ms is not None else step.now_ms
    rules = rules_for(step, case)
    by = step.library[rules] if rules is not None else None
    asked = step.plan_in(name, case, floor, clock_ms, by=by)
    shadow = (
        None
        if rules is not None
        else compared(step, case, asked, queue=name, floor=floor, clock_ms=clock_ms)
    )
    number = case.works + 1
    step.emit(
        "work.queued",
        case_id=case.id,
        work_id=ids.work_id(case.id, number),
        number=number,
        queue=name,
        requires={"skills": asked.skills, "languages": asked.languages, **plain(asked.wants)},
        asks={"skills": case.skills, "languages": case.languages, **plain(case.own)},
        language=case.language,
        priority=case.priority,
        tiers=asked.tiers,
        floor=floor,
        since_ms=since_ms,
        clock_ms=clock_ms,
        step=asked.step,
        step_at=asked.step_at,
        next_ms=asked.next_ms,
        ahead_ms=asked.ahead_ms or None,
        reason=reason,
        **_kept_for(step, prefer_agent, prefer_ms, involved),
        barred={**(barred or {}), **bars(step, involved)} or None,
        escalations=escalations or None,
        bounces=bounces or None,
        home=home if home != name else None,
        detour=detour,
        rules=rules,
        shadow=shadow,
        share_of=share_of,
        stage=stage,
        place_ms=step.place_in(name, case.priority, since_ms, case.due_ms),
    )
    return step.pool.works[ids.work_id(case.id, number)]


def _kept_for(
    step: Step, agent_id: str | None, prefer_ms: int, involved: list[str]
) -> dict[str, Any]:
    """Whom a work waits for first, and until when; nothing where nobody is, or may have it."""
    prefer = stand_in(step, agent_id) if agent_id not in involved else None
    if prefer is None or prefer in involved:
        return {}
    return {
        "prefer_agent": prefer,
        "prefer_until_ms": step.person_ms + prefer_ms,
        "stands_in_for": agent_id if prefer != agent_id else None,
    }


def stand_in(step: Step, agent_id: str | None) -> str | None:
    """The agent, or who stands in for one who isn't there; None where there is no such agent."""
    agents = step.pool.agents
    agent = agents.get(agent_id or "")
    for _ in range(STAND_INS_MAX):
        if agent is None:
            break
        if agent.standing in ("available", "lost"):
            return agent.id
        agent = agents.get(agent.backup or "")
    return agent_id if agent_id in agents else None


def _divided(step: Step, name: str) -> tuple[str, str | None]:
    """The queue that work for a queue is for, and the one that divided it, if any did."""
    queue = step.queue(name)
    if queue is None or not queue.shares:
        return name, None
    return furthest_behind(queue.shares, step.pool.shares.get(name, {})), name


def match_work(step: Step, work: Work) -> None:
    """Offer a queued work to the best agent who may take it now, if there is one."""
    matcher = step.matcher
    if step.policy is None or work.id not in matcher or collects_for(step, work):
        return
    choice = choose_waiting(matcher, step.pool, work, step.now_ms)
    while choice is not None and choice.winner is not None:
        first = _owed(step, choice.winner)
        if first is None or first == work.id:
            others = next_best(step, work, choice.winner)
            give(step, work, choice.winner, choice.explain, others)
            return
        match_work(step, step.pool.works[first])
        if is_open(step):
            return
        choice = choose_waiting(matcher, step.pool, work, step.now_ms)


def next_best(step: Step, work: Work, first: Agent, but: Collection[str] = ()) -> list[Agent]:
    """Who is shown it beside the best, where a queue shows its work to several; nobody of these."""
    found: list[Agent] = []
    chosen, count = {first.id, *but}, shown_besides(step, work, first)
    while len(found) < count and (name := step.matcher.choose_but(work.id, chosen)) is not None:
        chosen.add(name)
        agent = step.pool.agents[name]
        if _owed(step, agent) in (None, work.id):
            found.append(agent)
    return found


def shown_besides(step: Step, work: Work, first: Agent) -> int:
    """How many are shown a work besides the best."""
    queue = step.queue(work.queue)
    if queue is None or _is_taken_at_once(step, work, first):
        return 0
    return queue.broadcast - 1


def _owed(step: Step, agent: Agent) -> str | None:
    """What waited longest for an agent whose matching a full record cut short: it goes first."""
    if f"match:{step.pool.name}:{agent.id}" not in step.world.state.timers:
        return None
    return step.matcher.next_item(agent.id, step.now_ms)


def match_agent(step: Step, agent: Agent) -> None:
    """Offer an agent waiting work, in the order of service, until nothing more fits.

    A record that is full cuts it short; a timer that is due at once goes on with it.
    """
    if step.policy is None:
        return
    while (work_id := step.matcher.next_item(agent.id, step.now_ms)) is not None:
        if collects_from(step, agent):
            return
        if not step.has_room:
            step.emit("agent.changed", agent_id=agent.id, reason=MORE_WAITS)
            return
        match_work(step, step.pool.works[work_id])


def release_reserved(step: Step, agent: Agent, *, beside: Work | None = None) -> None:
    """Work that waited for this agent alone may be anybody's now, and ``beside`` with it."""
    freed = {work_id: step.pool.works[work_id] for work_id in step.matcher.preferring(agent.id)}
    if beside is not None:
        freed[beside.id] = beside
    for work in sorted(freed.values(), key=work_key):
        if not step.has_room:
            step.emit("agent.changed", agent_id=agent.id, reason=MORE_WAITS)
            if beside is not None and work_key(work) <= work_key(beside):
                stay(step, beside, MORE_WAITS)
            return
        match_work(step, work)


def stay(step: Step, work: Work, reason: str) -> None:
    """State that a waiting work is to be matched, at the step where it is: see ``reason``."""
    step.emit(
        "work.stepped",
        case_id=work.case_id,
        work_id=work.id,
        step=work.step,
        step_at=work.step_at,
        tiers=work.tiers,
        requires={"skills": work.needs, "languages": work.speaks, **plain(work.wants)},
        next_ms=work.next_ms,
        ahead_ms=work.ahead_ms or None,
        place_ms=work.place_ms,
        reason=reason,
    )


def give(
    step: Step, work: Work, agent: Agent, explain: dict[str, Any], others: list[Agent]
) -> None:
    """Let an agent have the work, or be asked; ``others`` are asked beside, in their order."""
    if agent.queue_order:
        explain |= {"queue_order": agent.queue_order}
    if _is_taken_at_once(step, work, agent):
        step.emit(
            "work.assigned",
            case_id=work.case_id,
            work_id=work.id,
            agent_id=agent.id,
            via="auto",
            channel=work.channel,
            cost=agent.channels[work.channel][0],
            explain=explain,
            lease_until_ms=step.lease_until(work),
        )
        return
    _ask(step, work, agent, explain)
    beside = {key: value for key, value in explain.items() if key not in OF_THE_BEST}
    for other in others:
        _ask(step, work, other, beside)


def _ask(step: Step, work: Work, agent: Agent, explain: dict[str, Any]) -> None:
    assert step.policy is not None
    attempt = work.attempts + 1
    limit_ms = step.policy.offer.limit_ms
    step.emit(
        "offer.made",
        case_id=work.case_id,
        work_id=work.id,
        offer_id=ids.offer_id(work.id, agent.id, attempt),
        agent_id=agent.id,
        number=step.pool.cases[work.case_id].number,
        queue=work.queue,
        attempt=attempt,
        cost=agent.channels[work.channel][0],
        limit_ms=limit_ms,
        expires_ms=step.person_ms + limit_ms,
        explain=explain,
    )


def _is_taken_at_once(step: Step, work: Work, agent: Agent) -> bool:
    """Whether there is nothing to answer: the queue or the agent says so."""
    queue = step.queue(work.queue)
    return work.channel in agent.auto_accept or (queue is not None and queue.auto_accept)


def end_offer(
    step: Step,
    work: Work,
    outcome: str,
    *,
    offer: Offer | None = None,
    reason: str | None = None,
    bar_ms: int = 0,
) -> None:
    """End a pending offer of a work, or, where none is named, all; ``bar_ms`` bars its agent.

    Whoever was asked beside is owed a look at what waits, since there is room again.
    """
    assert work.offer_id is not None
    if offer is None:
        offer = step.pool.offers[work.offer_id]
        for agent in withdraw_others(step, work, offer, reason or outcome):
            step.emit("agent.changed", agent_id=agent.id, reason=MORE_WAITS)
    step.emit(
        "offer.ended",
        case_id=work.case_id,
        work_id=work.id,
        offer_id=offer.id,
        agent_id=offer.agent_id,
        outcome=outcome,
        reason=reason,
        bar_until_ms=step.person_ms + bar_ms if bar_ms else None,
        still_open=len(work.others) or None,
    )


def withdraw_others(step: Step, work: Work, but: Offer, reason: str) -> list[Agent]:
    """Take the offers of a work back that others have; answers who has room again."""
    freed = []
    for offer_id in [offer_id for offer_id in work.open_offers if offer_id != but.id]:
        offer = step.pool.offers[offer_id]
        end_offer(step, work, "withdrawn", offer=offer, reason=reason)
        freed.append(step.pool.agents[offer.agent_id])
    return freed


def close_work(step: Step, work: Work, reason: str, outcome: str = "work.closed") -> Agent | None:
    """End a work, its offer first; answers the agent whose hands it leaves free."""
    holder = work.agent_id
    if work.offer_id is not None:
        holder = step.pool.offers[work.offer_id].agent_id
        end_offer(step, work, "withdrawn", reason=reason)
    step.emit(
        outcome,
        case_id=work.case_id,
        work_id=work.id,
        agent_id=work.agent_id,
        reason=reason,
    )
    return step.pool.agents.get(holder or "")
