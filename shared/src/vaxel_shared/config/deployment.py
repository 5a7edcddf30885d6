"""All files of a deployment together, and what must hold between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from vaxel_shared.clock import SystemClock
from vaxel_shared.config import sla, source
from vaxel_shared.config.channels import Channels
from vaxel_shared.config.connectors import Connectors
from vaxel_shared.config.document import ConfigError, Document, Path_, Problem
from vaxel_shared.config.expressions import FaultyRulesError, RuleBook
from vaxel_shared.config.roster import Roster
from vaxel_shared.config.routing import Pool, Routing, detours, pool_policy
from vaxel_shared.config.sla import Sla
from vaxel_shared.config.sla_lint import errors
from vaxel_shared.config.source import hint

M = TypeVar("M", bound=BaseModel)

_UNIQUE: Mapping[str, tuple[tuple[Path_, str, Callable[[str], str]], ...]] = {
    "channels": ((("accounts",), "id", str), (("accounts",), "address", str.lower)),
    "routing": (
        (("pools",), "name", str),
        (("pools",), "letter", str),
        (("rules",), "id", str),
    ),
    "roster": ((("agents",), "id", str), (("agents",), "email", str.lower)),
}
"""What must differ between the items of a list. The models hold most of it too, without lines."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """The checked configuration."""

    channels: Channels
    routing: Routing
    roster: Roster
    connectors: Connectors
    documents: Mapping[str, Document] = field(default_factory=dict, compare=False, repr=False)
    """Each file as it was read, by name without ``.yaml``: for problems found later."""
    sla: Sla = sla.EMPTY
    """Without a file there are no clocks."""


def load(folder: Path) -> Deployment:
    """Read and check ``folder``, rules included.

    Raises :class:`ConfigError` with every problem found, by file and line.
    """
    problems: list[Problem] = []
    documents: dict[str, Document] = {}

    def one(name: str, model: type[M]) -> M | None:
        try:
            document = documents[name] = source.read(folder / f"{name}.yaml")
            if doubled := _duplicates(name, document):
                problems.extend(doubled)
                return None
            return source.validate(model, document)
        except ConfigError as error:
            problems.extend(error.problems)
            return None

    channels, routing = one("channels", Channels), one("routing", Routing)
    roster, connectors = one("roster", Roster), one("connectors", Connectors)
    promises = _sla(folder / sla.FILE, problems)
    if channels is None or routing is None or roster is None or connectors is None or problems:
        raise ConfigError(problems)
    loaded = Deployment(channels, routing, roster, connectors, documents, promises)
    problems = between(loaded)
    if problems:
        raise ConfigError(problems)
    return loaded


def between(loaded: Deployment) -> list[Problem]:
    """What doesn't hold between files that are right by themselves; ``load`` raises these."""
    return [
        *_check_promises(loaded),
        *_check_accounts(loaded),
        *_check_rules(loaded),
        *_check_languages(loaded),
        *_check_detours(loaded),
        *_check_hours(loaded),
        *_check_leases(loaded),
        *_check_agents(loaded),
    ]


def _duplicates(name: str, document: Document) -> list[Problem]:
    return [
        problem
        for path, key, same in _UNIQUE.get(name, ())
        for problem in source.duplicates(document, path, key, same)
    ]


def _sla(path: Path, problems: list[Problem]) -> Sla:
    """``sla.yaml`` if there is one; what is wrong with it is added to ``problems``."""
    if not path.exists():
        return sla.EMPTY
    try:
        found = sla.load(path)
    except ConfigError as error:
        problems.extend(error.problems)
        return sla.EMPTY
    problems.extend(errors(found, SystemClock().wall_ms()))
    return found


def _check_promises(loaded: Deployment) -> list[Problem]:
    """Policies for a pool or queue that doesn't exist."""
    pools = loaded.routing.pools
    known = {
        "pool": [pool.name for pool in pools],
        "queue": sorted({queue.name for pool in pools for queue in pool.queues}),
    }
    return [
        loaded.sla.document.problem(
            ("policies", index, "when", key),
            f"no {key} {name!r} in routing.yaml; {hint(name, names)}",
        )
        for index, policy in enumerate(loaded.sla.file.policies)
        for key, names in known.items()
        for name in getattr(policy.when, key)
        if name not in names
    ]


def _check_accounts(loaded: Deployment) -> list[Problem]:
    """Accounts whose pool or queue doesn't exist."""
    problems: list[Problem] = []
    document = loaded.documents["channels"]
    pools = {pool.name: [queue.name for queue in pool.queues] for pool in loaded.routing.pools}
    for index, account in enumerate(loaded.channels.accounts):
        known = pools.get(account.pool)
        if known is None:
            message = f"no pool {account.pool!r} in routing.yaml; {hint(account.pool, [*pools])}"
            problems.append(document.problem(("accounts", index, "pool"), message))
        elif account.queue not in known:
            message = f"no queue {account.queue!r} in pool {account.pool!r}; "
            message += hint(account.queue, known)
            problems.append(document.problem(("accounts", index, "queue"), message))
    return problems


