"""A token bucket for each subject, with a bound on how many are remembered. The clock is given."""

from __future__ import annotations

from collections import OrderedDict

from vaxel_register.core.limits import BUCKETS_MAX


class RateLimit:
    """``per_s`` requests a second on average, ``burst`` at once."""

    def __init__(self, per_s: float, burst: float) -> None:
        assert per_s > 0, "a rate of nothing would lock everybody out"
        self._per_ms = per_s / 1000
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait_ms(self, subject: str, now_ms: int) -> int:
        """Take one: 0 if there was one, else the milliseconds until there will be."""
        tokens, seen_ms = self._buckets.pop(subject, (self._burst, now_ms))
        tokens = min(self._burst, tokens + (now_ms - seen_ms) * self._per_ms)
        taken = tokens >= 1
        self._buckets[subject] = (tokens - 1 if taken else tokens, now_ms)
        while len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        return 0 if taken else int((1 - tokens) / self._per_ms) + 1
