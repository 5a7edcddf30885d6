"""Who may take a work, why not, and who of several is best.

Predicates are tried in one fixed order, lasting ones first: the first that fails is the reason.
The matcher answers for what waits in it; looking at everybody answers for anything, and the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from vaxel_router.core.elsewhere import taken
from vaxel_router.core.limits import REJECTIONS_MAX, REJECTIONS_NEAREST
from vaxel_router.core.matching import (
    NEARNESS,
    PREDICATES,
    Account,
    Matcher,
    Profile,
    Rarity,
    Rejection,
    lasting,
    load_of,
    rarity_of,
    terms_of,
)
from vaxel_router.core.state import Agent, Pool, Work, asks_of, profile_of


def used(pool: Pool, agent: Agent, channel: str) -> tuple[int, int]:
    """(capacity in use, works and offers of ``channel``): offers hold what they would cost.

    What is put aside for this channel isn't in use.
    """
    total = count = 0
    for one, cost in hands(pool, agent):
        total += 0 if channel in agent.yields.get(one, ()) else cost
        count += one == channel
    return total, count


def hands(pool: Pool, agent: Agent) -> list[tuple[str, int]]:
    """(channel, cost) of each work and offer that an agent has, here and elsewhere."""
    return [*own_hands(pool, agent), *taken(agent.elsewhere)]


def own_hands(pool: Pool, agent: Agent) -> list[tuple[str, int]]:
    """The same of ours alone."""
    found = [(pool.works[work_id].channel, pool.works[work_id].cost) for work_id in agent.works]
    offers = (pool.offers[offer_id] for offer_id in agent.offers)
    return found + [(offer.channel, offer.cost) for offer in offers]


def aside(pool: Pool, agent: Agent) -> list[str]:
    """The works in hand that are put aside now, for others that the agent has."""
    if not agent.yields:
        return []
    busy = {pool.works[work_id].channel for work_id in agent.works}
    return [
        work_id
        for work_id in agent.works
        if not busy.isdisjoint(agent.yields.get(pool.works[work_id].channel, ()))
    ]


def reject(pool: Pool, agent: Agent, work: Work, now_ms: int) -> Rejection | None:
    """The first predicate that the agent fails, with its parameters; None if eligible."""
    why = lasting(profile_of(agent, pool.named), asks_of(work))
    return why if why is not None else _reject_passing(pool, agent, work, now_ms)


def _reject_passing(pool: Pool, agent: Agent, work: Work, now_ms: int) -> Rejection | None:
    if agent.standing != "available":
        return f"presence_{agent.standing}", {}
    if work.channel in agent.closed:
        return "channel_off", {"channel": work.channel}
    return _reject_work(pool, agent, work, now_ms) or _reject_load(pool, agent, work)


def _reject_work(pool: Pool, agent: Agent, work: Work, now_ms: int) -> Rejection | None:
    if work.barred.get(agent.id, 0) > now_ms:
        return "barred", {"until_ms": work.barred[agent.id]}
    if _is_reserved(pool, work, now_ms) and work.prefer_agent != agent.id:
        return "reserved_for_other", {"until_ms": work.prefer_until_ms}
    return None


def _reject_load(pool: Pool, agent: Agent, work: Work) -> Rejection | None:
    if agent.stop:
        return agent.stop, {}
    cost, most = agent.channels[work.channel]
    total, count = used(pool, agent, work.channel)
    if count >= most:
        return "channel_full", {"channel": work.channel, "max": most}
    if total + cost > agent.capacity:
        return "capacity_full", {"used": total, "capacity": agent.capacity}
    return None


def _is_reserved(pool: Pool, work: Work, now_ms: int) -> bool:
    """Whether the work waits for one agent: who must be there and not have turned it down."""
    if work.prefer_agent is None or (work.prefer_until_ms or 0) <= now_ms:
        return False
    preferred = pool.agents.get(work.prefer_agent)
    return (
        preferred is not None
        and preferred.standing in ("available", "lost")
        and work.channel not in preferred.closed
        and work.barred.get(preferred.id, 0) <= now_ms
        and lasting(profile_of(preferred, pool.named), asks_of(work)) is None
    )


class Choice(msgspec.Struct):
    """The winner, if any, and the account of how it came about (an ``Explain``)."""

    winner: Agent | None
    explain: dict[str, Any]


def choose(pool: Pool, work: Work, now_ms: int) -> Choice:
    """Look at every agent of the pool and choose: sticky, lowest tier, longest idle, then id.

    What :func:`choose_waiting` answers for a work that waits, found by looking at everybody; this
    answers for any work.
    """
    rejected: list[tuple[int, Profile, str, str, dict[str, Any]]] = []
    eligible: list[Agent] = []
    for agent in pool.agents.values():
        why = reject(pool, agent, work, now_ms)
        if why is None:
            eligible.append(agent)
        else:
            profile = profile_of(agent, pool.named)
            rejected.append((-NEARNESS[why[0]], profile, agent.id, *why))
    rarity = _rarity(pool, work)
    terms = {agent.id: _terms(pool, agent, work, rarity) for agent in eligible}
    ordered = sorted(eligible, key=lambda agent: (_order(terms[agent.id]), agent.id))
    winner = ordered[0] if ordered else None
    rejected.sort(key=lambda item: item[:3])
    by_code = dict.fromkeys(PREDICATES, 0)
    for item in rejected:
        by_code[item[3]] += 1
    named = rejected if len(rejected) <= REJECTIONS_MAX else rejected[:REJECTIONS_NEAREST]
    explain = _explain(
        work,
        terms[winner.id] if winner is not None else [],
        candidates=len(pool.agents),
        eligible=len(eligible),
        by_code={code: count for code, count in by_code.items() if count},
        near=[item[2:] for item in named],
        tied=len(ordered) > 1 and _order(terms[ordered[0].id]) == _order(terms[ordered[1].id]),
    )
    return Choice(winner, explain)


def choose_waiting(matcher: Matcher, pool: Pool, work: Work, now_ms: int) -> Choice | None:
    """The same for a work that waits in the matcher; None where nobody may take it."""
    name = matcher.choose(work.id, now_ms)
    if name is None:
        return None
    account, winner = Account(matcher, work.id), pool.agents[name]
    tied = account.eligible > 1 and matcher.is_tied(work.id, name)
    return Choice(winner, _given(account, matcher, pool, work, winner, tied=tied))


def explain_given(
    matcher: Matcher, pool: Pool, work: Work, winner: Agent, window: dict[str, Any]
) -> dict[str, Any]:
    """The account of how a waiting work comes to an agent by a window."""
    explain = _given(Account(matcher, work.id), matcher, pool, work, winner, tied=False)
    return explain | {"window": window}


def _given(
    account: Account, matcher: Matcher, pool: Pool, work: Work, winner: Agent, *, tied: bool
) -> dict[str, Any]:
    few = account.candidates - account.eligible <= REJECTIONS_MAX
    rarity = matcher.rarity() if work.wants is not None and work.wants.spare else {}
    return _explain(
        work,
        _terms(pool, winner, work, rarity),
        candidates=account.candidates,
        eligible=account.eligible,
        by_code=account.by_code,
        near=account.nearest(REJECTIONS_MAX if few else REJECTIONS_NEAREST),
        tied=tied,
    )


def _explain(
    work: Work,
    terms: list[TermOf],
    *,
    candidates: int,
    eligible: int,
    by_code: dict[str, int],
    near: Iterable[tuple[str, str, dict[str, Any]]],
    tied: bool,
) -> dict[str, Any]:
    explain: dict[str, Any] = {
        "candidates": candidates,
        "eligible": eligible,
        "by_code": by_code,
        "rejected": [
            {"agent_id": agent_id, "code": code, "params": params}
            for agent_id, code, params in near
        ],
        "step": {"id": f"{work.queue}[{work.step}]", "at": work.step_at},
    }
    if terms:
        explain["terms"] = [{"code": code, "value": value} for code, value, _ in terms]
        if tied:
            explain["tie_break"] = "agent_id"
    return explain


def scores(pool: Pool, work: Work) -> Callable[[Agent], list[dict[str, Any]]]:
    """What makes up an agent's score for a work, beside the others of the pool."""
    rarity = _rarity(pool, work)

    def score(agent: Agent) -> list[dict[str, Any]]:
        terms = _terms(pool, agent, work, rarity)
        return [{"code": code, "value": value} for code, value, _ in terms]

    return score


