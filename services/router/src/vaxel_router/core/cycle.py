"""One cycle: all that can be matched now is matched together, as well as it can be.

Whom each work goes to is :mod:`vaxel_router.core.matching.best`'s; what may go where, and by what
agents are ordered, is the matcher's, as ever. Where agents' works cost them more or less, a cycle
has rounds: each is the best of what is left, with room that is surely there. What is too much to be
searched is matched one by one, in the order of service, as without a window; and that is said.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from vaxel_router.core.eligibility import choose_waiting, explain_given
from vaxel_router.core.limits import LOOKS_MAX
from vaxel_router.core.matching import Together, TooMany, TooMuch, gather, solve
from vaxel_router.core.queueing import give, next_best
from vaxel_router.core.state import Agent, Pool, Work
from vaxel_router.core.step import Step
from vaxel_router.core.written.common import MORE_WAITS
from vaxel_router.core.written.queues import WINDOW


class Round(NamedTuple):
    """What one round gives to whom, in the order of service, and how good that is."""

    pairs: list[tuple[str, str]]
    """(work, agent)."""
    works: int
    agents: int
    gap: int
    """At most so many more could have been served; 0: it is the best there is."""

    def told(self) -> dict[str, Any]:
        """As it stands in decisions."""
        return {
            "method": "best", "works": self.works, "agents": self.agents,
            "matched": len(self.pairs), "gap": self.gap,
        }  # fmt: skip


ONE_BY_ONE = {"method": "one_by_one", "reason": "too_many"}
"""As a cycle that was too large to be searched stands in decisions."""


def match_all(step: Step) -> None:
    """The window is over: match, until nothing that waits could go to anybody."""
    given = 0
    told: dict[str, Any] | None = None
    while True:
        try:
            found = round_of(step)
        except (TooMany, TooMuch):
            told = dict(ONE_BY_ONE)
            done = _one_by_one(step)
        else:
            if found is None:
                break
            told = told or found.told()
            done = _give_all(step, found)
        given += done
        if not step.has_room or not done:
            break
    if not step.has_room:
        step.emit("switch.changed", switch=WINDOW, reason=MORE_WAITS, until_ms=step.now_ms)
        return
    if told is not None:
        most = told["matched"] + told["gap"] if "gap" in told else None
        told["matched"] = given
        if most is not None:
            told["gap"] = max(0, most - given)
    step.emit("switch.changed", switch=WINDOW, on=False, reason="matched", window=told)


def round_of(step: Step) -> Round | None:
    """The best of what can be matched now; None: nothing. Raises TooMany and TooMuch."""
    pool, matcher = step.pool, step.matcher
    if step.policy is None:
        return None
    matcher.advance(step.now_ms)
    direct = any(queue.auto_accept for queue in step.policy.queues)
    together = gather(matcher, lambda name: most_of(pool.agents[name], direct=direct))
    if together is None:
        return None
    pairs, problem = solve(together.problem, LOOKS_MAX).pairs, together.problem
    if not pairs:
        return None
    named = [(together.items[item], together.agents[agent]) for item, agent in pairs]
    return Round(named, len(problem.items), len(problem.agents), _gap(together, len(pairs)))


def _gap(together: Together, matched: int) -> int:
    if together.roomier is None:
        return 0
    return len(solve(together.roomier, LOOKS_MAX).pairs) - matched


def most_of(agent: Agent, *, direct: bool) -> tuple[int | None, int | None]:
    """How many more works an agent may be given at once, surely and at best; None: what fits.

    ``direct``: some queue's work is taken without an offer, so that it isn't counted among those.
    """
    share = offers = None
    if agent.share is not None:
        share = agent.share[0] - len(agent.recent) - len(agent.offers)
    if agent.max_offers is not None:
        offers = agent.max_offers - len(agent.offers)
    surely = min((one for one in (share, offers) if one is not None), default=None)
    return surely, share if direct or agent.auto_accept else surely


def _give_all(step: Step, found: Round) -> int:
    """Give what a round found, as far as there is room in the record; answers how much."""
    told = found.told()
    busy = {name for _, name in found.pairs}
    given = 0
    for work_id, name in found.pairs:
        if not step.has_room:
            break
        work, agent = step.pool.works[work_id], step.pool.agents[name]
        if work.id in step.matcher and step.matcher.may_take(name, work_id):
            _give(step, work, agent, told, busy)
            given += 1
    return given


def _give(step: Step, work: Work, agent: Agent, told: dict[str, Any], busy: set[str]) -> None:
    alone = step.matcher.choose(work.id, step.now_ms)
    window = told | ({"alone": alone} if alone != agent.id else {})
    explain = explain_given(step.matcher, step.pool, work, agent, window)
    give(step, work, agent, explain, next_best(step, work, agent, busy))


def _one_by_one(step: Step) -> int:
    """As without a window: each agent who is free, whoever was idle for longest first."""
    given = 0
    for name in free_agents(step.pool):
        while (work_id := step.matcher.next_item(name, step.now_ms)) is not None:
            if not step.has_room:
                return given
            work = step.pool.works[work_id]
            choice = choose_waiting(step.matcher, step.pool, work, step.now_ms)
            assert choice is not None
            assert choice.winner is not None
            explain = choice.explain | {"window": ONE_BY_ONE}
            give(step, work, choice.winner, explain, next_best(step, work, choice.winner))
            given += 1
    return given


def free_agents(pool: Pool) -> list[str]:
    """Those who may be free, in the order in which they are asked one by one."""
    there = [one for one in pool.agents.values() if one.standing == "available" and not one.stop]
    return [one.id for one in sorted(there, key=lambda one: (one.idle_since_ms, one.id))]
