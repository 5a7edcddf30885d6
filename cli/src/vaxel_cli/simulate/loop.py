"""Virtual time: customers arrive, wait, are served or give up; the router decides who serves whom.

Nothing is decided here. An event is an integer instant in ticks; events of one instant happen in
the order in which they were foreseen. Customers who arrive after the horizon still come, uncounted,
until everybody who counts knows how it ended, so that nobody's wait is cut short or sped up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace

from vaxel_cli.simulate.matching import Matching
from vaxel_cli.simulate.randomness import Uniform, stream
from vaxel_cli.simulate.scenario import TICKS_PER_UNIT, Scenario
from vaxel_cli.simulate.tally import (
    AFTER_WAIT,
    AT_ONCE,
    BLOCKED,
    IN_TIME,
    LEFT,
    ROW,
    STRETCHES,
    WAITED,
    WAITED_IN_VAIN,
    Tally,
)

ARRIVAL, DONE, IMPATIENT, BOUNDARY = range(4)

Customer = tuple[list[int], int, int, float]
"""The row it counts into, class, arrival in ticks, the number that its service time is made of."""


def run(scenario: Scenario, replication: int, matching: Matching) -> Tally:
    """Let a scenario happen once."""
    return _Run(scenario, replication, matching).all()


class _Run:
    """The state of one replication outside the router."""

    def __init__(self, scenario: Scenario, replication: int, matching: Matching) -> None:
        begin = round(scenario.warmup * TICKS_PER_UNIT)
        self.end = round(scenario.horizon * TICKS_PER_UNIT)
        self.latest = 2 * self.end
        """Then nobody else comes: what can't be served must not keep the simulation going."""
        self.begin, self.length = begin, (self.end - begin) / STRETCHES
        self.matching = matching
        self.limit = scenario.queue_limit
        self.within = round(scenario.within * TICKS_PER_UNIT)
        self.sources = [
            _source(scenario, replication, index) for index in range(len(scenario.classes))
        ]
        self.group_of = [
            index for index, group in enumerate(scenario.agents) for _ in range(group.count)
        ]
        self.durations = [
            group.distribution.sampler(TICKS_PER_UNIT / group.service_rate)
            for group in scenario.agents
        ]
        classes, groups = len(scenario.classes), len(scenario.agents)
        self.tally = Tally(classes, groups, self.length)
        self.uncounted = [0] * ROW
        self.waiting: dict[int, Customer] = {}
        self.lengths, self.queued = [0] * classes, [0] * classes
        self.occupied, self.busy = [0] * groups, [0] * groups
        self.served = [[0] * groups for _ in range(classes)]
        self.open = 0
        """Customers who count and wait."""
        self.customers = self.serial = 0
        self.events: list[tuple[int, int, int, int, int]] = []
        """(instant, serial, what, agent or class, customer or boundary)."""

    def all(self) -> Tally:
        """Run to the end."""
        for index, source in enumerate(self.sources):
            if source.comes:
                self.events.append((source.gap(), self.serial, ARRIVAL, index, 0))
                self.serial += 1
        self.events.append((self.begin, -1, BOUNDARY, 0, 0))
        heapify(self.events)
        self._happen()
        return self.tally

    def _happen(self) -> None:
        events, arrive, done = self.events, self._arrive, self._done
        count = 0
        while events:
            now, _, what, who, which = events[0]
            if what == ARRIVAL:
                count += arrive(now, who)
                continue
            heappop(events)
            if what == DONE:
                count += 1
                done(now, who, which)
            elif what == IMPATIENT:
                count += self._give_up(now, which)
            else:
                self._note(now, which)
        self.tally.events = count

    def _arrive(self, now: int, klass: int) -> int:
        """The arrival on top of the heap, which the next of its class replaces."""
        if now > self.end and (not self.open or now > self.latest):
            heappop(self.events)
            return 0
        source = self.sources[klass]
        self.serial += 1
        heapreplace(self.events, (now + source.gap(), self.serial, ARRIVAL, klass, 0))
        self.customers = customer = self.customers + 1
        row = self.uncounted
        if self.begin <= now < self.end:
            row = self.tally.rows[klass][int((now - self.begin) / self.length)]
        fate = source.fate()
        lasts = source.patience() if source.patience is not None else 0
        agent = self.matching.arrive(customer, klass, now)
        if agent is not None:
            row[AT_ONCE] += 1
            self._serve(agent, customer, klass, now, fate)
        elif self.limit is not None and len(self.waiting) >= self.limit:
            row[BLOCKED] += 1
            self.matching.leave(customer, now)
        else:
            self.waiting[customer] = (row, klass, now, fate)
            self.lengths[klass] += 1
            self.queued[klass] -= now
            self.open += row is not self.uncounted
            if source.patience is not None:
                self.serial += 1
                heappush(self.events, (now + lasts, self.serial, IMPATIENT, klass, customer))
        return 1

    def _done(self, now: int, agent: int, customer: int) -> None:
        group = self.group_of[agent]
        self.occupied[group] -= 1
        self.busy[group] += now
        following = self.matching.free(agent, customer, now)
        if following is None:
            return
        row, klass, wait, fate = self._end_wait(following, now)
        row[AFTER_WAIT] += 1
        row[WAITED] += wait
        row[IN_TIME] += wait <= self.within
        self._serve(agent, following, klass, now, fate)

    def _give_up(self, now: int, customer: int) -> int:
        if customer not in self.waiting:
            return 0
        row, _, wait, _ = self._end_wait(customer, now)
        row[LEFT] += 1
        row[WAITED_IN_VAIN] += wait
        self.matching.leave(customer, now)
        return 1

    def _end_wait(self, customer: int, now: int) -> Customer:
        """Out of the queue; the instant of arrival has become the wait."""
        row, klass, came, fate = self.waiting.pop(customer)
        self.lengths[klass] -= 1
        self.queued[klass] += now
        self.open -= row is not self.uncounted
        return row, klass, now - came, fate

    def _serve(self, agent: int, customer: int, klass: int, now: int, fate: float) -> None:
        group = self.group_of[agent]
        ends = now + int(self.durations[group](fate) + 0.5)
        self.occupied[group] += 1
        self.busy[group] -= now
        self.served[klass][group] += 1
        self.serial += 1
        heappush(self.events, (ends, self.serial, DONE, agent, customer))

    def _note(self, now: int, boundary: int) -> None:
        """A boundary: cumulative areas and counts up to here."""
        tally = self.tally
        if boundary < STRETCHES:
            at = self.begin + round(self.length * (boundary + 1))
            heappush(self.events, (at, -1, BOUNDARY, 0, boundary + 1))
        tally.queued.append(
            [area + now * length for area, length in zip(self.queued, self.lengths, strict=True)]
        )
        tally.busy.append(
            [area + now * slots for area, slots in zip(self.busy, self.occupied, strict=True)]
        )
        tally.served.append([list(row) for row in self.served])


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the customers of a class come from: samples in ticks."""

    comes: bool
    gap: Callable[[], int]
    fate: Uniform
    patience: Callable[[], int] | None


def _source(scenario: Scenario, replication: int, index: int) -> _Source:
    klass, seed = scenario.classes[index], scenario.seed
    patience: Callable[[], int] | None = None
    if klass.patience_mean is not None:
        patience = klass.distribution.patience.whole(
            TICKS_PER_UNIT * klass.patience_mean, stream(seed, replication, "patience", index)
        )
    return _Source(
        comes=klass.arrival_rate > 0,
        gap=klass.distribution.arrival.whole(
            TICKS_PER_UNIT / (klass.arrival_rate or 1.0),
            stream(seed, replication, "arrival", index),
        ),
        fate=stream(seed, replication, "service", index),
        patience=patience,
    )