TermOf = tuple[str, int, int]
"""Of an agent's score: what it is called, its value, and what agents are ordered by."""


def _terms(pool: Pool, agent: Agent, work: Work, rarity: Rarity) -> list[TermOf]:
    """All that puts an agent before or after another who may take the work, but for the id."""
    sticky = agent.id == work.prefer_agent
    terms = [("sticky", int(sticky), int(not sticky))]
    idle = ("idle_since_ms", agent.idle_since_ms, agent.idle_since_ms)
    if work.wants is None:  # as nearly always
        return [*terms, ("tier", agent.tier, agent.tier), idle]
    terms += terms_of(profile_of(agent, pool.named), asks_of(work), rarity)
    choice = work.wants.choice
    if choice == "round_robin":
        terms.append(("turn", agent.turn, agent.turn))
    elif choice:
        load = load_of(used(pool, agent, "")[0], agent.capacity)
        terms.append(("load", load, load if choice == "least_loaded" else -load))
    return [*terms, idle]


def _order(terms: list[TermOf]) -> list[int]:
    return [by for _, _, by in terms]


def _rarity(pool: Pool, work: Work) -> Rarity:
    if work.wants is None or not work.wants.spare:
        return {}
    return rarity_of((profile_of(agent), 1) for agent in pool.agents.values())
