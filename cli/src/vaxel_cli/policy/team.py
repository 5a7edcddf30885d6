"""A pool's agents as the router knows them, all there and with empty hands.

Whoever can't take a work here never can: so "nobody" is provable. The predicates are the router's
own; nothing here judges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vaxel_router.core import eligibility
from vaxel_router.core.policy import decode, plan
from vaxel_router.core.state import Agent, Pool, Work
from vaxel_router.core.wants import Wants
from vaxel_shared.config import roster, routing

FOREVER_MS = 10 * 366 * 86_400_000
"""Older than any step: the age of a work that waited through all of them."""


@dataclass(frozen=True, slots=True)
class Contact:
    """What one asks for; ``languages`` is empty where anybody will do."""

    channel: str
    skills: Mapping[str, int] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    own: Wants | None = None
    """What it asks for besides."""


class Team:
    """The agents of one pool, and its queues as the router reads them."""

    def __init__(self, pool: routing.Pool, agents: list[roster.Agent]) -> None:
        self.agents = agents
        self._policy = decode(routing.pool_policy(pool))
        alike: dict[bytes, list[str]] = {}
        named = self._policy.names()
        for agent in agents:
            name = agent.id if agent.id in named else "-"
            profile = agent.profile().model_copy(update={"id": name, "present": True})
            alike.setdefault(profile.to_json(), []).append(agent.id)
        self._alike = {ids[0]: ids for ids in alike.values()}
        """Agents of the same profile, by the first of them: only that one is asked."""
        firsts = [agent for agent in agents if agent.id in self._alike]
        self._pool = Pool(
            pool.name, agents={agent.id: _idle(agent) for agent in firsts}, named=named
        )

    @property
    def tiers(self) -> set[int]:
        """Those that somebody is in."""
        return {agent.tier for agent in self.agents}

    def edges_ms(self, queue: str) -> list[int]:
        """The ages at which what the queue asks for changes, the first of them 0."""
        found = self._policy.queue(queue)
        if found is None:
            return []
        return sorted(found.ages_ms())

    def able(self, queue: str, contact: Contact, age_ms: int) -> set[str]:
        """Who may take such a contact in the queue at this age."""
        work = self._work(queue, contact, age_ms)
        return {
            agent_id
            for agent in self._pool.agents.values()
            if eligibility.reject(self._pool, agent, work, age_ms) is None
            for agent_id in self._alike[agent.id]
        }

    def ever(self, queue: str, contact: Contact) -> set[str]:
        """Who may take it at some age."""
        return {
            agent_id for age in self.edges_ms(queue) for agent_id in self.able(queue, contact, age)
        }

    def reasons(self, queue: str, contact: Contact) -> dict[str, int]:
        """At the last age: the first predicate that each agent fails, counted."""
        work = self._work(queue, contact, FOREVER_MS)
        counts: dict[str, int] = {}
        for agent in self._pool.agents.values():
            why = eligibility.reject(self._pool, agent, work, FOREVER_MS)
            if why is not None:
                counts[why[0]] = counts.get(why[0], 0) + len(self._alike[agent.id])
        return counts

    def _work(self, queue: str, contact: Contact, age_ms: int) -> Work:
        skills, languages = dict(contact.skills), list(contact.languages)
        asked = plan(
            self._policy.queue(queue),
            skills=skills, languages=languages, own=contact.own, floor=1, clock_ms=0, now_ms=age_ms,
        )  # fmt: skip
        return Work(
            id="-", case_id="-", state="queued", queue=queue, channel=contact.channel,
            language=languages[0] if languages else "und", priority=0, skills=skills,
            languages=languages, own=contact.own, needs=asked.skills, speaks=asked.languages,
            tiers=asked.tiers, floor=1, since_ms=0, clock_ms=0, step=asked.step,
            step_at=asked.step_at, order=0, wants=asked.wants,
        )  # fmt: skip


def _idle(agent: roster.Agent) -> Agent:
    profile = agent.profile()
    return Agent(
        id=profile.id,
        tier=profile.tier,
        skills=profile.skills,
        languages=profile.languages,
        capacity=profile.capacity,
        channels={name: (item.cost, item.max) for name, item in profile.channels.items()},
        present=True,
        presence="available",
        mode="keep",
    )
