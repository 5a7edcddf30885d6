"""Matching as one would write it first: everybody is looked at for everything, each time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vaxel_router.core.matching import PREDICATES, Asks, Profile, Rejection, lasting


@dataclass
class Person:
    profile: Profile
    presence: str
    idle: int
    hands: list[tuple[str, int]] = field(default_factory=list)
    """(channel, cost) of all in hand."""
    closed: frozenset[str] = frozenset()
    stop: str = ""
    turn: int = 0


@dataclass
class Thing:
    id: str
    asks: Asks
    key: int
    barred: dict[str, int]
    prefer: str | None
    until: int


class Oracle:
    """The same questions as :class:`Matcher`, answered by looking."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.things: dict[str, Thing] = {}

    def rules_out(self, name: str, thing: Thing, now: int) -> str | None:
        """The first predicate that fails."""
        why = self.why(name, thing, now)
        return None if why is None else why[0]

    def why(self, name: str, thing: Thing, now: int) -> Rejection | None:
        """The first predicate that fails, and what it was about."""
        person = self.people[name]
        why = lasting(person.profile, thing.asks)
        if why is not None:
            return why
        if person.presence != "available":
            return f"presence_{person.presence}", {}
        if thing.asks.channel in person.closed:
            return "channel_off", {"channel": thing.asks.channel}
        if thing.barred.get(name, 0) > now:
            return "barred", {"until_ms": thing.barred[name]}
        if self.is_held(thing, now) and thing.prefer != name:
            return "reserved_for_other", {"until_ms": thing.until}
        if person.stop:
            return person.stop, {}
        cost, most = next(
            (c[1], c[2]) for c in person.profile.channels if c[0] == thing.asks.channel
        )
        if sum(channel == thing.asks.channel for channel, _ in person.hands) >= most:
            return "channel_full", {"channel": thing.asks.channel, "max": most}
        yields = dict(person.profile.yields)
        channel = thing.asks.channel
        used = sum(cost for c, cost in person.hands if channel not in yields.get(c, ()))
        if used + cost > person.profile.capacity:
            return "capacity_full", {"used": used, "capacity": person.profile.capacity}
        return None

    def is_held(self, thing: Thing, now: int) -> bool:
        preferred = self.people.get(thing.prefer or "")
        return (
            preferred is not None
            and thing.prefer is not None
            and thing.until > now
            and preferred.presence in ("available", "lost")
            and thing.asks.channel not in preferred.closed
            and thing.barred.get(thing.prefer, 0) <= now
            and lasting(preferred.profile, thing.asks) is None
        )

    def able(self, thing: Thing, now: int) -> list[tuple[Any, ...]]:
        """Who may take it, the best first."""
        return sorted(
            (name != thing.prefer, *self.rank(person, thing), person.idle, name)
            for name, person in self.people.items()
            if self.rules_out(name, thing, now) is None
        )

    def rank(self, person: Person, thing: Thing) -> tuple[Any, ...]:
        """What goes before idleness."""
        extra, skills = thing.asks.extra, dict(person.profile.skills)
        if extra is None:
            return (person.profile.tier,)
        prefer = dict(extra.prefer).get(person.profile.name, 0)
        wished = sum(weight * skills.get(name, 0) for name, weight in extra.wishes)
        waste = self.waste(person, thing) if extra.spare else 0
        load = sum(cost for _, cost in person.hands) * 1_000 // max(person.profile.capacity, 1)
        keys = {"": 0, "round_robin": person.turn, "least_loaded": load, "most_loaded": -load}
        return (-prefer, person.profile.tier, -wished, waste, keys[extra.choice])

    def waste(self, person: Person, thing: Thing) -> int:
        """What of a person such a thing doesn't need, the rarer the more."""
        assert thing.asks.extra is not None
        words = thing.asks.extra.needs.replace("(", " ").replace(")", " ").split()
        needed = {*dict(thing.asks.skills), *dict(thing.asks.extra.wishes), *words}
        everybody = [one.profile for one in self.people.values()]
        skills = [name for name in dict(person.profile.skills) if name not in needed]
        spoken = [tag for tag in person.profile.languages if tag not in thing.asks.languages]
        return sum(
            1_000 // sum(name in dict(p.skills) for p in everybody) for name in skills
        ) + sum(1_000 // sum(tag in p.languages for p in everybody) for tag in spoken)

    def choose(self, item_id: str, now: int) -> str | None:
        able = self.able(self.things[item_id], now)
        return able[0][-1] if able else None

    def is_tied(self, item_id: str, now: int) -> bool:
        able = self.able(self.things[item_id], now)
        return len(able) > 1 and able[0][:-1] == able[1][:-1]

    def next_item(self, name: str, now: int) -> str | None:
        mine = [
            thing
            for thing in self.things.values()
            if name in self.people and self.rules_out(name, thing, now) is None
        ]
        if not mine:
            return None
        order = self.people[name].profile.order
        places = {kind: place for place, kind in enumerate(order)}
        return min(mine, key=lambda one: (places.get(one.asks.kind, 99), one.key)).id

    def codes(self, item_id: str, now: int) -> dict[str, int]:
        """How many each predicate rules out first, and how many none ("")."""
        found: dict[str, int] = {}
        for name in self.people:
            code = self.rules_out(name, self.things[item_id], now) or ""
            found[code] = found.get(code, 0) + 1
        return found

    def nearest(self, item_id: str, now: int) -> list[tuple[str, str, dict[str, Any]]]:
        """All who are ruled out, the nearest first."""
        found = []
        for name, person in self.people.items():
            why = self.why(name, self.things[item_id], now)
            if why is not None:
                found.append((-PREDICATES.index(why[0]), person.profile, name, *why))
        return [
            (name, code, params) for _, _, name, code, params in sorted(found, key=lambda f: f[:3])
        ]
