"""How long it took until decisions went on: from kill to the first new one, by the log's own times."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
DECIDERS = ("kill router", "kill broker")
"""After these nothing can be decided until they are back."""


@dataclass
class Recovery:
    """Collects what the log says; ``figures`` answers when all is seen."""

    decided_ms: list[int] = field(default_factory=list)
    """Append times of records that hold decisions."""
    claims_ms: list[int] = field(default_factory=list)
    contact_ms: dict[str, int] = field(default_factory=dict)
    """Message-ID of a mail → when it was decided."""

    def figures(self, faults: Sequence[Json], sent_ms: dict[str, int]) -> dict[str, str]:
        """p50, p99 and the greatest of each; ``sent_ms``: Message-ID → when it was first sent."""
        found: dict[str, list[int]] = defaultdict(list)
        decided, claims = sorted(self.decided_ms), sorted(self.claims_ms)
        new_mails = sorted(
            (sent, self.contact_ms[mail])
            for mail, sent in sent_ms.items()
            if mail in self.contact_ms
        )
        for fault in faults:
            name, at_ms = fault["fault"], fault["from_ms"]
            if not name.startswith("kill "):
                continue
            since = _next(claims, at_ms) if name == "kill router" else at_ms
            first = _next(decided, since) if since is not None else None
            if name in DECIDERS and first is not None:
                found[f"{name} → next decision"].append(first - at_ms)
            later = [done for sent, done in new_mails if sent >= at_ms]
            if later:
                found[f"{name} → next new mail decided"].append(min(later) - at_ms)
        return {name: describe(values) for name, values in sorted(found.items())}


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
