"""Scenarios in a line, and what it means that a simulated figure agrees with a known one."""

from __future__ import annotations

from typing import Any

from vaxel_cli.simulate.runner import simulate
from vaxel_cli.simulate.scenario import Scenario

Figure = dict[str, float]


def scenario(classes: list[dict[str, Any]], agents: list[dict[str, Any]], **more: Any) -> Scenario:
    """A scenario; names that are left out are c0, c1, … and p0, p1, …."""
    whole = {
        "horizon": 20_000,
        "seed": 1,
        "service_level_within": 0.5,
        "classes": [{"name": f"c{i}", **item} for i, item in enumerate(classes)],
        "agents": [{"name": f"p{i}", "service_rate": 1.0, **item} for i, item in enumerate(agents)],
        **more,
    }
    return Scenario.model_validate(whole)


def results(classes: list[dict[str, Any]], agents: list[dict[str, Any]], **more: Any) -> Any:
    """What a scenario comes to."""
    return simulate(scenario(classes, agents, **more))


def differences(found: dict[str, Figure], known: dict[str, float], sharp: float) -> list[str]:
    """Figures outside twice their half-width, or with one too wide to say anything.

    ``sharp`` is the widest half-width, as a share of the value, that says something.
    """
    wrong = []
    for name, truth in known.items():
        value, half = found[name]["value"], found[name]["ci95"]
        if not abs(value - truth) <= 2 * half:
            wrong.append(f"{name}: {value} ± {half}, is {truth}")
        if half > sharp * max(abs(truth), 0.1):
            wrong.append(f"{name}: {value} ± {half} says nothing of {truth}")
    return wrong
