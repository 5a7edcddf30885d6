"""The router's own matching, driven in virtual time.

:class:`vaxel_router.core.matching.Matcher` is what the engine asks who takes what. Here it is asked
the same, in the same order, without the cases, records and reasons that the engine keeps around it:
customers are items that wait on one channel, a group's agents all bring the same.
"""

from __future__ import annotations

import math
from typing import Any

from vaxel_cli.simulate.randomness import generator
from vaxel_cli.simulate.scenario import Scenario
from vaxel_router.core.matching import Asks, Matcher, Profile

CHANNEL = "any"
SERIAL_BITS = 40
"""A key is an instant or a priority, and below it the customer's number."""
WEIGHT_UNIT = 1_000_000
"""Weights are whole numbers of these, so that no rounding decides."""


class RoutedMatching:
    """A :class:`~vaxel_cli.simulate.matching.Matching` that the router's matcher answers for."""

    def __init__(self, scenario: Scenario, replication: int) -> None:
        self._matcher = _matcher(scenario, replication)
        self._asks = [
            Asks(CHANNEL, skills=tuple(sorted(item.requires.items())), kind=str(index))
            for index, item in enumerate(scenario.classes)
        ]
        self._ages = scenario.order == "aging"
        ranked = scenario.order == "priority"
        self._ranks = [-item.priority << SERIAL_BITS if ranked else 0 for item in scenario.classes]
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        least = scenario.selection == "least_loaded"
        common = math.lcm(*(group.slots for group in scenario.agents))
        self._loads: list[int] | None = [] if least else None
        """What one work adds to an agent's load, in whole numbers."""
        self._used: list[int] = []
        for group in scenario.agents:
            skills = tuple(sorted(group.skills.items()))
            channels = ((CHANNEL, 1, group.slots),)
            profile = Profile(skills=skills, channels=channels, capacity=group.slots)
            for _ in range(group.count):
                name = f"{len(self._names):06d}"
                self._numbers[name] = len(self._names)
                self._names.append(name)
                if self._loads is not None:
                    self._loads.append(common // group.slots)
                    self._used.append(0)
                self._matcher.join(name, profile, idle=0 if self._loads is None else (0, 0))

    def arrive(self, customer: int, klass: int, now: int) -> int | None:
        """See :class:`Matching`."""
        asks, matcher = self._asks[klass], self._matcher
        agent = matcher.choose_for(asks, now)
        if agent is None:
            key = customer + (now << SERIAL_BITS if self._ages else self._ranks[klass])
            matcher.put(str(customer), asks, key=key, now=now)
            return None
        number = self._numbers[agent]
        idle = now if self._loads is None else self._idle(number, 1, now)
        matcher.hold(agent, CHANNEL, 1, idle=idle)
        return number

    def free(self, agent: int, customer: int, now: int) -> int | None:
        """See :class:`Matching`."""
        del customer
        name, matcher = self._names[agent], self._matcher
        plain = self._loads is None
        matcher.free(name, CHANNEL, 1, idle=now if plain else self._idle(agent, -1, now))
        following = matcher.next_item(name, now) if matcher.items else None
        if following is None:
            return None
        matcher.drop(following)
        matcher.hold(name, CHANNEL, 1, idle=now if plain else self._idle(agent, 1, now))
        return int(following)

    def leave(self, customer: int, now: int) -> None:
        """See :class:`Matching`."""
        del now
        self._matcher.drop(str(customer))

    def _idle(self, agent: int, more: int, now: int) -> Any:
        """What orders an agent among others: how loaded, then since when untouched."""
        if self._loads is None:
            return now
        self._used[agent] += more
        return self._used[agent] * self._loads[agent], now


def _matcher(scenario: Scenario, replication: int) -> Matcher:
    if scenario.selection == "random_idle":
        chance = generator(scenario.seed, replication, "selection", 0)
        draw = chance.randrange
    else:
        draw = None
    weights = [round(item.weight * WEIGHT_UNIT) for item in scenario.classes]

    def urgency(asks: Asks, key: int, now: int) -> tuple[int, int]:
        return weights[int(asks.kind)] * ((key >> SERIAL_BITS) - now), key

    return Matcher(
        rank=_fit if scenario.selection == "best_skill" else None,
        urgency=urgency if scenario.order == "aging" else None,
        draw=draw,
    )


def _fit(profile: Profile, asks: Asks) -> int:
    """The higher the levels of what is asked for, the sooner."""
    levels = dict(profile.skills)
    return -sum(levels[name] for name, _ in asks.skills)
