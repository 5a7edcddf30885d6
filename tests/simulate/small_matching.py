"""Matching written a second time, for what a scenario has and no more: small enough to be seen right.

Classes of customers and groups of agents take the place of what the router's matcher finds out about
single ones. Both must answer the same, customer by customer.
"""

from __future__ import annotations

import math
from collections import deque
from heapq import heappop, heappush

from vaxel_cli.simulate.randomness import generator
from vaxel_cli.simulate.scenario import Scenario

Idle = tuple[int, int, int]
"""(load, last touched, agent): who comes first."""


class Queues:
    """Customers who wait, by class; the best of several classes is found among their heads."""

    def __init__(self, scenario: Scenario) -> None:
        self._lines: list[deque[tuple[int, int]]] = [deque() for _ in scenario.classes]
        self._gone: set[int] = set()
        ordered = scenario.order
        self._weights: list[int] | None = None
        if ordered == "aging":
            # Whole numbers, so that no rounding decides.
            self._weights = [round(item.weight * 1_000_000) for item in scenario.classes]
        ranks = [-item.priority if ordered == "priority" else 0 for item in scenario.classes]
        self._ranks = ranks
        self.ranked = [
            sorted(
                (index for index, item in enumerate(scenario.classes) if g in scenario.able(item)),
                key=lambda index: (ranks[index], index),
            )
            for g in range(len(scenario.agents))
        ]

    def add(self, customer: int, klass: int, now: int) -> None:
        """Queue a customer; they come in order."""
        self._lines[klass].append((customer, now))

    def drop(self, customer: int) -> None:
        """A waiting customer is gone."""
        self._gone.add(customer)

    def take(self, group: int, now: int) -> int | None:
        """The customer whom an agent of a group serves next, taken out of the queue."""
        best: deque[tuple[int, int]] | None = None
        best_key: tuple[int, int] = (0, 0)
        weights, ranks, gone = self._weights, self._ranks, self._gone
        for klass in self.ranked[group]:
            line = self._lines[klass]
            while line and gone and line[0][0] in gone:
                gone.discard(line.popleft()[0])
            if not line:
                continue
            customer, came = line[0]
            if weights is None:
                key = (ranks[klass], customer)
            else:
                key = (weights[klass] * (came - now), customer)
            if best is None or key < best_key:
                best, best_key = line, key
        return best.popleft()[0] if best is not None else None


class QuickMatching:
    """A :class:`~vaxel_cli.simulate.matching.Matching` of queues and heaps of idle agents."""

    def __init__(self, scenario: Scenario) -> None:
        self._queues = Queues(scenario)
        self._group_of = [g for g, item in enumerate(scenario.agents) for _ in range(item.count)]
        self._slots = [scenario.agents[group].slots for group in self._group_of]
        self._used = [0] * len(self._group_of)
        least = scenario.selection == "least_loaded"
        common = math.lcm(*(group.slots for group in scenario.agents))
        self._loads = [common // slots if least else 0 for slots in self._slots]
        """What a work adds to the load, in whole numbers."""
        self._heaps: list[list[Idle]] = [[] for _ in scenario.agents]
        self._current: list[Idle | None] = [None] * len(self._group_of)
        for agent in range(len(self._group_of)):
            self._open(agent, 0)
        self._choices = [_choices(scenario, index) for index in range(len(scenario.classes))]

    def arrive(self, customer: int, klass: int, now: int) -> int | None:
        """See :class:`Matching`."""
        agent = self._choose(klass)
        if agent is None:
            self._queues.add(customer, klass, now)
            return None
        self._take(agent, now)
        return agent

    def free(self, agent: int, customer: int, now: int) -> int | None:
        """See :class:`Matching`."""
        del customer
        following = self._queues.take(self._group_of[agent], now)
        if following is None:
            self._used[agent] -= 1
            self._open(agent, now)
        elif self._current[agent] is not None:
            self._open(agent, now)  # it was just used, and has room still
        return following

    def leave(self, customer: int, now: int) -> None:
        """See :class:`Matching`."""
        del now
        self._queues.drop(customer)

    def _take(self, agent: int, now: int) -> None:
        self._used[agent] += 1
        self._current[agent] = None
        if self._used[agent] < self._slots[agent]:
            self._open(agent, now)

    def _open(self, agent: int, now: int) -> None:
        """The agent has room, and was last touched now."""
        entry = (self._used[agent] * self._loads[agent], now, agent)
        self._current[agent] = entry
        heappush(self._heaps[self._group_of[agent]], entry)

    def _choose(self, klass: int) -> int | None:
        current = self._current
        for groups in self._choices[klass]:
            best: Idle | None = None
            best_heap: list[Idle] = []
            for group in groups:
                heap = self._heaps[group]
                while heap and current[heap[0][2]] is not heap[0]:
                    heappop(heap)
                if heap and (best is None or heap[0] < best):
                    best, best_heap = heap[0], heap
            if best is not None:
                heappop(best_heap)
                return best[2]
        return None


class RandomMatching:
    """The same where any free agent is as good; as likely as in the router, by other draws."""

    def __init__(self, scenario: Scenario, replication: int) -> None:
        self._queues = Queues(scenario)
        self._group_of = [g for g, item in enumerate(scenario.agents) for _ in range(item.count)]
        self._slots = [scenario.agents[group].slots for group in self._group_of]
        self._used = [0] * len(self._group_of)
        self._free: list[list[int]] = [[] for _ in scenario.agents]
        self._place = [0] * len(self._group_of)
        for agent in range(len(self._group_of)):
            self._open(agent)
        self._able = [scenario.able(item) for item in scenario.classes]
        self._chance = generator(scenario.seed, replication, "selection", 0)

    def arrive(self, customer: int, klass: int, now: int) -> int | None:
        """See :class:`Matching`."""
        free = [self._free[group] for group in self._able[klass]]
        total = sum(map(len, free))
        if not total:
            self._queues.add(customer, klass, now)
            return None
        chosen = self._chance.randrange(total)
        for agents in free:
            if chosen < len(agents):
                agent = agents[chosen]
                break
            chosen -= len(agents)
        self._used[agent] += 1
        if self._used[agent] == self._slots[agent]:
            self._close(agent)
        return agent

    def free(self, agent: int, customer: int, now: int) -> int | None:
        """See :class:`Matching`."""
        del customer
        following = self._queues.take(self._group_of[agent], now)
        if following is None:
            if self._used[agent] == self._slots[agent]:
                self._open(agent)
            self._used[agent] -= 1
        return following

    def leave(self, customer: int, now: int) -> None:
        """See :class:`Matching`."""
        del now
        self._queues.drop(customer)

    def _open(self, agent: int) -> None:
        agents = self._free[self._group_of[agent]]
        self._place[agent] = len(agents)
        agents.append(agent)

    def _close(self, agent: int) -> None:
        """Out of the list; the last one takes the place."""
        agents = self._free[self._group_of[agent]]
        place, last = self._place[agent], agents.pop()
        if last != agent:
            agents[place] = last
            self._place[last] = place


def _choices(scenario: Scenario, klass: int) -> list[list[int]]:
    """The groups that may take a class, those to be asked first in front; equals together."""
    wanted = scenario.classes[klass]
    able = scenario.able(wanted)
    if scenario.selection != "best_skill":
        return [able]
    fits: dict[int, list[int]] = {}
    for group in able:
        skills = scenario.agents[group].skills
        fits.setdefault(-sum(skills[name] for name in wanted.requires), []).append(group)
    return [fits[fit] for fit in sorted(fits)]
