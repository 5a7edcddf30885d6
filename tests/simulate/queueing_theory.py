"""What is known exactly: formulas and small exact computations that a simulation must agree with.

Plain and slow on purpose. Sources: Erlang (1917), Cobham (1954), Kleinrock (1964, 1965), Pollaczek
and Khinchine, Palm (1946) for Erlang A, Adan and Weiss (2012, 2014) and Visschers, Adan and Weiss
(2012) for first come first served on skill graphs with the longest idle agent chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

State = tuple[int, ...]


def erlang_b(load: float, servers: int) -> float:
    """The share that is lost with no place to wait."""
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = load * blocked / (k + load * blocked)
    return blocked


def erlang_c(load: float, servers: int) -> float:
    """The share that has to wait, with places for all."""
    blocked = erlang_b(load, servers)
    return blocked / (1 - load / servers * (1 - blocked))


def mmc(rate: float, service: float, servers: int, within: float) -> dict[str, float]:
    """M/M/c: everything about the wait."""
    p_wait = erlang_c(rate / service, servers)
    spare = servers * service - rate
    return {
        "p_wait": p_wait,
        "mean_wait": p_wait / spare,
        "asa": p_wait / spare,
        "mean_queue": rate * p_wait / spare,
        "service_level": 1 - p_wait * math.exp(-spare * within),
    }


def mmck(rate: float, service: float, servers: int, places: int, within: float) -> dict[str, float]:
    """M/M/c with so many places to wait."""
    weights = [1.0]
    for n in range(1, servers + places + 1):
        weights.append(weights[-1] * rate / (min(n, servers) * service))
    total = sum(weights)
    shares = [weight / total for weight in weights]
    accepted = 1 - shares[-1]
    queue = sum((n - servers) * p for n, p in enumerate(shares) if n > servers)
    late = sum(
        shares[servers + ahead] * _erlang_tail(ahead + 1, servers * service * within)
        for ahead in range(places)
    )
    return {
        "p_block": shares[-1],
        "p_wait": sum(shares[servers:-1]) / accepted,
        "mean_queue": queue,
        "mean_wait": queue / (rate * accepted),
        "asa": queue / (rate * accepted),
        "service_level": 1 - late / accepted,
    }


def _erlang_tail(phases: int, x: float) -> float:
    """The chance that so many phases of rate 1 take longer than x."""
    return math.exp(-x) * sum(x**n / math.factorial(n) for n in range(phases))


def erlang_a(
    rate: float, service: float, servers: int, patience: float, within: float
) -> dict[str, float]:
    """M/M/c+M: customers give up after an exponential time of this mean."""
    give_up = 1 / patience
    weights, n = [1.0], 0
    while n <= servers + 20 or weights[-1] > 1e-18 * max(weights):
        n += 1
        down = min(n, servers) * service + max(0, n - servers) * give_up
        weights.append(weights[-1] * rate / down)
    total = sum(weights)
    shares = [weight / total for weight in weights]
    queue = sum((n - servers) * p for n, p in enumerate(shares) if n > servers)
    p_abandon = give_up * queue / rate

    # A customer with j ahead: each moves up by service or by giving up, oneself gives up too.
    def moves(j: int) -> tuple[list[tuple[int | None, float]], float]:
        ahead = servers * service + j * give_up
        to: list[tuple[int | None, float]] = [(j - 1 if j else -1, ahead), (None, give_up)]
        return to, ahead + give_up

    start = {n - servers: p for n, p in enumerate(shares) if n >= servers and p > 1e-16}
    served = _reach(start, moves, within)
    reached = _reach(start, moves, math.inf)
    waited = _mean_until(start, moves)
    return {
        "p_wait": sum(shares[servers:]),
        "p_abandon": p_abandon,
        "mean_queue": queue,
        "mean_wait": queue / rate,
        "service_level": sum(shares[:servers]) + served,
        "occupancy": rate * (1 - p_abandon) / (servers * service),
        "check_served": sum(shares[:servers]) + reached,
        "check_wait": waited,
    }


def _reach(
    start: dict[int, float],
    moves: Callable[[int], tuple[list[tuple[int | None, float]], float]],
    within: float,
) -> float:
    """The chance of having come to -1 by then; states go down only."""
    if math.isinf(within):

        @cache
        def ever(j: int) -> float:
            to, total = moves(j)
            return sum(r / total * (1.0 if k == -1 else ever(k)) for k, r in to if k is not None)

        return sum(p * ever(j) for j, p in sorted(start.items()))
    fastest = max(moves(j)[1] for j in start)
    steps, now, done, answer, weight = 0, dict(start), 0.0, 0.0, math.exp(-fastest * within)
    spent = 0.0
    while spent < 1 - 1e-12 and steps < 200_000:
        answer += weight * done
        spent += weight
        after: dict[int, float] = {}
        for j, p in now.items():
            to, total = moves(j)
            after[j] = after.get(j, 0.0) + p * (1 - total / fastest)
            for k, r in to:
                if k == -1:
                    done += p * r / fastest
                elif k is not None:
                    after[k] = after.get(k, 0.0) + p * r / fastest
        now = after
        steps += 1
        weight *= fastest * within / steps
    return answer


def _mean_until(
    start: dict[int, float], moves: Callable[[int], tuple[list[tuple[int | None, float]], float]]
) -> float:
    @cache
    def mean(j: int) -> float:
        to, total = moves(j)
        return 1 / total + sum(r / total * mean(k) for k, r in to if k is not None and k >= 0)

    return sum(p * mean(j) for j, p in sorted(start.items()))


def priorities(rates: Sequence[float], service: float, servers: int) -> list[float]:
    """Cobham: mean waits, highest priority first, one service rate."""
    total = servers * service
    base = erlang_c(sum(rates) / service, servers) / total
    waits, before = [], 0.0
    for rate in rates:
        after = before + rate / total
        waits.append(base / ((1 - before) * (1 - after)))
        before = after
    return waits


def aging(
    rates: Sequence[float], weights: Sequence[float], service: float, servers: int = 1
) -> list[float]:
    """Kleinrock: mean waits where priority grows with weight times wait; weights ascending."""
    total = servers * service
    loads = [rate / total for rate in rates]
    fifo = erlang_c(sum(rates) / service, servers) / (total - sum(rates))
    waits: list[float] = []
    for p, weight in enumerate(weights):
        above = fifo - sum(loads[i] * waits[i] * (1 - weights[i] / weight) for i in range(p))
        below = 1 - sum(loads[i] * (1 - weight / weights[i]) for i in range(p + 1, len(weights)))
        waits.append(above / below)
    return waits


def pollaczek_khinchine(rate: float, service: float, variation: float) -> float:
    """M/G/1: mean wait; ``variation`` is standard deviation over mean of the service time."""
    load = rate / service
    return load / (1 - load) * (1 + variation**2) / 2 / service


@dataclass(frozen=True)
class Group:
    """Agents of a skill graph: how many, how fast, which classes."""

    count: int
    rate: float
    serves: frozenset[int]


class SkillGraph:
    """First come first served, longest idle first, on any skill graph: the exact steady state.

    A state is how many of each group are busy. ``busy`` sums over the orders in which the busy
    ones' customers came, with all who wait between them; ``idle`` over the orders of idleness.
    """

    def __init__(self, rates: Sequence[float], groups: Sequence[Group]) -> None:
        self.rates, self.groups = rates, groups
        self.all = tuple(group.count for group in groups)
        weights = {}
        for b in product(*(range(n + 1) for n in self.all)):
            ways = math.prod(math.comb(n, k) for n, k in zip(self.all, b, strict=True))
            weights[b] = ways * self._busy(b) * self._idle(self._rest(b))
        total = sum(weights.values())
        self.shares = {b: weight / total for b, weight in weights.items()}
        self._total = total

    def klass(self, c: int, within: float) -> dict[str, float]:
        """The wait of a class."""
        start = {b: p for b, p in self.shares.items() if c in self._stuck(b)}
        mean = sum(p * self._mean(c, b) for b, p in start.items())
        return {
            "p_wait": sum(start.values()),
            "mean_wait": mean,
            "asa": mean,
            "mean_queue": self.rates[c] * mean,
            "service_level": 1 - self._late(c, start, within),
        }

    def matching(self, c: int, k: int) -> float:
        """Works of a class that a group takes a unit of time."""
        if c not in self.groups[k].serves:
            return 0.0
        at_once = sum(
            math.prod(math.comb(n, m) for n, m in zip(self.all, b, strict=True))
            * self._busy(b)
            * self._first_idle(c, k, self._rest(b))
            for b in self.shares
        )
        later = sum(
            p * self._through(c, k, b) for b, p in self.shares.items() if c in self._stuck(b)
        )
        return self.rates[c] * (at_once / self._total + later)

    def occupancy(self, k: int) -> float:
        """The share of a group that is busy."""
        return sum(p * b[k] for b, p in self.shares.items()) / self.all[k]

    def _rest(self, b: State) -> State:
        return tuple(n - m for n, m in zip(self.all, b, strict=True))

    @staticmethod
    def _less(b: State, k: int) -> State:
        return tuple(m - (i == k) for i, m in enumerate(b))

    def _able(self, c: int) -> list[int]:
        return [k for k, group in enumerate(self.groups) if c in group.serves]

    def _stuck(self, b: State) -> list[int]:
        """Classes whose every agent is busy."""
        return [
            c for c in range(len(self.rates)) if all(b[k] == self.all[k] for k in self._able(c))
        ]

    def _spare(self, b: State) -> float:
        """How fast the busy ones work, less what comes that only they can do."""
        speed = sum(m * group.rate for m, group in zip(b, self.groups, strict=True))
        return speed - sum(self.rates[c] for c in self._stuck(b))

    @cache  # noqa: B019 - a graph lives as long as a test
    def _busy(self, b: State) -> float:
        if not any(b):
            return 1.0
        ways = sum(m * self._busy(self._less(b, k)) for k, m in enumerate(b) if m)
        spare = self._spare(b)
        assert spare > 0, "the graph must be stable"
        return ways / spare

    def _wanted(self, d: State) -> float:
        able = {c for k, m in enumerate(d) if m for c in self.groups[k].serves}
        return sum(self.rates[c] for c in able)

    @cache  # noqa: B019 - a graph lives as long as a test
    def _idle(self, d: State) -> float:
        if not any(d):
            return 1.0
        ways = sum(m * self._idle(self._less(d, k)) for k, m in enumerate(d) if m)
        return ways / self._wanted(d)

    @cache  # noqa: B019 - a graph lives as long as a test
    def _first_idle(self, c: int, k: int, d: State) -> float:
        """Like ``_idle``, only the orders in which the longest idle who can serve c is in k."""
        able = self._able(c)
        total = 0.0
        for i, m in enumerate(d):
            if not m:
                continue
            before = self._less(d, i)
            total += m * self._first_idle(c, k, before)
            if i == k and not any(before[j] for j in able):
                total += m * self._idle(before)
        return total / self._wanted(d) if any(d) else 0.0

    def _down(self, b: State) -> list[tuple[int, float]]:
        """The group that is freed next to whom this makes a difference, with the chance."""
        ways = [(k, m * self._busy(self._less(b, k))) for k, m in enumerate(b) if m]
        total = sum(way for _, way in ways)
        return [(k, way / total) for k, way in ways]

    @cache  # noqa: B019 - a graph lives as long as a test
    def _mean(self, c: int, b: State) -> float:
        able = self._able(c)
        return 1 / self._spare(b) + sum(
            p * self._mean(c, self._less(b, k)) for k, p in self._down(b) if k not in able
        )

    @cache  # noqa: B019 - a graph lives as long as a test
    def _through(self, c: int, k: int, b: State) -> float:
        """The chance that a waiting customer of c is taken by group k."""
        able = self._able(c)
        return sum(
            p * (i == k if i in able else self._through(c, k, self._less(b, i)))
            for i, p in self._down(b)
        )

    def _late(self, c: int, start: dict[State, float], within: float) -> float:
        """The chance of a wait above ``within``: of type phase, by uniformization."""
        able, fastest = self._able(c), max(self._spare(b) for b in start)
        now, weight, spent, answer, steps = dict(start), math.exp(-fastest * within), 0.0, 0.0, 0
        while spent < 1 - 1e-12:
            answer += weight * sum(now.values())
            spent += weight
            after: dict[State, float] = {}
            for b, p in now.items():
                go = self._spare(b) / fastest
                after[b] = after.get(b, 0.0) + p * (1 - go)
                for k, chance in self._down(b):
                    if k not in able:
                        less = self._less(b, k)
                        after[less] = after.get(less, 0.0) + p * go * chance
            now = after
            steps += 1
            weight *= fastest * within / steps
        return answer
