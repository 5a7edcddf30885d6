"""What is due next, of every case: a heap a partition, and only what is known to be due comes out.

A case has one entry at a time, its earliest deadline; older ones in the heap no longer count.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vaxel_sla_monitor.core.state import Case


@dataclass(frozen=True, slots=True, order=True)
class Deadline:
    """The earliest thing due of a case; ``source`` is its partition of the decisions."""

    at_ms: int
    case_id: str
    clock: str
    cycle: int
    stage: str
    source: int


class Deadlines:
    """Of the partitions of ``vaxel.clocks`` that this process has."""

    def __init__(self) -> None:
        self._heaps: dict[int, list[Deadline]] = {}
        self._current: dict[str, Deadline] = {}

    def __len__(self) -> int:
        """How many cases wait for something."""
        return len(self._current)

    def clear(self) -> None:
        """Forget everything: partitions came or went."""
        self._heaps, self._current = {}, {}

    def set(self, partition: int, case_id: str, case: Case | None) -> None:
        """Note what is due next of a case, or that nothing is."""
        found = case.next_stage() if case is not None else None
        if case is None or found is None:
            self._current.pop(case_id, None)
            return
        name, clock, stage = found
        entry = Deadline(stage.at_ms, case_id, name, clock.cycle, stage.name, case.place[0])
        if self._current.get(case_id) != entry:
            self._current[case_id] = entry
            heapq.heappush(self._heaps.setdefault(partition, []), entry)

    def again(self, partition: int, entry: Deadline) -> None:
        """Put back what came out and could not be told."""
        if entry.case_id not in self._current:
            self._current[entry.case_id] = entry
            heapq.heappush(self._heaps.setdefault(partition, []), entry)

    def take(
        self, partition: int, known_ms: Mapping[int, int], limit: int
    ) -> Iterator[tuple[Deadline, int]]:
        """What lies before its own source's mark, the oldest first, with that mark.

        A source without a mark, or one that hangs back, holds up only its own cases.
        """
        heap, held = self._heaps.get(partition, []), list[Deadline]()
        newest = max(known_ms.values(), default=0)
        while heap and heap[0].at_ms < newest and limit > 0:
            entry = heapq.heappop(heap)
            if self._current.get(entry.case_id) != entry:
                continue
            known = known_ms.get(entry.source, 0)
            if entry.at_ms >= known:
                held.append(entry)
                continue
            del self._current[entry.case_id]
            limit -= 1
            yield entry, known
        for entry in held:
            heapq.heappush(heap, entry)
