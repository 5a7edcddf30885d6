"""From counts to the document that is printed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from vaxel_cli.simulate.intervals import Estimate, ratio
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

RARE = 30
"""An event seen less often than this says little by its spread: Poisson's law says more."""

Rows = list[list[list[int]]]
"""By replication, stretch and place in a row."""


def document(scenario: Scenario, tallies: Sequence[Tally]) -> dict[str, Any]:
    """All figures but ``seconds``."""
    return {
        "classes": {
            item.name: _customers(scenario, tallies, [index])
            for index, item in enumerate(scenario.classes)
        },
        "all": _customers(scenario, tallies, list(range(len(scenario.classes)))),
        "agents": {
            group.name: {"occupancy": _occupancy(scenario, tallies, index).document()}
            for index, group in enumerate(scenario.agents)
        },
        "matching_rates": {
            item.name: {
                group.name: _rate(
                    tallies, index, number, possible=number in scenario.able(item)
                ).document()
                for number, group in enumerate(scenario.agents)
            }
            for index, item in enumerate(scenario.classes)
        },
        "events": sum(tally.events for tally in tallies),
    }


def _customers(
    scenario: Scenario, tallies: Sequence[Tally], classes: list[int]
) -> dict[str, dict[str, float | None]]:
    """The figures of some classes together."""
    rows = [_summed([tally.rows[index] for index in classes]) for tally in tallies]
    leave = any(scenario.classes[index].patience_mean is not None for index in classes)
    slowest = max(1 / group.service_rate for group in scenario.agents)
    accepted = _series(rows, lambda row: row[AT_ONCE] + row[AFTER_WAIT] + row[LEFT])
    arrived = _series(rows, lambda row: row[AT_ONCE] + row[AFTER_WAIT] + row[LEFT] + row[BLOCKED])
    served = _series(rows, lambda row: row[AT_ONCE] + row[AFTER_WAIT])
    waited = _series(rows, lambda row: row[AFTER_WAIT] + row[LEFT])
    waits = _series(rows, lambda row: (row[WAITED] + row[WAITED_IN_VAIN]) / TICKS_PER_UNIT)
    asa = _series(rows, lambda row: row[WAITED] / TICKS_PER_UNIT)
    in_time = _series(rows, lambda row: row[AT_ONCE] + row[IN_TIME])
    left = _series(rows, lambda row: row[LEFT])
    blocked = _series(rows, lambda row: row[BLOCKED])
    queues = [
        [sum(ends[i] - begins[i] for i in classes) for begins, ends in _steps(tally.queued)]
        for tally in tallies
    ]
    lengths = [[tally.length] * STRETCHES for tally in tallies]
    count = _total(arrived)
    scale = slowest * _rare(_total(waited), math.inf)
    figures = {
        "arrivals": _times(
            ratio(arrived, [[1.0] * STRETCHES for _ in tallies], least=0.0),
            STRETCHES,
            least=_rare(count, math.inf) / len(tallies),
        ),
        "mean_wait": ratio(waits, accepted, least=_over(scale, _total(accepted))),
        "asa": ratio(asa, served, least=_over(scale, _total(served))),
        "p_wait": _share(waited, accepted),
        "mean_queue": ratio(queues, lengths, least=scale * TICKS_PER_UNIT / _total(lengths)),
        "p_abandon": _share(left, accepted, possible=leave),
        "p_block": _share(blocked, arrived, possible=scenario.queue_limit is not None),
        "service_level": _share(in_time, accepted),
    }
    return {name: figure.document() for name, figure in figures.items()}


def _occupancy(scenario: Scenario, tallies: Sequence[Tally], group: int) -> Estimate:
    found = scenario.agents[group]
    slots = found.count * found.slots
    busy = [[ends[group] - begins[group] for begins, ends in _steps(t.busy)] for t in tallies]
    there = [[tally.length * slots] * STRETCHES for tally in tallies]
    starts = sum(sum(row[group] for row in t.served[-1]) for t in tallies)
    least = _over(_rare(starts, math.inf) * TICKS_PER_UNIT / found.service_rate, _total(there))
    possible = any(group in scenario.able(item) for item in scenario.classes)
    return ratio(busy, there, least=least if possible else 0.0)


def _rate(tallies: Sequence[Tally], klass: int, group: int, *, possible: bool) -> Estimate:
    """Works of a class that a group takes a unit of time."""
    starts = [
        [ends[klass][group] - begins[klass][group] for begins, ends in _steps(t.served)]
        for t in tallies
    ]
    units = [[tally.length / TICKS_PER_UNIT] * STRETCHES for tally in tallies]
    least = _rare(_total(starts), math.inf) / _total(units) if possible else 0.0
    return ratio(starts, units, least=least)


def _share(some: list[list[float]], of: list[list[float]], *, possible: bool = True) -> Estimate:
    """A share of events; one that can't happen is surely nought."""
    least = _over(_rare(_total(some), _total(of)), _total(of)) if possible else 0.0
    return ratio(some, of, least=least)


def _rare(count: float, of: float) -> float:
    """The half-width of a count of rare events, or of rare exceptions; 0 where there are many."""
    seen = min(count, of - count)
    return 2 * math.sqrt(max(seen, 3.0)) if seen < RARE else 0.0


def _over(value: float, count: float) -> float:
    return value / count if count else 0.0


def _times(estimate: Estimate, factor: float, *, least: float) -> Estimate:
    if estimate.value is None or estimate.ci95 is None:
        return estimate
    return Estimate(estimate.value * factor, max(estimate.ci95 * factor, least))


def _summed(rows: list[list[list[int]]]) -> list[list[int]]:
    """The rows of several classes as those of one."""
    if len(rows) == 1:
        return rows[0]
    return [
        [sum(row[stretch][place] for row in rows) for place in range(ROW)]
        for stretch in range(STRETCHES)
    ]


def _series(rows: Rows, of: Callable[[list[int]], float]) -> list[list[float]]:
    return [[of(row) for row in replication] for replication in rows]


def _steps(cumulative: list[Any]) -> Any:
    return pairwise(cumulative)


def _total(series: Sequence[Sequence[float]]) -> float:
    return float(sum(map(sum, series)))
