"""Whether there is more to do than the agents can: then a queue grows without end."""

from __future__ import annotations

from itertools import combinations

from vaxel_cli.simulate.scenario import Scenario

TOGETHER_MAX = 12
"""All sets of so many classes are looked at; of more, each alone and all together."""


def overloaded(scenario: Scenario) -> list[str]:
    """A line for the smallest set of classes that is more than its agents can do, if any.

    Classes that give up, or a limited queue, bound it: then there is nothing to say.
    """
    if scenario.queue_limit is not None:
        return []
    patient = [index for index, item in enumerate(scenario.classes) if item.patience_mean is None]
    for some in _sets(patient):
        rate = sum(scenario.classes[index].arrival_rate for index in some)
        able = {group for index in some for group in scenario.able(scenario.classes[index])}
        could = sum(
            scenario.agents[group].count
            * scenario.agents[group].slots
            * scenario.agents[group].service_rate
            for group in able
        )
        if rate >= could > 0:
            names = " and ".join(repr(scenario.classes[index].name) for index in some)
            line = (
                f"{names}: {rate:g} arrive a {scenario.unit}, {could:g} can be served: the queue"
                " grows without end, and every wait depends on the horizon"
            )
            return [line]
    return []


def _sets(indexes: list[int]) -> list[tuple[int, ...]]:
    if len(indexes) > TOGETHER_MAX:
        return [(index,) for index in indexes] + [tuple(indexes)]
    return [some for size in range(1, len(indexes) + 1) for some in combinations(indexes, size)]
