"""A token bucket: so much at once, so much over time."""

from __future__ import annotations


class Bucket:
    """``size`` at once, refilled with ``per_second``; times are monotonic seconds."""

    __slots__ = ("_per_second", "_seen_s", "_size", "_tokens")

    def __init__(self, size: float, per_second: float, now_s: float) -> None:
        self._size = size
        self._per_second = per_second
        self._tokens = size
        self._seen_s = now_s

    def take(self, now_s: float) -> bool:
        """Take one, if there is one."""
        if not self.has(now_s):
            return False
        self._tokens -= 1
        return True

    def give(self) -> None:
        """Put back one that was taken."""
        self._tokens = min(self._size, self._tokens + 1)

    def has(self, now_s: float) -> bool:
        """Whether there is one."""
        refill = max(0.0, now_s - self._seen_s) * self._per_second
        self._tokens = min(self._size, self._tokens + refill)
        self._seen_s = max(self._seen_s, now_s)
        return self._tokens >= 1

    @property
    def wait_ms(self) -> int:
        """Until there is one again, at the last look."""
        return max(0, round((1 - self._tokens) / self._per_second * 1000))
