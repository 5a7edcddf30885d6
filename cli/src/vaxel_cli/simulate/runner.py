"""A scenario from file to document: replications one after the other, each from its own chance."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from vaxel_cli.simulate.figures import document
from vaxel_cli.simulate.loop import run
from vaxel_cli.simulate.matching import Matching
from vaxel_cli.simulate.routed import RoutedMatching
from vaxel_cli.simulate.scenario import Scenario

Make = Callable[[Scenario, int], Matching]
"""The matching of one replication."""


def simulate(
    scenario: Scenario, make: Make = RoutedMatching, done: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """All that a scenario comes to; only ``seconds``, the time it took, differs from run to run."""
    begin = time.perf_counter()
    tallies = []
    for number in range(scenario.replications):
        tallies.append(run(scenario, number, make(scenario, number)))
        done()
    made = document(scenario, tallies)
    made["seconds"] = round(time.perf_counter() - begin, 3)
    return made
