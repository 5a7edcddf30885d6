"""A large site for the matcher: teams, what waits, and what goes on there, drawn from one seed.

Agents come in profiles and items in kinds, as they do at real sites; nobody is alike by accident.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from vaxel_router.core.matching import Asks, Profile

LANGUAGES = ("de", "en", "fi", "fr", "sv")
CHANNELS = (("chat", 1, 1), ("email", 1, 2))
"""Name, what one costs of the capacity, how many at once."""
CAPACITY = 2


@dataclass(frozen=True)
class Size:
    """How large: agents of so many profiles, so many kinds of items, waiting items."""

    agents: int
    skills: int
    profiles: int
    kinds: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Thing:
    """An item that waits, with all that may be said of one."""

    id: str
    asks: Asks
    key: int
    prefer: str | None = None
    until: int = 0
    barred: dict[str, int] = field(default_factory=dict)


class Site:
    """Draws who is there, what arrives, and what becomes of it."""

    def __init__(self, size: Size) -> None:
        self.random = Random(20)
        self.size = size
        self.skills = [f"s{number:03}" for number in range(size.skills)]
        self.profiles = list(dict.fromkeys(self._profile() for _ in range(size.profiles)))
        self.people = {
            f"a{number:05}": self.profiles[number % len(self.profiles)]
            for number in range(size.agents)
        }
        self.names = list(self.people)
        self.kinds = self._kinds()
        self.serial = 0

    def _profile(self) -> Profile:
        draw = self.random
        some = sorted(draw.sample(self.skills, draw.randint(5, 40)))
        return Profile(
            draw.choice((1, 1, 2, 3)),
            tuple((name, draw.randint(1, 10)) for name in some),
            tuple(sorted(draw.sample(LANGUAGES, draw.randint(1, 3)))),
            draw.choice((CHANNELS, CHANNELS[1:])),
            CAPACITY,
        )

    def _kinds(self) -> list[Asks]:
        """Each is what somebody there can do."""
        draw, found = self.random, dict[Asks, None]()
        while len(found) < self.size.kinds:
            able = draw.choice(self.profiles)
            some = sorted(draw.sample(able.skills, draw.randint(1, 2)))
            tiers = tuple(sorted({able.tier, draw.choice((1, 2, 3))}))
            least = tuple((name, draw.randint(1, level)) for name, level in some)
            languages = (draw.choice(able.languages),)
            found[Asks(draw.choice(able.channels)[0], tiers, least, languages)] = None
        return list(found)

    def arrival(self, now: int) -> Thing:
        """Priorities in five ranks; one in twenty is kept for somebody for a while."""
        draw = self.random
        self.serial += 1
        key = (draw.randint(0, 4) << 60) + (now << 30) + self.serial
        prefer = draw.choice(self.names) if draw.random() < 0.05 else None
        until = now + draw.randint(1, 2_000) if prefer is not None else 0
        return Thing(f"i{self.serial}", draw.choice(self.kinds), key, prefer, until)
