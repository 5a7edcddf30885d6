"""Peers of the matcher: the same answers by looking, and the most that could be assigned at all."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import Any

from vaxel_router.core.matching import Asks, Profile


@dataclass
class _Person:
    profile: Profile
    skills: dict[str, int]
    channels: dict[str, tuple[int, int]]
    counts: dict[str, int] = field(default_factory=dict)
    used: int = 0


@dataclass
class _Waiting:
    id: str
    asks: Asks
    key: int
    barred: dict[str, int]
    prefer: str | None
    until: int


class Looker:
    """Takes and answers what :class:`Matcher` does; all agents are available all the time.

    ``sorted_`` keeps what waits in order and stops at the first that fits; else everything is
    looked at, each time.
    """

    def __init__(self, *, sorted_: bool) -> None:
        self._sorted = sorted_
        self._people: dict[str, _Person] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._order: list[tuple[int, str]] = []

    def join(self, name: str, profile: Profile, **_idle: Any) -> None:
        channels = {channel: (cost, most) for channel, cost, most in profile.channels}
        self._people[name] = _Person(profile, dict(profile.skills), channels)

    def hold(self, name: str, channel: str, cost: int, **_idle: Any) -> None:
        person = self._people[name]
        person.used += cost
        person.counts[channel] = person.counts.get(channel, 0) + 1

    def free(self, name: str, channel: str, cost: int, **_idle: Any) -> None:
        person = self._people[name]
        person.used -= cost
        person.counts[channel] -= 1

    def put(self, id_: str, asks: Asks, *, key: int, **more: Any) -> None:
        barred, prefer, until = more["barred"], more["prefer"], more["until"]
        self._waiting[id_] = _Waiting(id_, asks, key, barred, prefer, until)
        if self._sorted:
            insort(self._order, (key, id_))

    def drop(self, id_: str) -> None:
        gone = self._waiting.pop(id_)
        if self._sorted:
            del self._order[bisect_left(self._order, (gone.key, id_))]

    def next_item(self, name: str, now: int) -> str | None:
        if self._sorted:
            for _, id_ in self._order:
                if self._may(name, self._waiting[id_], now):
                    return id_
            return None
        best = None
        for one in self._waiting.values():
            if (best is None or one.key < best.key) and self._may(name, one, now):
                best = one
        return None if best is None else best.id

    def _may(self, name: str, one: _Waiting, now: int) -> bool:
        person, asks = self._people[name], one.asks
        if not self._fits(person, asks) or one.barred.get(name, 0) > now:
            return False
        cost, most = person.channels[asks.channel]
        if person.counts.get(asks.channel, 0) >= most:
            return False
        if person.used + cost > person.profile.capacity:
            return False
        if one.prefer is None or one.prefer == name or one.until <= now:
            return True
        kept = self._people[one.prefer]
        return not self._fits(kept, asks) or one.barred.get(one.prefer, 0) > now

    @staticmethod
    def _fits(person: _Person, asks: Asks) -> bool:
        return (
            person.profile.tier in asks.tiers
            and asks.channel in person.channels
            and all(person.skills.get(skill, 0) >= level for skill, level in asks.skills)
            and any(tag in person.profile.languages for tag in asks.languages)
        )
