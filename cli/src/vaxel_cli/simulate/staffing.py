"""What another number of agents would do: the same customers, other staff."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

from vaxel_cli.simulate.runner import simulate
from vaxel_cli.simulate.scenario import AGENTS_MAX, Scenario
from vaxel_shared.config.source import hint

RUNS_MAX = 400
"""Combinations in one go; more is no table that anybody reads."""
_RANGE = re.compile(
    r"^(?P<name>[^=]+)=(?P<low>\d{1,6})(?:\.\.(?P<high>\d{1,6})(?::(?P<by>\d{1,6}))?)?$"
)


@dataclass(frozen=True, slots=True)
class Range:
    """A group and the numbers of agents to try."""

    group: str
    counts: tuple[int, ...]


def parse(text: str, scenario: Scenario) -> Range:
    """``p0=8..14``, ``p0=8..20:4`` or ``p0=9``. Raises ``ValueError`` with the remedy."""
    found = _RANGE.match(text)
    if found is None:
        raise ValueError(f"{text!r} is no range; write it like p0=8..14 or p0=8..20:4")
    name, low = found["name"].strip(), int(found["low"])
    high, step = int(found["high"] or low), int(found["by"] or 1)
    known = [group.name for group in scenario.agents]
    if name not in known:
        raise ValueError(f"no agents {name!r} in the scenario; {hint(name, known)}")
    if high < low or high > AGENTS_MAX or step < 1:
        raise ValueError(f"{text!r} goes nowhere; write the smaller number first")
    return Range(name, tuple(range(low, high + 1, step)))


def combinations(ranges: list[Range]) -> list[dict[str, int]]:
    """All that is to be tried, in order. Raises ``ValueError`` where it is too much."""
    names = [item.group for item in ranges]
    if len(names) != len(set(names)):
        raise ValueError("one --staff for each group; put both ends into one range")
    total = 1
    for item in ranges:
        total *= len(item.counts)
    if total > RUNS_MAX:
        raise ValueError(
            f"{total} combinations, {RUNS_MAX} at most; use larger steps, like 8..80:8"
        )
    return [dict(zip(names, some, strict=True)) for some in product(*(r.counts for r in ranges))]


def compare(
    scenario: Scenario, tried: list[dict[str, int]], done: Callable[[], None] = lambda: None
) -> list[dict[str, Any]]:
    """One row for each combination: ``{"staff": {…}, "result": {…}}``."""
    rows = []
    for counts in tried:
        rows.append({"staff": counts, "result": simulate(scenario.staffed(counts))})
        done()
    return rows
