"""A deployment laid out for checking: each pool with its team and what may reach its queues."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vaxel_cli.policy.team import Contact, Team
from vaxel_router.core import wants
from vaxel_shared.config.deployment import Deployment
from vaxel_shared.config.document import Document, Path_
from vaxel_shared.config.routing import Pool, Queue, Rule

Demand = tuple[dict[str, int], wants.Wants | None]
"""Skills, and what is asked for besides."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A pool in its place."""

    index: int
    pool: Pool
    team: Team
    channels: tuple[str, ...]
    """Those of its accounts, in their order."""
    defaults: frozenset[tuple[str, str]]
    """(queue, channel) of its accounts."""

    def queue_path(self, index: int) -> Path_:
        """Where a queue stands in ``routing.yaml``."""
        return ("pools", self.index, "queues", index)


class Deck:
    """What all checks look at."""

    def __init__(self, loaded: Deployment) -> None:
        self.loaded = loaded
        self.seats = [_seat(loaded, index) for index in range(len(loaded.routing.pools))]

    @property
    def routing(self) -> Document:
        """``routing.yaml``."""
        return self.loaded.documents["routing"]

    @property
    def roster(self) -> Document:
        """``roster.yaml``."""
        return self.loaded.documents["roster"]

    @property
    def channels(self) -> Document:
        """``channels.yaml``."""
        return self.loaded.documents["channels"]

    def demands(self, queue: Queue) -> list[Demand]:
        """What contacts come to a queue with: nothing, and what each rule asks for."""
        found: list[Demand] = [({}, None)]
        for rule in self.loaded.routing.rules:
            asked = demand(rule)
            if may_reach(rule, queue) and asked not in found:
                found.append(asked)
        return found

    def contacts(self, seat: Seat, queue: Queue) -> Iterator[Contact]:
        """Every kind of contact that may come to a queue, as far as the files tell."""
        languages: list[tuple[str, ...]] = [()]
        if not queue.automatic:  # whoever reads automatic mail need not know its language
            languages += [(tag,) for tag in self.loaded.channels.languages]
        for channel in channels_of(seat, queue):
            for spoken in languages:
                for skills, own in self.demands(queue):
                    yield Contact(channel, skills, spoken, own)


def channels_of(seat: Seat, queue: Queue) -> tuple[str, ...]:
    """The channels whose contacts come to a queue: nobody's mail comes by mail, if there is any."""
    if queue.automatic and "email" in seat.channels:
        return ("email",)
    return seat.channels


def demand(rule: Rule) -> Demand:
    """What a rule asks for."""
    return rule.set.skills, wants.of(rule.set.model_dump())


def may_reach(rule: Rule, queue: Queue) -> bool:
    """Whether a rule can hold for a contact of this queue: it names it, or none."""
    return rule.set.queue in (None, queue.name)


def _seat(loaded: Deployment, index: int) -> Seat:
    pool = loaded.routing.pools[index]
    accounts = [item for item in loaded.channels.accounts if item.pool == pool.name]
    return Seat(
        index,
        pool,
        Team(pool, loaded.roster.of_pool(pool.name)),
        tuple(dict.fromkeys(item.channel for item in accounts)),
        frozenset((item.queue, item.channel) for item in accounts),
    )
