"""How fast `vaxel simulate` lets customers come and go, beside the whole engine doing the same."""

from __future__ import annotations

import time
from typing import Any

from kit import Report, Table, rate, ratio, run

from vaxel_cli.simulate.loop import run as run_loop
from vaxel_cli.simulate.routed import RoutedMatching
from vaxel_cli.simulate.scenario import Scenario
from vaxel_cli.simulate.whole import WholeEngine
from vaxel_shared import heap

METHOD = (
    "`vaxel simulate` without reading the file and computing the figures: chance, events, the"
    " router's matcher, counting. The peer is the same loop with the whole engine, which opens,"
    " offers, assigns, resolves and closes a case for each customer and writes every decision with"
    " its reasons; both serve the same customers by the same agents."
)
NOT_COVERED = [
    "Several processes: replications are independent, but run one after the other here.",
    "Figures and half-widths: some milliseconds for each class and replication.",
]
MILLION = 1_000_000


def main(seconds: float) -> Report:
    """Measure every scenario."""
    heap.expect_much()  # as the process that does this does
    report = Report("simulate", "Simulation", METHOD, NOT_COVERED, ["msgspec"])
    table = Table(
        "Customers a second of one core",
        ["scenario", "simulate", "a million in", "whole engine", "simulate/engine"],
    )
    for name, plain in SCENARIOS.items():
        quick = _customers_per_second(plain, seconds, whole=False)
        whole = _customers_per_second(plain, seconds / 2, whole=True)
        table.rows.append(
            [
                name,
                rate(quick, 1),
                f"{MILLION / quick:.1f} s",
                rate(whole, 1),
                ratio(quick, whole),
            ]
        )
    report.tables = [table]
    return report


def _customers_per_second(plain: dict[str, Any], seconds: float, *, whole: bool) -> float:
    """Runs of growing length, until one has taken long enough to mean something."""
    horizon = 50.0
    while True:
        scenario = Scenario.model_validate({**plain, "horizon": horizon, "seed": 1})
        matching = WholeEngine(scenario) if whole else RoutedMatching(scenario, 0)
        begin = time.process_time()
        tally = run_loop(scenario, 0, matching)
        spent = time.process_time() - begin
        if spent >= seconds / 2:
            customers = sum(row[0] + row[1] for rows in tally.rows for row in rows)
            return customers / spent
        horizon *= min(10.0, max(2.0, 0.7 * seconds / max(spent, 1e-3)))


def _centre(classes: int, groups: int, each: int) -> dict[str, Any]:
    """A centre of many skills: each group has three that follow each other."""
    load = 0.9 * groups * each
    return {
        "classes": [
            {
                "name": f"c{i}",
                "arrival_rate": load / classes,
                "requires": [f"s{i}"],
                "priority": i % 3,
                "weight": 1 + i % 4,
            }
            for i in range(classes)
        ],
        "agents": [
            {
                "name": f"g{i}",
                "count": each,
                "skills": [f"s{(i + j) % classes}" for j in range(3)],
                "service_rate": 1.0,
            }
            for i in range(groups)
        ],
    }


ONE_QUEUE = {
    "classes": [{"name": "a", "arrival_rate": 4.0}],
    "agents": [{"name": "p", "count": 5, "service_rate": 1.0}],
}
SCENARIOS: dict[str, dict[str, Any]] = {
    "1 class, 5 agents, load 0.8": ONE_QUEUE,
    "1 class, 100 agents, load 0.95": {
        "classes": [{"name": "a", "arrival_rate": 95.0}],
        "agents": [{"name": "p", "count": 100, "service_rate": 1.0}],
    },
    "10 classes, 10 groups of 5, by priority": _centre(10, 10, 5) | {"order": "priority"},
    "40 classes, 40 groups of 5": _centre(40, 40, 5),
}


if __name__ == "__main__":
    run(main, seconds=4)
