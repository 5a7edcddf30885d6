"""What is due when: timers by their keys, and which of them is due first.

A heap holds what was ever armed; what was moved or disarmed since lies in it until it comes to the
top, or until there is too much of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

HEAP_SLACK = 1_000
"""So many timers that were moved or disarmed may lie in the heap before it is made anew."""


class Timetable:
    """Keeps ``timers`` (key → due), which stays the caller's own."""

    def keep(self, timers: dict[str, int]) -> None:
        """Keep these from now on."""
        self._timers = timers
        self._heap = [(due, key) for key, due in timers.items()]
        heapify(self._heap)

    def arm(self, key: str, due_ms: int) -> None:
        """Set a timer, or move it."""
        timers = self._timers
        moved = key in timers
        timers[key] = due_ms
        heappush(self._heap, (due_ms, key))
        if moved:
            self._tidy()

    def disarm(self, key: str) -> None:
        """Forget a timer, if there is one."""
        if self._timers.pop(key, None) is not None:
            self._tidy()

    def disarm_all(self, keys: Iterable[str]) -> None:
        """Forget those timers of these that there are."""
        timers = self._timers
        for key in keys:
            if key in timers:
                del timers[key]
                self._tidy()

    def _tidy(self) -> None:
        if len(self._heap) > 2 * len(self._timers) + HEAP_SLACK:
            self._heap = [(due, key) for key, due in self._timers.items()]
            heapify(self._heap)

    def next_timer(self) -> tuple[int, str] | None:
        """The timer that is due first, ordered by (due, key)."""
        heap, timers = self._heap, self._timers
        while heap:
            first = heap[0]
            if timers.get(first[1]) == first[0]:
                return first
            heappop(heap)
        return None
