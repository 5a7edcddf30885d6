"""What is due next, of every case: a heap a partition, and only what is known to be due comes out.

A case has one entry at a time, the earliest that didn't come out yet; older ones in the heap no
longer count. When it comes out, the next of its case takes its place at once: so after an outage
everything overdue comes out in order, whatever case it is of.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from vaxel_shared.contracts.sla import Due
from vaxel_sla_monitor.core.state import Case, Clock, Stage

CaseOf = Callable[[str], Case | None]
"""A case as it is now; None where nothing is known of it any more."""


@dataclass(frozen=True, slots=True, order=True)
class Deadline:
    """Something due of a case; ``source`` is its partition of the decisions."""

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
        self._out: dict[str, set[Deadline]] = {}
        """What came out and wasn't judged yet."""

    def __len__(self) -> int:
        """How many cases wait for something."""
        return len(self._current)

    def clear(self) -> None:
        """Forget everything: partitions came or went."""
        self._heaps, self._current, self._out = {}, {}, {}

    def set(self, partition: int, case_id: str, case: Case | None) -> None:
        """Note what is due next of a case, or that nothing is."""
        entry = self._next(case_id, case)
        if entry is None:
            self._current.pop(case_id, None)
        elif self._current.get(case_id) != entry:
            self._current[case_id] = entry
            heapq.heappush(self._heaps.setdefault(partition, []), entry)

    def judged(self, due: Due) -> None:
        """What came out was judged: if it is due still, or again, it comes out again."""
        out = self._out.get(due.case_id)
        if out is None:
            return
        self._out[due.case_id] = left = {
            entry
            for entry in out
            if (entry.clock, entry.cycle, entry.stage, entry.at_ms)
            != (due.clock, due.cycle, due.stage, due.due_ms)
        }
        if not left:
            del self._out[due.case_id]

    def again(self, partition: int, entry: Deadline) -> None:
        """Put back what came out and could not be told."""
        self._out.get(entry.case_id, set()).discard(entry)
        current = self._current.get(entry.case_id)
        if current is None or entry < current:
            self._current[entry.case_id] = entry
            heapq.heappush(self._heaps.setdefault(partition, []), entry)

    def take(
        self, partition: int, known_ms: Mapping[int, int], limit: int, case_of: CaseOf
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
            self._out.setdefault(entry.case_id, set()).add(entry)
            self.set(partition, entry.case_id, case_of(entry.case_id))
            heap = self._heaps[partition]
            limit -= 1
            yield entry, known
        for entry in held:
            heapq.heappush(heap, entry)

    def _next(self, case_id: str, case: Case | None) -> Deadline | None:
        """The first thing due of a case that didn't come out."""
        if case is None:
            return None
        out = self._out.get(case_id)
        if out is None:  # nearly always
            found = case.next_stage()
            return None if found is None else _entry(case_id, case, found)
        entries = (_entry(case_id, case, found) for found in case.stages())
        return next((entry for entry in entries if entry not in out), None)


def _entry(case_id: str, case: Case, found: tuple[str, Clock, Stage]) -> Deadline:
    name, clock, stage = found
    return Deadline(stage.at_ms, case_id, name, clock.cycle, stage.name, case.place[0])
