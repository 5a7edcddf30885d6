"""Which of several queues gets the next work of one that divides it by percentage.

The one that is furthest behind its share: so two shares are never off by more than one work, in
whatever order work comes, and a replay divides alike. Nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping


def furthest_behind(shares: Mapping[str, int], given: Mapping[str, int]) -> str:
    """The name that the next is for; of equal ones the first by name. ``shares`` are above 0."""
    whole = sum(shares.values())
    count = 1 + sum(given.get(name, 0) for name in shares)
    return min(shares, key=lambda name: (given.get(name, 0) * whole - shares[name] * count, name))
