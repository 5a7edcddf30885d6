"""What waits and who is free, as one problem for :mod:`vaxel_router.core.matching.best`.

Only what can matter is taken in: of items alike as many as there is room for, of agents alike as
many as there are items. Pairs are those that the matcher itself allows; what a pair costs is what
the matcher puts agents in order by, each term summed over all pairs, the terms in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from vaxel_router.core.matching import ranked
from vaxel_router.core.matching.best import Place, Problem
from vaxel_router.core.matching.classes import Asked, Crew, Item, Seat
from vaxel_router.core.matching.matcher import Matcher

TERMS = ("sticky", "preferred", "tier", "wished", "spare_skill", "turn", "load", "next", "idle")
"""In their order; ``next``: how many the agent was given before in the same cycle."""
TERM_BITS = 72
"""Of each term in a cost: sums of thousands of scores fit beside each other."""
UNIT = {term: TERM_BITS * place for place, term in enumerate(reversed(TERMS))}

PAIRS_MAX = 100_000
"""Kinds times agents, and items: what is built, and looked at, stays small."""

Most = Callable[[str], tuple[int | None, int | None]]
"""How many more an agent may have, whatever fits, surely and at best; None: as many as fit."""


class TooMany(Exception):
    """There is more than one problem may hold."""


class Together(NamedTuple):
    """A problem, and whom its numbers mean."""

    problem: Problem
    items: list[str]
    agents: list[str]
    roomier: Problem | None
    """The same as if whatever an agent has room for were of the cheapest channel, where items cost
    an agent more or less: it serves at least as many as anybody could. None: it is the same."""


class _Kind(NamedTuple):
    """What items have in common that are alike to all who are free."""

    asked: Asked
    prefer: str | None
    barred: tuple[str, ...]
    is_held: bool


class _Room(NamedTuple):
    """How many more an agent takes: of each channel, and in all whatever they are, or at best."""

    channels: dict[str, int]
    surely: int
    at_best: int


def gather(matcher: Matcher, most: Most) -> Together | None:
    """What can be matched now; None: nothing. Raises :class:`TooMany`."""
    crews = [(crew, some) for crew in matcher.open_crews() if (some := matcher.waiting_for(crew))]
    classes = {asked.index: asked for _, some in crews for asked in some}
    held = matcher.held_now()
    waiting = len(held) + sum(len(asked.items) for asked in classes.values())
    free = _free(matcher, [crew for crew, _ in crews], list(classes.values()), waiting)
    free.update({item.prefer: matcher.seats[item.prefer] for item in held if item.prefer})
    if not free:
        return None
    names = sorted(free)
    rooms = [_room(free[name], most(name), waiting) for name in names]
    slots = sum(room.at_best for room in rooms)
    items = [*held]
    for asked in classes.values():
        items += _first_items(matcher, asked, free, slots)
        if len(items) > PAIRS_MAX:
            raise TooMany
    items.sort(key=lambda item: item.key)
    return _Builder(matcher, [free[name] for name in names], rooms).build(items)


def _free(
    matcher: Matcher, crews: list[Crew], classes: list[Asked], waiting: int
) -> dict[str, Seat]:
    """Who may be best for any of so many items, by every order that is asked for.

    Of a crew no more than there are items; but whom some of them may not go to takes no place, and
    whom one prefers is always among them.
    """
    choices = {one.asks.extra.choice for one in classes if one.asks.extra is not None}
    orders, least = sorted({"", *choices}), waiting
    preferred: set[str] = set()
    if any(crew.size > waiting for crew in crews):
        items = [item for asked in classes for item in asked.items.values()]
        least += len({name for item in items for name in item.barred})
        preferred = {item.prefer for item in items if item.prefer is not None}
    found: dict[str, Seat] = {}
    for crew in crews:
        for order in orders:
            names = ranked.first_some(matcher, crew, order, least)
            found.update((name, matcher.seats[name]) for name in names)
        if len(found) > PAIRS_MAX:
            raise TooMany
    open_ = {*crews}
    for name in sorted(preferred):
        seat = matcher.seats.get(name)
        if seat is not None and seat.crew in open_:
            found[name] = seat
    return found


def _first_items(
    matcher: Matcher, asked: Asked, free: dict[str, Seat], count: int
) -> Iterator[Item]:
    """So many of a class that are barred from nobody, and whatever goes before them."""
    for item in asked.in_order():
        yield item
        count -= not (item.barred and _barred(matcher, item, free))
        if count <= 0:
            return


def _barred(matcher: Matcher, item: Item, free: dict[str, Seat]) -> tuple[str, ...]:
    """Of those who are free, those whom an item may not go to for now."""
    now = matcher.now
    return tuple(sorted(n for n, until in item.barred.items() if until > now and n in free))


def _room(seat: Seat, most: tuple[int | None, int | None], waiting: int) -> _Room:
    profile = seat.brought.profile
    channels, costs = {}, []
    for name, cost, limit in profile.channels:
        if name in seat.crew.open:
            count = limit - seat.count(name)
            if cost:
                count = min(count, (profile.capacity - seat.used_for(name)) // cost)
            channels[name] = count
            costs.append(cost)
    surely = at_best = min(sum(channels.values()), waiting)
    if seat.brought.aside:
        surely = 1
    elif max(costs):
        left = profile.capacity - seat.used
        surely = min(surely, left // max(costs))
        at_best = min(at_best, left // min(costs)) if min(costs) else at_best
    surely, at_best = (
        count if limit is None else min(count, limit)
        for count, limit in zip((surely, at_best), most, strict=True)
    )
    return _Room(channels, max(surely, 1), max(at_best, 1))


class _Builder:
    """Numbers for everything: items by the order of service, agents and places by ids."""

    def __init__(self, matcher: Matcher, seats: list[Seat], rooms: list[_Room]) -> None:
        self._matcher = matcher
        self._seats = seats
        self._by_name = {seat.id: seat for seat in seats}
        self._rooms = rooms
        self._places: list[Place] = []
        self._place_of: list[dict[str, int]] = []
        for agent, room in enumerate(rooms):
            begin = len(self._places)
            self._place_of.append({name: begin + at for at, name in enumerate(room.channels)})
            self._places += [Place(agent, count) for count in room.channels.values()]
        self._ranks: dict[tuple[int, int], int] = {}

    def build(self, items: list[Item]) -> Together:
        """The problem. Raises :class:`TooMany`."""
        kinds: dict[_Kind, int] = {}
        costs: list[dict[int, int]] = []
        numbers = []
        for item in items:
            kind = self._kind(item)
            number = kinds.get(kind)
            if number is None:
                number = kinds[kind] = len(costs)
                costs.append(self._costs(kind))
                if len(costs) * len(self._seats) > PAIRS_MAX:
                    raise TooMany
            numbers.append(number)
        agents = [
            _each(seat.idle, room.surely)
            for seat, room in zip(self._seats, self._rooms, strict=True)
        ]
        problem = Problem(numbers, costs, self._places, agents)
        roomier = None
        if any(room.at_best > room.surely for room in self._rooms):
            free = [dict.fromkeys(some, 0) for some in costs]
            wide = [[0] * room.at_best for room in self._rooms]
            roomier = Problem(numbers, free, self._places, wide)
        return Together(problem, [i.id for i in items], [s.id for s in self._seats], roomier)

    def _kind(self, item: Item) -> _Kind:
        matcher, prefer = self._matcher, item.prefer
        if prefer not in self._by_name:
            prefer = None
        barred = _barred(matcher, item, self._by_name) if item.barred else ()
        return _Kind(item.asked, prefer, barred, item.place is not item.asked)

    def _costs(self, kind: _Kind) -> dict[int, int]:
        """By place, for all who may take such an item."""
        asked, channel = kind.asked, kind.asked.asks.channel
        extra = asked.asks.extra
        choice = extra.choice if extra is not None else ""
        found = {}
        for agent, seat in enumerate(self._seats):
            if asked.index not in seat.crew.row.members or seat.id in kind.barred:
                continue
            if kind.is_held and seat.id != kind.prefer:
                continue
            cost = self._rank(asked, seat)
            if seat.id != kind.prefer:
                cost += 1 << UNIT["sticky"]
            if choice:
                code = "turn" if choice == "round_robin" else "load"
                cost += ranked.KEYS[choice](seat)[0] << UNIT[code]
            found[self._place_of[agent][channel]] = cost
        return found

    def _rank(self, asked: Asked, seat: Seat) -> int:
        """What the profile counts for."""
        key = asked.index, seat.brought.slot
        cost = self._ranks.get(key)
        if cost is None:
            rarity = self._matcher.rarity()
            terms = ranked.terms_of(seat.brought.profile, asked.asks, rarity)
            cost = self._ranks[key] = sum(by << UNIT[code] for code, _, by in terms)
        return cost


def _each(idle: int, count: int) -> list[int]:
    """What the first costs an agent, the second, and so on: it is others' turn then."""
    return [idle, *(number << UNIT["next"] for number in range(1, count))]
