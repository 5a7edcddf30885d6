"""The best overall matching of items that wait and agents who are free, all at once.

*First who, then with whom.* Items are taken in the order of service, and each is served if it can
be together with all that were served before it, whoever those end up with. The items that can be
served together are the independent sets of a matroid (transversal; Edmonds and Fulkerson, 1965), so
this serves as many as anybody could and yet passes nobody: the greedy basis is the largest, and its
i-th item goes no later than the i-th of any other. Among all ways to serve these items that of the
least total cost is found: each item joins by a shortest augmenting path (Jonker and Volgenant,
1987), over potentials, in integers alone.

Items alike are one *kind*, so the work grows with kinds times agents, not with what waits. How much
is looked at is counted, and ends the search where it is more than allowed: a count, not a clock,
so that a replay gives up at the same point.

    kinds ──cost──► places (an agent's channel, with its room) ──► agents (a cost for each further)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple


class Place(NamedTuple):
    """An agent's channel, and how many more of it the agent takes."""

    agent: int
    room: int


class Problem(NamedTuple):
    """What is to be matched; everything by its index, in an order that decides ties."""

    items: Sequence[int]
    """The kind of each item, in the order of service."""
    costs: Sequence[Mapping[int, int]]
    """Of each kind: the places that may take it, and what that costs."""
    places: Sequence[Place]
    agents: Sequence[Sequence[int]]
    """Of each agent: what the first costs besides, the second, and so on; never less, all from 0.
    There is room for no more than that, whatever the places say."""


class Solution(NamedTuple):
    """Who takes what."""

    pairs: list[tuple[int, int]]
    """(item, agent), in the order of service."""
    looked: int
    """How many ways from one to another were looked at."""


class TooMuch(Exception):
    """More had to be looked at than was allowed."""


def solve(problem: Problem, looks_max: int) -> Solution:
    """The best matching. Raises :class:`TooMuch`."""
    return _Search(problem, looks_max).run()


@dataclass
class _Way:
    """A search from one kind: how far each node is, how it was reached, and where it ends."""

    distance: dict[int, int]
    before: dict[int, int]
    done: set[int]
    end: int = -1
    least: int = 0


class _Search:
    """Nodes are kinds, then places, then agents; a flow along them is kept as counts."""

    def __init__(self, problem: Problem, looks_max: int) -> None:
        self.problem = problem
        self.left = looks_max
        self.looks_max = looks_max
        kinds, places = len(problem.costs), len(problem.places)
        self.first_place, self.first_agent = kinds, kinds + places
        count = self.first_agent + len(problem.agents)
        self.potential = [-min(costs.values(), default=0) for costs in problem.costs]
        self.potential += [0] * (count - kinds)
        self.dead = [False] * count
        """From here no agent with room can be reached, and never again."""
        self.taken: list[dict[int, int]] = [{} for _ in problem.places]
        """Of each place: how many of which kind it takes."""
        self.in_place = [0] * places
        self.in_hand = [0] * len(problem.agents)
        self.places_of: list[list[int]] = [[] for _ in problem.agents]
        for index, place in enumerate(problem.places):
            self.places_of[place.agent].append(index)

    def run(self) -> Solution:
        """All items, in their order."""
        served: list[int] = []
        room = sum(len(costs) for costs in self.problem.agents)
        for item, kind in enumerate(self.problem.items):
            if len(served) == room:
                break
            if not self.dead[kind] and self._serve(kind):
                served.append(item)
        return Solution(self._pairs(served), self.looks_max - self.left)

    def _pairs(self, served: list[int]) -> list[tuple[int, int]]:
        """Of a kind whoever costs least takes the first: they are alike, so the sum is the same."""
        takers: list[list[tuple[int, int]]] = [[] for _ in self.problem.costs]
        for index, by_kind in enumerate(self.taken):
            agent = self.problem.places[index].agent
            for kind, count in by_kind.items():
                takers[kind] += [(self.problem.costs[kind][index], agent)] * count
        for some in takers:
            some.sort(reverse=True)
        return [(item, takers[self.problem.items[item]].pop()[1]) for item in served]

    def _serve(self, kind: int) -> bool:
        """Serve one more of a kind by the cheapest way; False: there is none, nor will there be."""
        way = self._cheapest(kind)
        if way.end < 0:
            for node in way.done:
                self.dead[node] = True
            return False
        for node in way.done:
            if way.distance[node] < way.least:
                self.potential[node] += way.distance[node] - way.least
        self._turn(way)
        return True

    def _cheapest(self, kind: int) -> _Way:
        """The cheapest way from a kind to an agent with room (Dijkstra, 1959)."""
        way = _Way({kind: 0}, {}, set())
        heap = [(0, kind)]
        while heap:
            length, node = heappop(heap)
            if way.end >= 0 and length >= way.least:
                break
            if node in way.done:
                continue
            way.done.add(node)
            if node >= self.first_agent:
                whole = self._end(node)
                if whole is not None and (way.end < 0 or length + whole < way.least):
                    way.end, way.least = node, length + whole
            self._reach(way, heap, length, node)
        return way

    def _reach(self, way: _Way, heap: list[tuple[int, int]], length: int, node: int) -> None:
        """Look at where it goes on from a node."""
        distance, base = way.distance, length + self.potential[node]
        for further, cost in self._ways(node):
            if further in way.done or self.dead[further]:
                continue
            reached = base + cost - self.potential[further]
            known = distance.get(further)
            if known is None or reached < known:
                distance[further], way.before[further] = reached, node
                heappush(heap, (reached, further))

    def _end(self, node: int) -> int | None:
        """What it costs to end at an agent; None: there is no room."""
        agent = node - self.first_agent
        count, costs = self.in_hand[agent], self.problem.agents[agent]
        return costs[count] + self.potential[node] if count < len(costs) else None

    def _ways(self, node: int) -> list[tuple[int, int]]:
        """Where it goes on from a node, and what that costs: taking, or giving up for another."""
        problem, ways = self.problem, []
        if node < self.first_place:
            ways = [(self.first_place + at, cost) for at, cost in problem.costs[node].items()]
        elif node < self.first_agent:
            at = node - self.first_place
            ways = [(kind, -problem.costs[kind][at]) for kind in self.taken[at]]
            if self.in_place[at] < problem.places[at].room:
                ways.append((self.first_agent + problem.places[at].agent, 0))
        else:
            some = self.places_of[node - self.first_agent]
            ways = [(self.first_place + at, 0) for at in some if self.in_place[at]]
        self.left -= len(ways) + 1
        if self.left < 0:
            raise TooMuch
        return ways

    def _turn(self, way: _Way) -> None:
        """Let the flow go along the way that was found, from its end back."""
        self.in_hand[way.end - self.first_agent] += 1
        node = way.end
        while node in way.before:
            earlier = way.before[node]
            if earlier < self.first_place:
                taken = self.taken[node - self.first_place]
                taken[earlier] = taken.get(earlier, 0) + 1
            elif node < self.first_place:
                taken = self.taken[earlier - self.first_place]
                taken[node] -= 1
                if not taken[node]:
                    del taken[node]
            elif node >= self.first_agent:
                self.in_place[earlier - self.first_place] += 1
            else:
                self.in_place[node - self.first_place] -= 1
            node = earlier
