"""Where chance comes from: streams of numbers, one for each thing that happens by chance.

A stream's numbers follow from seed, replication, purpose and place in the file alone. Scenarios
that differ in staff, order or choice therefore see the same customers, and their difference is
theirs, not chance's (common random numbers); names are never part of a stream's beginning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from random import Random

Uniform = Callable[[], float]
"""The next number of [0, 1)."""


def stream(seed: int, replication: int, purpose: str, index: int) -> Uniform:
    """The stream of a purpose (``arrival``, ``service``, …) of the ``index``-th class."""
    return generator(seed, replication, purpose, index).random


def generator(seed: int, replication: int, purpose: str, index: int) -> Random:
    """The generator behind a stream, for what draws whole numbers."""
    name = f"{seed}/{replication}/{purpose}/{index}"
    start = int.from_bytes(hashlib.sha256(name.encode()).digest())
    return Random(start)  # noqa: S311 - a simulation must repeat itself
