"""All files of a deployment together, and what must hold between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from vaxel_shared.config import source
from vaxel_shared.config.channels import Channels
from vaxel_shared.config.connectors import Connectors
from vaxel_shared.config.roster import Roster
from vaxel_shared.config.routing import Routing
from vaxel_shared.config.source import ConfigError, Document, Problem

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Deployment:
    """The checked configuration."""

    channels: Channels
    routing: Routing
    roster: Roster
    connectors: Connectors
    documents: Mapping[str, Document] = field(default_factory=dict, compare=False, repr=False)
    """Each file as it was read, by name without ``.yaml``: for problems found later."""


def load(folder: Path) -> Deployment:
    """Read and check ``folder``. Raises :class:`ConfigError` with every problem found."""
    problems: list[Problem] = []
    documents: dict[str, Document] = {}

    def one(name: str, model: type[M]) -> M | None:
        try:
            documents[name] = source.read(folder / f"{name}.yaml")
            return source.validate(model, documents[name])
        except ConfigError as error:
            problems.extend(error.problems)
            return None

    channels, routing = one("channels", Channels), one("routing", Routing)
    roster, connectors = one("roster", Roster), one("connectors", Connectors)
    if channels is None or routing is None or roster is None or connectors is None:
        raise ConfigError(problems)
    problems = _cross_check(documents, channels, routing, roster)
    if problems:
        raise ConfigError(problems)
    return Deployment(channels, routing, roster, connectors, documents)


def _hint(wrong: str, known: list[str]) -> str:
    close = get_close_matches(wrong, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known) or 'none'}"


def _cross_check(
    documents: dict[str, Document], channels: Channels, routing: Routing, roster: Roster
) -> list[Problem]:
    """References between the files that lead nowhere."""
    problems: list[Problem] = []
    pools = {pool.name: [queue.name for queue in pool.queues] for pool in routing.pools}
    for index, account in enumerate(channels.accounts):
        path = ("accounts", index)
        if account.pool not in pools:
            message = (
                f"no pool {account.pool!r} in routing.yaml; {_hint(account.pool, list(pools))}"
            )
            problems.append(documents["channels"].problem((*path, "pool"), message))
        elif account.queue not in pools[account.pool]:
            known = pools[account.pool]
            message = f"no queue {account.queue!r} in pool {account.pool!r}; "
            message += _hint(account.queue, known)
            problems.append(documents["channels"].problem((*path, "queue"), message))
    all_queues = sorted({name for names in pools.values() for name in names})
    for index, rule in enumerate(routing.rules):
        if rule.set.queue is not None and rule.set.queue not in all_queues:
            message = (
                f"no queue {rule.set.queue!r} in any pool; {_hint(rule.set.queue, all_queues)}"
            )
            problems.append(documents["routing"].problem(("rules", index, "set", "queue"), message))
    for index, agent in enumerate(roster.agents):
        if agent.pool not in pools:
            message = f"no pool {agent.pool!r} in routing.yaml; {_hint(agent.pool, list(pools))}"
            problems.append(documents["roster"].problem(("agents", index, "pool"), message))
    return problems
