"""What an item asks for and what an agent brings, as plain values that can be compared.

Two items with equal :class:`Asks` are alike to every agent; two agents with equal :class:`Profile`
are alike to every item, but for what they have in hand.
"""

from __future__ import annotations

from typing import NamedTuple


class Extra(NamedTuple):
    """What few items ask for beyond the rest: limits, and what makes one agent better."""

    at_most: tuple[tuple[str, int], ...] = ()
    """By name, the highest level of a skill that whoever takes it may have."""
    wishes: tuple[tuple[str, int], ...] = ()
    """By name, what a level of a skill counts for whoever has it."""
    needs: str = ""
    """An expression over skills that must hold: see :mod:`vaxel_shared.needs`."""
    only: tuple[str, ...] = ()
    """The agents who may take it; none: all may."""
    without: tuple[str, ...] = ()
    """Agents who may not."""
    prefer: tuple[tuple[str, int], ...] = ()
    """By agent, how much rather than others."""
    choice: str = ""
    """What agents of the same rank go by; left out, whoever was idle for longest."""
    spare: bool = False
    """Whether what an agent could do besides counts against, the rarer the more."""

    @property
    def ranks(self) -> bool:
        """Whether it puts agents in an order of its own, besides ruling some out."""
        return bool(self.wishes or self.prefer or self.choice or self.spare)


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
    """Keeps items apart that ask for the same; only :attr:`Profile.order` looks at it."""
    extra: Extra | None = None
    """What is rarely asked for; None: nothing of it."""


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
    name: str = ""
    """The agent's id, of one whom items may name."""
    yields: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Channels whose items are put aside for those of others: name, and by what. What is put aside
    takes no capacity from what it is put aside for."""
    order: tuple[str, ...] = ()
    """Kinds whose items such an agent takes before all others, the first of them first."""

    def place_of(self, kind: str) -> int:
        """How soon items of a kind are taken; the least goes first."""
        return self.order.index(kind) if kind in self.order else len(self.order)
