"""What a queue or a rule asks for besides: ranges that are none, lapses and wishes of nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from vaxel_cli.policy.deck import Deck, Seat, may_reach
from vaxel_cli.policy.findings import Finding, at
from vaxel_shared import needs
from vaxel_shared.config.document import Path_
from vaxel_shared.config.routing import Queue, Rule, RuleSet, Step


class Asking(Protocol):
    """A queue, a step, or what a rule sets."""

    @property
    def skills(self) -> Mapping[str, int] | None:
        """The least levels."""

    @property
    def at_most(self) -> Mapping[str, int] | None:
        """The highest levels."""


def asked_by(one: Queue | Step | RuleSet) -> set[str]:
    """The skills that a queue, a step or a rule speaks of."""
    names = {*(one.skills or ()), *(one.at_most or ())}
    names |= {*needs.skills(needs.parse(one.needs))} if one.needs else set()
    return names if isinstance(one, Step) else names | one.wishes.keys()


def findings(deck: Deck) -> Iterator[Finding]:
    """Everything about limits, lapses and wishes."""
    for seat in deck.seats:
        for number, queue in enumerate(seat.pool.queues):
            path = seat.queue_path(number)
            yield from _range(deck, path, queue)
            yield from _names(deck, seat, path, queue)
            yield from _promise(deck, seat, path, queue)
            for place, step in enumerate(queue.steps):
                yield from _range(deck, (*path, "steps", place), step)
                yield from _names(deck, seat, (*path, "steps", place), step)
            yield from _lapses(deck, path, queue.lapse_ms, _required(deck, queue))
            yield from _wishes(deck, (seat,), path, queue.wishes)
    for number, rule in enumerate(deck.loaded.routing.rules):
        path = ("rules", number, "set")
        seats = [seat for seat in deck.seats if any(may_reach(rule, q) for q in seat.pool.queues)]
        asked = {name for seat in seats for name in _of_rule(seat, rule)}
        yield from _range(deck, path, rule.set)
        yield from _lapses(deck, path, rule.set.lapse_ms, asked)
        yield from _wishes(deck, seats, path, rule.set.wishes)


def _of_rule(seat: Seat, rule: Rule) -> set[str]:
    queues = [queue for queue in seat.pool.queues if may_reach(rule, queue)]
    return asked_by(rule.set).union(*map(_of_queue, queues))


def _of_queue(queue: Queue) -> set[str]:
    return asked_by(queue).union(*map(asked_by, queue.steps))


def _required(deck: Deck, queue: Queue) -> set[str]:
    """The skills that works of a queue may be asking for."""
    rules = [rule for rule in deck.loaded.routing.rules if may_reach(rule, queue)]
    return _of_queue(queue).union(*(asked_by(rule.set) for rule in rules))


def _range(deck: Deck, path: Path_, one: Asking) -> Iterator[Finding]:
    for skill, most in (one.at_most or {}).items():
        least = (one.skills or {}).get(skill, 0)
        if least > most:
            text = f"{skill!r} is wanted from level {least}, and at most {most}: nobody is both; "
            text += "raise at_most, or lower the level"
            yield at(deck.routing, (*path, "at_most", skill), "error", "range_empty", text)


def _names(deck: Deck, seat: Seat, path: Path_, one: Queue | Step) -> Iterator[Finding]:
    """Agents whom the policy names and the pool doesn't have."""
    known = {agent.id for agent in seat.team.agents}
    for key in ("only", "without", "prefer"):
        for place, agent_id in enumerate(getattr(one, key, None) or ()):
            if agent_id not in known:
                text = f"there is no agent {agent_id!r} in pool {seat.pool.name!r}; name one of "
                text += "roster.yaml, by id"
                where = (*path, key, agent_id if key == "prefer" else place)
                yield at(deck.routing, where, "error", "agent_unknown", text)


def _promise(deck: Deck, seat: Seat, path: Path_, queue: Queue) -> Iterator[Finding]:
    """A promise that orders nothing."""
    if queue.promise is not None and seat.pool.order.by != "promise":
        text = "this orders nothing: the pool's order goes by "
        text += f"{seat.pool.order.by}; say `order: {{by: promise}}`, or delete it"
        yield at(deck.routing, (*path, "promise"), "warning", "promise_unused", text)


def _lapses(
    deck: Deck, path: Path_, lapses: Mapping[str, int], asked: set[str]
) -> Iterator[Finding]:
    for skill in lapses:
        if skill not in asked:
            text = f"nothing here asks for {skill!r}, so it can't lapse; ask for it, or delete this"
            yield at(deck.routing, (*path, "lapse", skill), "warning", "lapse_of_nothing", text)


def _wishes(
    deck: Deck, seats: tuple[Seat, ...] | list[Seat], path: Path_, wishes: Mapping[str, int]
) -> Iterator[Finding]:
    agents = [agent for seat in seats for agent in seat.team.agents]
    for skill in wishes:
        if agents and not any(skill in agent.skills for agent in agents):
            text = f"nobody has {skill!r}, so wishing for it changes nothing; give it to somebody "
            text += "in roster.yaml, or delete it"
            yield at(deck.routing, (*path, "wishes", skill), "warning", "wish_nobody_has", text)
