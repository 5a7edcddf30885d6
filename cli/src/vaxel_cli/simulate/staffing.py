"""What another number of agents would do: the same customers, other staff."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vaxel_cli import staff
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
    name = found["name"].strip()
    known = [group.name for group in scenario.agents]
    if name not in known:
        raise ValueError(f"no agents {name!r} in the scenario; {hint(name, known)}")
    return Range(name, staff.counts(text, found, AGENTS_MAX))


def combinations(ranges: list[Range]) -> list[dict[str, int]]:
    """All that is to be tried, in order. Raises ``ValueError`` where it is too much."""
    names = [item.group for item in ranges]
    tried = staff.combinations(names, [item.counts for item in ranges], RUNS_MAX)
    return [dict(zip(names, some, strict=True)) for some in tried]


def compare(
    scenario: Scenario, tried: list[dict[str, int]], done: Callable[[], None] = lambda: None
) -> list[dict[str, Any]]:
    """One row for each combination: ``{"staff": {…}, "result": {…}}``."""
    rows = []
    for counts in tried:
        rows.append({"staff": counts, "result": simulate(scenario.staffed(counts))})
        done()
    return rows
