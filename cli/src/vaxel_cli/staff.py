"""Numbers of agents to try, as ``--staff GROUP=LOW..HIGH:STEP`` gives them, several too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product


def counts(text: str, found: re.Match[str], agents_max: int) -> tuple[int, ...]:
    """The numbers of a range, of which ``found`` has ``low``, ``high`` and ``by``.

    Raises ``ValueError`` where it goes nowhere or above ``agents_max``.
    """
    low = int(found["low"])
    high, step = int(found["high"] or low), int(found["by"] or 1)
    if high < low or high > agents_max or step < 1:
        raise ValueError(f"{text!r} goes nowhere; write the smaller number first")
    return tuple(range(low, high + 1, step))


def combinations(
    groups: Sequence[str], ranges: Sequence[tuple[int, ...]], runs_max: int
) -> list[tuple[int, ...]]:
    """All that is to be tried, in order. Raises ``ValueError`` above ``runs_max`` of them."""
    if len(groups) != len(set(groups)):
        raise ValueError("one --staff for each group; put both ends into one range")
    total = 1
    for one in ranges:
        total *= len(one)
    if total > runs_max:
        raise ValueError(
            f"{total} combinations, {runs_max} at most; use larger steps, like 8..20:4"
        )
    return list(product(*ranges))