def _check_rules(loaded: Deployment) -> list[Problem]:
    """Rules whose expression can't be used, or whose queue doesn't exist."""
    document, rules = loaded.documents["routing"], loaded.routing.rules
    problems: list[Problem] = []
    try:
        RuleBook(rules)
    except FaultyRulesError as error:
        problems += [
            document.problem(("rules", fault.index, "when"), fault.message)
            for fault in error.faults
        ]
    queues = sorted({queue.name for pool in loaded.routing.pools for queue in pool.queues})
    for index, rule in enumerate(rules):
        if rule.set.queue is not None and rule.set.queue not in queues:
            message = f"no queue {rule.set.queue!r} in any pool; {hint(rule.set.queue, queues)}"
            problems.append(document.problem(("rules", index, "set", "queue"), message))
    return problems


def _check_languages(loaded: Deployment) -> list[Problem]:
    """Fallbacks to a language that the deployment doesn't answer in."""
    document, known = loaded.documents["routing"], loaded.channels.languages
    problems: list[Problem] = []
    for pool_index, pool in enumerate(loaded.routing.pools):
        for index, queue in enumerate(pool.queues):
            to = queue.language_fallback.to if queue.language_fallback else []
            path = ("pools", pool_index, "queues", index, "language_fallback", "to")
            for tag in to:
                if tag not in known:
                    message = f"{tag!r} is none of the languages in channels.yaml; "
                    problems.append(document.problem(path, message + hint(tag, known)))
    return problems


def _check_detours(loaded: Deployment) -> list[Problem]:
    """Queues that work is to go to, and that don't exist or are the very same."""
    document, problems = loaded.documents["routing"], []
    for pool_index, pool in enumerate(loaded.routing.pools):
        known = [queue.name for queue in pool.queues]
        for index, queue in enumerate(pool.queues):
            for inner, to in detours(queue):
                message = None
                if to not in known:
                    message = f"no queue {to!r} in pool {pool.name!r}; {hint(to, known)}"
                elif to == queue.name:
                    message = f"{to!r} is this very queue; name another"
                if message is not None:
                    path = ("pools", pool_index, "queues", index, *inner)
                    problems.append(document.problem(path, message))
    return problems


def _check_hours(loaded: Deployment) -> list[Problem]:
    """Queues with the hours of a calendar that doesn't exist."""
    document, known = loaded.documents["routing"], [*loaded.sla.calendars]
    return [
        document.problem(
            ("pools", pool_index, "queues", index, "hours", "calendar"),
            f"no calendar {queue.hours.calendar!r} in {sla.FILE}; "
            f"{hint(queue.hours.calendar, known)}",
        )
        for pool_index, pool in enumerate(loaded.routing.pools)
        for index, queue in enumerate(pool.queues)
        if queue.hours is not None and queue.hours.calendar not in known
    ]


def _check_leases(loaded: Deployment) -> list[Problem]:
    """Leases by a calendar that doesn't exist."""
    document, known = loaded.documents["routing"], [*loaded.sla.calendars]
    return [
        document.problem(
            ("pools", index, "lease_hours", channel),
            f"no calendar {name!r} in {sla.FILE}; {hint(name, known)}",
        )
        for index, pool in enumerate(loaded.routing.pools)
        for channel, name in sorted(pool.lease_hours.items())
        if name not in known
    ]


def policy_blob(loaded: Deployment, pool: Pool) -> bytes:
    """A pool's policy, with the hours of its queues and of its agents' shifts in it."""
    names = {queue.hours.calendar for queue in pool.queues if queue.hours is not None}
    names |= {*pool.lease_hours.values()}
    team = loaded.roster.of_pool(pool.name)
    shifts = {agent.shift for agent in team if agent.shift is not None}
    calendars = loaded.sla.calendars
    openings = {name: sla.opening(calendars[name]) for name in sorted(names | shifts)}
    return pool_policy(pool, openings, shifts)


def _check_agents(loaded: Deployment) -> list[Problem]:
    """Agents whose pool doesn't exist, or whose backup or queue isn't in it."""
    document = loaded.documents["roster"]
    pools = [pool.name for pool in loaded.routing.pools]
    teams = {pool: [agent.id for agent in loaded.roster.of_pool(pool)] for pool in pools}
    alone = [
        document.problem(
            ("agents", index, "backup"),
            f"no other agent {agent.backup!r} in pool {agent.pool!r}; "
            + hint(agent.backup, [one for one in teams.get(agent.pool, []) if one != agent.id]),
        )
        for index, agent in enumerate(loaded.roster.agents)
        if agent.backup is not None
        and (agent.backup == agent.id or agent.backup not in teams.get(agent.pool, []))
    ]
    calendars = [*loaded.sla.calendars]
    timeless = [
        document.problem(
            ("agents", index, "shift"),
            f"no calendar {agent.shift!r} in sla.yaml; {hint(agent.shift, calendars)}",
        )
        for index, agent in enumerate(loaded.roster.agents)
        if agent.shift is not None and agent.shift not in calendars
    ]
    queues = {pool.name: [queue.name for queue in pool.queues] for pool in loaded.routing.pools}
    nowhere = [
        document.problem(
            ("agents", index, "queue_order"),
            f"no queue {name!r} in pool {agent.pool!r}; {hint(name, queues[agent.pool])}",
        )
        for index, agent in enumerate(loaded.roster.agents)
        for name in agent.queue_order
        if name not in queues.get(agent.pool, [name])
    ]
    return (
        alone
        + timeless
        + nowhere
        + [
            document.problem(
                ("agents", index, "pool"),
                f"no pool {agent.pool!r} in routing.yaml; {hint(agent.pool, pools)}",
            )
            for index, agent in enumerate(loaded.roster.agents)
            if agent.pool not in pools
        ]
    )
