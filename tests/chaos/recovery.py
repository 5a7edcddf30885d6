"""How long it took until things went on: from a kill to the first that the log shows of it, by the
log's own times.

Each service leaves a mark of its own on the log; after a kill the first new one says that it is
back at work. A kill that another kill of the same service followed before that isn't counted: its
successor is.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

Json = dict[str, Any]
IN_FLIGHT_MS = 100
"""What a killed process had sent lands so late at most; its successor takes longer to start."""


@dataclass
class Recovery:
    """Collects what the log says; ``samples`` answers when all is seen."""

    decided_ms: list[int] = field(default_factory=list)
    """Append times of records that hold decisions."""
    claims_ms: list[int] = field(default_factory=list)
    wrote_ms: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Service → when it appended something: a command, an interaction, a mark of its clocks."""
    assigned_ms: list[int] = field(default_factory=list)
    contact_ms: dict[str, int] = field(default_factory=dict)
    """Id of a message → when it was decided."""

    def samples(self, faults: Sequence[Json], sent_ms: dict[str, int]) -> dict[str, list[int]]:
        """What each took, ms; ``sent_ms``: id of a message → when first sent."""
        found: dict[str, list[int]] = defaultdict(list)
        decided, claims = sorted(self.decided_ms), sorted(self.claims_ms)
        wrote = {name: sorted(times) for name, times in self.wrote_ms.items()}
        kills = _kills(faults)
        for name, times in kills.items():
            for at_ms, next_ms in zip(times, [*times[1:], None], strict=True):
                since = _next(claims, at_ms) if name == "router" else at_ms
                if name in ("router", "broker"):
                    back = _next(decided, since + 1) if since is not None else None
                    label = f"kill {name} → next decision"
                else:
                    back = _next(wrote.get(name, []), at_ms + IN_FLIGHT_MS)
                    label = f"kill {name} → its next record"
                if back is not None and (next_ms is None or back < next_ms):
                    found[label].append(back - at_ms)
        for name, times in kills.items():
            waits = _first_new(times, sent_ms, self.contact_ms)
            if waits and name != "sla-monitor":
                found[f"kill {name} → next new message decided"] += waits
        return dict(sorted(found.items()))


def _kills(faults: Sequence[Json]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for fault in faults:
        kind, _, name = fault["fault"].partition(" ")
        if kind == "kill" and name:
            found[name].append(fault["from_ms"])
    return {name: sorted(times) for name, times in found.items()}


def _first_new(
    kills_ms: Sequence[int], sent_ms: dict[str, int], contact_ms: dict[str, int]
) -> list[int]:
    """After each kill: when the first of the messages that were sent since was decided."""
    known = sorted((sent, contact_ms[one]) for one, sent in sent_ms.items() if one in contact_ms)
    first = [0] * len(known)
    soonest = None
    for at in range(len(known) - 1, -1, -1):
        soonest = known[at][1] if soonest is None else min(soonest, known[at][1])
        first[at] = soonest
    found = []
    for kill in kills_ms:
        at = bisect_left(known, (kill, -1))
        if at < len(known):
            found.append(first[at] - kill)
    return found


def gaps(times_ms: Sequence[int]) -> list[int]:
    """The time between each two, ms."""
    return [after - before for before, after in pairwise(sorted(times_ms))]


def describe(values: Sequence[int]) -> str:
    """``p50 … p99 … max … ms, n …``."""
    if not values:
        return "none"
    ordered = sorted(values)
    p50, p99 = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.99))
    return f"p50 {p50} ms, p99 {p99} ms, max {ordered[-1]} ms, n {len(ordered)}"


def _next(ordered: Sequence[int], after_ms: int) -> int | None:
    at = bisect_left(ordered, after_ms)
    return ordered[at] if at < len(ordered) else None
