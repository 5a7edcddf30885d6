"""What an item asks for and what an agent brings, as plain values that can be compared.

Two items with equal :class:`Asks` are alike to every agent; two agents with equal :class:`Profile`
are alike to every item, but for what they have in hand.
"""

from __future__ import annotations

from typing import NamedTuple


class Asks(NamedTuple):
    """What an item asks of whoever takes it."""

    channel: str
    tiers: tuple[int, ...] = (1,)
    """One of these."""
    skills: tuple[tuple[str, int], ...] = ()
    """Each of these, by name, with its least level (at least 1)."""
    languages: tuple[str, ...] = ()
    """One of these; none: any."""
    kind: str = ""
    """Keeps items apart that ask for the same; agents don't see it."""


class Profile(NamedTuple):
    """What an agent brings. Profiles are ordered: lower tiers first."""

    tier: int = 1
    skills: tuple[tuple[str, int], ...] = ()
    """By name, with the level."""
    languages: tuple[str, ...] = ()
    """By name."""
    channels: tuple[tuple[str, int, int], ...] = ()
    """By name: what one item costs of the capacity, and how many at once."""
    capacity: int = 1
