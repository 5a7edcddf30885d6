"""Which profiles an item may go to, found by what they have in common: one bitmap for each trait.

A bit stands for a profile. Finding those that fit takes a few operations on whole bitmaps, however
many profiles there are.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import reduce
from typing import TypeVar

from vaxel_router.core.matching.shapes import Asks, Extra, Profile
from vaxel_shared import needs


def bits(bitmap: int) -> Iterator[int]:
    """The places of the bits that are set, least first."""
    while bitmap:
        low = bitmap & -bitmap
        yield low.bit_length() - 1
        bitmap ^= low


class Traits:
    """Bitmaps of profiles by tier, channel, language, name, and level of each skill."""

    def __init__(self) -> None:
        self._all = 0
        self._tiers: dict[int, int] = defaultdict(int)
        self._channels: dict[str, int] = defaultdict(int)
        self._languages: dict[str, int] = defaultdict(int)
        self._skills: dict[str, dict[int, int]] = {}
        self._names: dict[str, int] = defaultdict(int)

    def flip(self, slot: int, profile: Profile) -> None:
        """Take the profile at ``slot`` in, or, if it is in, out."""
        bit = 1 << slot
        self._all ^= bit
        self._tiers[profile.tier] ^= bit
        if profile.name:
            self._names[profile.name] ^= bit
        for channel in profile.channels:
            self._channels[channel[0]] ^= bit
        for tag in profile.languages:
            self._languages[tag] ^= bit
        for name, level in profile.skills:
            levels = self._skills.setdefault(name, {})
            levels[level] = levels.get(level, 0) ^ bit

    def fits(self, asks: Asks) -> int:
        """The profiles that pass every lasting predicate."""
        found = _any(self._tiers, asks.tiers) & self._channels.get(asks.channel, 0)
        for name, least in asks.skills:
            levels = self._skills.get(name, {})
            found &= _union(having for level, having in levels.items() if level >= least)
        if asks.languages:
            found &= _any(self._languages, asks.languages)
        if asks.extra is not None:
            found &= ~self._above(asks.extra)
            found &= self._meeting(asks.extra) & ~self._left_out(asks.extra)
        return found

    def _meeting(self, extra: Extra) -> int:
        """The profiles that meet the expression."""
        return self._holding(needs.parse(extra.needs)) if extra.needs else self._all

    def _holding(self, one: needs.Needs) -> int:
        match one:
            case needs.Has(skill, least, most):
                levels = self._skills.get(skill, {})
                return _union(some for level, some in levels.items() if least <= level <= most)
            case needs.Not(inner):
                return self._all & ~self._holding(inner)
            case needs.All(some):
                return reduce(operator.and_, map(self._holding, some))
            case needs.Any(some):
                return _union(map(self._holding, some))

    def _left_out(self, extra: Extra) -> int:
        """The profiles of agents whom the policy leaves out."""
        out = _any(self._names, extra.without)
        return out | (self._all & ~_any(self._names, extra.only) if extra.only else 0)

    def _above(self, extra: Extra) -> int:
        """The profiles with a skill above what is wanted at most."""
        above = 0
        for name, most in extra.at_most:
            levels = self._skills.get(name, {})
            above |= _union(having for level, having in levels.items() if level > most)
        return above

    def fails(self, asks: Asks) -> Iterator[tuple[str, int]]:
        """For each lasting predicate, in order, the profiles that fail it first."""
        rest = self._all
        passing = rest & _any(self._tiers, asks.tiers)
        yield "not_in_tier", rest ^ passing
        rest, passing = passing, passing & self._channels.get(asks.channel, 0)
        yield "channel_closed", rest ^ passing
        rest, missing, low = passing, 0, 0
        for name, least in asks.skills:
            levels = self._skills.get(name, {})
            having = rest & _union(levels.values())
            missing |= rest ^ having
            rest = having & _union(bitmap for level, bitmap in levels.items() if level >= least)
            low |= having ^ rest
        yield "skill_missing", missing
        yield "skill_level", low
        if asks.extra is not None:
            above = rest & self._above(asks.extra)
            rest ^= above
            yield "skill_above", above
            unmet = rest & ~self._meeting(asks.extra)
            rest ^= unmet
            yield "needs_unmet", unmet
        if asks.languages:
            missing = rest & ~_any(self._languages, asks.languages)
            rest ^= missing
            yield "language_missing", missing
        if asks.extra is not None:
            yield "left_out", rest & self._left_out(asks.extra)


Name = TypeVar("Name", int, str)


def _any(bitmaps: dict[Name, int], names: Iterable[Name]) -> int:
    return _union(bitmaps.get(name, 0) for name in names)


def _union(bitmaps: Iterable[int]) -> int:
    found = 0
    for bitmap in bitmaps:
        found |= bitmap
    return found
