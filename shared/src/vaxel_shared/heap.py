"""How often Python looks through everything that lives, for a process that holds much and long.

What the router and a simulation hold are trees: they make no reference cycles, so a full collection
finds nothing, and with a thousand agents and two thousand contacts it stops everything for some
300 ms every few seconds. Young garbage, where the cycles of libraries are, goes as ever.
"""

from __future__ import annotations

import gc

FULL_EVERY = 1_000
"""Collections of the middle generation between two full ones; Python's own number is 10."""


def expect_much() -> None:
    """From now on, in this process, full collections are a hundred times rarer."""
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, FULL_EVERY)
