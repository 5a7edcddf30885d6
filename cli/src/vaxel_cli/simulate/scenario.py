"""The scenario file: who arrives, who works, in what order, by which choice."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from vaxel_cli.simulate.distributions import Distribution, spelled
from vaxel_shared.config import source
from vaxel_shared.config.base import ConfigModel, Located
from vaxel_shared.config.document import ConfigError, Document, Problem

NAME = r"^[A-Za-z0-9][A-Za-z0-9_. -]{0,63}$"
TICKS_PER_UNIT = 1_000_000
"""The engine counts integer ticks: so many to the scenario's unit."""
TICKS_MAX = 2**53
"""Integers that the engine takes."""
HORIZON_MAX = TICKS_MAX // TICKS_PER_UNIT // 4
AGENTS_MAX = 100_000
Order = Literal["fifo", "priority", "aging"]
Selection = Literal["longest_idle", "least_loaded", "best_skill", "random_idle"]


def _levels(value: Any) -> Any:
    """``[a, b]`` as ``{a: 1, b: 1}``."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return dict.fromkeys(value, 1)
    return value


Level = Annotated[int, Field(ge=1, le=10)]
Skills = Annotated[dict[str, Level], BeforeValidator(_levels)]
"""Skills by level; a list means level 1 of each."""
Shape = Annotated[Distribution, BeforeValidator(spelled)]


class ClassShapes(ConfigModel):
    """A class has two times that may be other than exponential."""

    arrival: Shape = Distribution()
    """The time between two arrivals."""
    patience: Shape = Distribution()


def _class_shapes(value: Any) -> Any:
    """One shape alone is that of arrivals."""
    if isinstance(value, dict) and value and set(value) <= {"arrival", "patience"}:
        return value
    return {"arrival": value}


class CustomerClass(Located):
    """Customers who want the same and wait alike."""

    name: str = Field(pattern=NAME)
    arrival_rate: float = Field(ge=0, le=1e6, allow_inf_nan=False)
    requires: Skills = {}
    priority: int = Field(default=0, ge=-1000, le=1000)
    """Under ``order: priority``: the highest number first."""
    weight: float = Field(default=1.0, ge=0, le=1e6, allow_inf_nan=False)
    """Under ``order: aging``: the largest weight times wait first."""
    patience_mean: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Whoever isn't served by then gives up; null: nobody ever does."""
    distribution: Annotated[ClassShapes, BeforeValidator(_class_shapes)] = ClassShapes()


class AgentGroup(Located):
    """Agents who can do the same, equally fast."""

    name: str = Field(pattern=NAME)
    count: int = Field(default=1, ge=0, le=AGENTS_MAX)
    skills: Skills = {}
    service_rate: float = Field(gt=0, le=1e6, allow_inf_nan=False)
    """Works that one busy slot ends a unit of time."""
    slots: int = Field(default=1, ge=1, le=1000)
    """Works at once; each is worked on as fast as one alone."""
    distribution: Shape = Distribution()


class Scenario(ConfigModel):
    """The whole file. Times and rates are in ``unit``."""

    unit: Literal["s", "min"] = "s"
    horizon: float = Field(gt=0, le=HORIZON_MAX)
    """Each replication ends then; figures count from ``warmup`` to here."""
    replications: int = Field(default=1, ge=1, le=10_000)
    warmup: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    seed: int = 1
    classes: list[CustomerClass] = Field(min_length=1, max_length=1000)
    agents: list[AgentGroup] = Field(min_length=1, max_length=1000)
    order: Order = "fifo"
    selection: Selection = "longest_idle"
    queue_limit: int | None = Field(default=None, ge=0)
    service_level_within: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Left out: 20 seconds."""

    @property
    def within(self) -> float:
        """What a wait may be to count into the service level, in units."""
        if self.service_level_within is not None:
            return self.service_level_within
        return 20.0 if self.unit == "s" else 20.0 / 60.0

    @field_validator("warmup")
    @classmethod
    def _before_horizon(cls, value: float, info: ValidationInfo) -> float:
        if value >= info.data.get("horizon", math.inf):
            raise ValueError("not before horizon; make it shorter")
        return value

    @model_validator(mode="after")
    def _makes_sense(self) -> Scenario:
        for what, names in (
            ("classes", [item.name for item in self.classes]),
            ("agents", [item.name for item in self.agents]),
        ):
            if len(names) != len(set(names)):
                raise ValueError(f"two {what} have the same name; rename one")
        if sum(group.count for group in self.agents) > AGENTS_MAX:
            raise ValueError(f"more than {AGENTS_MAX} agents; simulate parts of them")
        return self

    def able(self, wanted: CustomerClass) -> list[int]:
        """The indexes of the groups whose agents may take a class, empty groups too."""
        return [
            index
            for index, group in enumerate(self.agents)
            if all(group.skills.get(skill, 0) >= level for skill, level in wanted.requires.items())
        ]

    def check_staff(self) -> None:
        """Raises ``ValueError`` where customers would wait for ever since nobody is there."""
        for item in self.classes:
            staff = sum(self.agents[group].count for group in self.able(item))
            if not staff and item.patience_mean is None and item.arrival_rate:
                raise ValueError(
                    f"nobody is there for {item.name!r} and it waits for ever: give it an agent"
                    " with all that it requires, or a patience_mean"
                )

    def staffed(self, counts: dict[str, int]) -> Scenario:
        """The same with other numbers of agents. Raises ``KeyError`` for a group there isn't."""
        known = {group.name for group in self.agents}
        for name in counts:
            if name not in known:
                raise KeyError(name)
        changed = [
            group.model_copy(update={"count": counts.get(group.name, group.count)})
            for group in self.agents
        ]
        return self.model_copy(update={"agents": changed})


def load(path: Path) -> Scenario:
    """Read a scenario. Raises :class:`ConfigError` with file, line and remedy."""
    return check(source.read(path))


def check(document: Document) -> Scenario:
    """A document as a scenario. Raises :class:`ConfigError` with file, line and remedy."""
    doubled = [*source.duplicates(document, ("classes",), "name")]
    doubled += source.duplicates(document, ("agents",), "name")
    if doubled:
        raise ConfigError(doubled)
    scenario = source.validate(Scenario, document)
    problems = _problems(scenario, document)
    if problems:
        raise ConfigError(problems)
    return scenario


def _problems(scenario: Scenario, document: Document) -> list[Problem]:
    found: list[Problem] = []
    held = {skill for group in scenario.agents for skill in group.skills}
    for index, item in enumerate(scenario.classes):
        unknown = [skill for skill in item.requires if skill not in held]
        place = ("classes", index, "requires")
        if unknown:
            meant = source.hint(unknown[0], sorted(held))
            found.append(document.problem(place, f"no agent has {unknown[0]!r}; {meant}"))
    if not found:
        try:
            scenario.check_staff()
        except ValueError as error:
            found.append(document.problem(("classes",), str(error)))
    return found
