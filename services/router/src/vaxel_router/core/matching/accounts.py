"""Why somebody takes an item and others don't: how many each predicate rules out, and the nearest.

Counted by class, from sums that are kept as agents move: the answer is the one that asking each
agent would give, without asking. Agents are *near* who fail a late predicate; among those, in the
order of profiles, then of ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from heapq import heappop, heappush
from itertools import islice
from typing import Any

from vaxel_router.core.matching.classes import Asked, Brought, Crew, Item
from vaxel_router.core.matching.matcher import Matcher
from vaxel_router.core.matching.predicates import NEARNESS, lasting
from vaxel_router.core.matching.table import FIELD, MASK, STATES

Near = tuple[str, str, dict[str, Any]]
"""(agent, predicate, what it was about)."""

FULL = ("capacity_full", "channel_full", "offers_full", "occupancy_full", "share_full", "resting")
"""What rules somebody out for whom an item is held all the same."""
_nearness = NEARNESS.__getitem__


class Account:
    """One item's, at the matcher's present instant; to be read before anything changes."""

    def __init__(self, matcher: Matcher, item_id: str) -> None:
        self._matcher = matcher
        self._item = matcher.items[item_id]
        self._barred = _barred(matcher, self._item) if self._item.barred else []
        self._held = matcher.is_held(item_id)
        self.candidates = len(matcher.seats)
        passing = self._passing()
        self.eligible = passing.pop("", 0)
        self.by_code = dict(_lasting(matcher, self._item.asked)[0])
        """How many each predicate rules out first, in the order of predicates: lasting ones are."""
        self._near_codes = sorted(filter(passing.get, passing), key=_nearness, reverse=True)
        for code in reversed(self._near_codes):
            self.by_code[code] = passing[code]

    def nearest(self, most: int) -> list[Near]:
        """The nearest of those who are ruled out."""
        found = list(islice(self._near(), most))
        if len(found) < most:
            found += _lasting(self._matcher, self._item.asked)[1][: most - len(found)]
        return found

    def _passing(self) -> dict[str, int]:
        """How many of those who fit are in which state ("": nothing rules them out)."""
        asked, table = self._item.asked, self._matcher.table
        counts = dict(_counts(table.sum_of(asked)))
        channel = asked.asks.channel
        if self._barred:
            for name in self._barred:
                counts[self._matcher.seats[name].crew.code(channel)] -= 1
            counts["barred"] = len(self._barred)
        if self._held:
            assert self._item.prefer is not None
            own = self._matcher.seats[self._item.prefer].crew.code(channel)
            others = sum(counts.get(code, 0) for code in ("", *FULL))
            counts |= dict.fromkeys(("", *FULL), 0)
            if own in ("", *FULL):
                others, counts[own] = others - 1, 1
            counts["reserved_for_other"] = others
        return counts

    def _near(self) -> Iterator[Near]:
        for code in self._near_codes:
            for name in self._names(code):
                yield name, code, self._params(name, code)

    def _names(self, code: str) -> Iterator[str]:
        item = self._item
        if code == "barred":
            yield from self._barred
            return
        if self._held and code in FULL:
            assert item.prefer is not None
            yield item.prefer
            return
        out = {*self._barred, item.prefer} if code == "reserved_for_other" else {*self._barred}
        for brought in item.asked.fits:
            crews = [crew for crew in brought.crews.values() if crew.size and self._is(crew, code)]
            if crews:
                yield from (name for name in self._members(crews) if name not in out)

    def _is(self, crew: Crew, code: str) -> bool:
        if code == "reserved_for_other":
            return crew.code(self._item.asked.asks.channel) in ("", *FULL)
        return crew.code(self._item.asked.asks.channel) == code

    def _members(self, crews: list[Crew]) -> Iterator[str]:
        """Their members in the order of ids, found as far as they are wanted."""
        seats = self._matcher.seats
        taken: list[tuple[Crew, str]] = []
        try:
            while True:
                least: Crew | None = None
                for crew in crews:
                    names = crew.names
                    while names and not ((seat := seats.get(names[0])) and seat.crew is crew):
                        crew.named.discard(heappop(names))
                    if names and (least is None or names[0] < least.names[0]):
                        least = crew
                if least is None:
                    return
                name = heappop(least.names)
                taken.append((least, name))
                yield name
        finally:
            for crew, name in taken:
                heappush(crew.names, name)

    def _params(self, name: str, code: str) -> dict[str, Any]:
        item, seat = self._item, self._matcher.seats[name]
        profile = seat.brought.profile
        match code:
            case "barred":
                return {"until_ms": item.barred[name]}
            case "reserved_for_other":
                return {"until_ms": item.until}
            case "channel_full":
                channel = item.asked.asks.channel
                place = seat.brought.place[channel]
                return {"channel": channel, "max": profile.channels[place][2]}
            case "capacity_full":
                used = seat.used_for(item.asked.asks.channel)
                return {"used": used, "capacity": profile.capacity}
            case "channel_off":
                return {"channel": item.asked.asks.channel}
            case _:
                return {}


@lru_cache(maxsize=4_096)
def _counts(total: int) -> dict[str, int]:
    """A sum as counts by state, those that aren't 0; not to be changed."""
    counts = {}
    for state in STATES:
        if not total:
            break
        if total & MASK:
            counts[state] = total & MASK
        total >>= FIELD
    return counts


def _barred(matcher: Matcher, item: Item) -> list[str]:
    """Those whom nothing before rules out and who may not take it for now, the nearest first."""
    seats = matcher.seats
    names = [
        name
        for name, until in item.barred.items()
        if until > matcher.now
        and name in seats
        and seats[name].presence == "available"
        and item.asked.asks.channel not in seats[name].closed
        and item.asked in seats[name].brought.asked
    ]
    return sorted(names, key=lambda name: (seats[name].brought.profile, name))


NEAR_MAX = 50
"""So many of those whom a lasting predicate rules out are kept by name for each class."""


def _lasting(matcher: Matcher, asked: Asked) -> tuple[dict[str, int], list[Near]]:
    """Those whom a lasting predicate rules out: the same until the roster changes."""
    if asked.lasting_at != matcher.roster:
        table, counts = matcher.table, {}
        groups: list[tuple[str, list[Brought]]] = []
        for code, bitmap in table.traits.fails(asked.asks):
            failing = table.at(bitmap)
            if failing:
                counts[code] = sum(len(brought.members) for brought in failing)
            groups.append((code, failing))
        near: list[Near] = []
        for _, failing in reversed(groups):
            near += islice(_failing(asked, failing), NEAR_MAX - len(near))
        asked.lasting, asked.lasting_at = (counts, near), matcher.roster
    found: tuple[dict[str, int], list[Near]] = asked.lasting
    return found


def _failing(asked: Asked, failing: list[Brought]) -> Iterator[Near]:
    for brought in sorted(failing, key=lambda one: one.profile):
        why = lasting(brought.profile, asked.asks)
        assert why is not None, "a profile that fits isn't looked at"
        for name in sorted(brought.members):
            yield name, why[0], why[1]
