"""Matching as one would write it first: after every change, look at everybody for everything.

The peer of the router's core, and an oracle for it: the same commands must give the same offers.
It only matches. It makes no ids, no explanation and no record, and knows no time.
"""

from __future__ import annotations

from dataclasses import dataclass

from vaxel_router.core.eligibility import used
from vaxel_router.core.policy import Policy, plan
from vaxel_router.core.state import Pool
from vaxel_shared import ids
from vaxel_shared.contracts import wire


@dataclass
class Person:
    """An agent."""

    id: str
    tier: int
    skills: dict[str, int]
    languages: dict[str, int]
    free: int
    idle_since_ms: int


@dataclass
class Waiting:
    """A contact in a queue."""

    key: tuple[int, int, int]
    work_id: str
    tiers: list[int]
    skills: dict[str, int]
    languages: list[str]


class NaiveMatcher:
    """Starts from a pool as it is; then :meth:`take` each command with its time."""

    def __init__(self, pool: Pool, policy: Policy) -> None:
        self.policy = policy
        self.order = pool.order
        self.people = [
            Person(
                agent.id,
                agent.tier,
                dict(agent.skills),
                dict(agent.languages),
                agent.capacity - used(pool, agent, "email")[0],
                agent.idle_since_ms,
            )
            for agent in pool.agents.values()
        ]
        self.by_id = {person.id: person for person in self.people}
        self.waiting = [
            Waiting((-w.priority, w.since_ms, w.order), w.id, w.tiers, w.needs, w.speaks)
            for w in pool.works.values()
            if w.state == "queued"
        ]
        self.offers: list[tuple[str, str]] = []

    def take(self, command: wire.Command, now_ms: int) -> None:
        """Fold a command; an accepted offer changes nothing that matching looks at but the idle."""
        if command.type == "contact.add":
            self._add(command, now_ms)
        elif command.type == "offer.accept":
            self.by_id[command.agent_id or ""].idle_since_ms = now_ms
            return
        else:
            person = self.by_id[command.agent_id or ""]
            person.free += 1
            person.idle_since_ms = now_ms
        self._match(now_ms)

    def _add(self, command: wire.Command, now_ms: int) -> None:
        data = command.data
        queue = self.policy.queue(data["queue"])
        assert queue is not None
        spoken = data["requires"]["languages"]
        asks = plan(queue, skills={}, languages=spoken, floor=1, clock_ms=0, now_ms=0)
        self.order += 1
        work_id = ids.work_id(ids.case_id(data["contact_id"]), 1)
        key = (-data["priority"], now_ms, self.order)
        self.waiting.append(Waiting(key, work_id, asks.tiers, asks.skills, asks.languages))

    def _match(self, now_ms: int) -> None:
        """Everything that waits, in the order of service, against everybody."""
        self.waiting.sort(key=lambda item: item.key)
        left = []
        for item in self.waiting:
            able = [person for person in self.people if _may(person, item)]
            if not able:
                left.append(item)
                continue
            best = min(able, key=lambda person: (person.tier, person.idle_since_ms, person.id))
            best.free -= 1
            best.idle_since_ms = now_ms
            self.offers.append((item.work_id, best.id))
        self.waiting = left


def _may(person: Person, item: Waiting) -> bool:
    return (
        person.free > 0
        and person.tier in item.tiers
        and all(person.skills.get(name, 0) >= level for name, level in item.skills.items())
        and any(tag in person.languages for tag in item.languages)
    )
