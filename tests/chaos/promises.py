"""What should have been told of SLA clocks, worked out from the decisions by other code than the
monitor's, and held against ``vaxel.sla``.

It knows the one policy of a chaos run: an open-all-hours calendar, one target a clock, resolution
stands still while it waits for the customer, and what has ended stays ended.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
STAGES = ("warned", "breached")
ENDINGS = ("case.closed", "case.merged", "case.handed_over")


@dataclass(frozen=True, slots=True)
class Promise:
    """Targets in ms; ``warn_share`` of a target is when to warn."""

    first_response_ms: int
    resolution_ms: int
    warn_share: float


@dataclass
class Clock:
    """One clock of a case: how much was used, and since when it runs."""

    target_ms: int
    since_ms: int | None
    used_ms: int = 0
    told: dict[str, int] = field(default_factory=dict)
    """Stage → the instant that it was due, of what should have been told."""


class Promises:
    """Folds decisions; :meth:`judge` compares with what the monitor said."""

    def __init__(self, promise: Promise) -> None:
        self._promise = promise
        self._running: dict[tuple[str, str], Clock] = {}
        self._ended: dict[tuple[str, str], Clock] = {}
        self._waits: set[str] = set()

    def see(self, decision: Json) -> None:
        """Fold one decision."""
        kind, case = decision["type"], decision.get("case_id")
        if case is None:
            return
        at_ms, data = decision["at_ms"], decision.get("data", {})
        if kind == "case.opened" and not data.get("automatic"):
            start = min(data.get("received_at_ms", at_ms), at_ms)
            promise = self._promise
            self._running[case, "first_response"] = Clock(promise.first_response_ms, start)
            self._running[case, "resolution"] = Clock(promise.resolution_ms, start)
        for name in ("first_response", "resolution"):
            if (case, name) in self._running:
                self._tell(self._running[case, name], at_ms)
        if kind in ("case.joined", "case.reopened", "work.queued"):
            self._resume(case, at_ms)
        elif kind == "case.waiting":
            self._wait(case, data.get("waits_for"), at_ms)
        elif kind == "case.replied":
            self._end(case, "first_response")
        elif kind == "case.resolved" or kind in ENDINGS:
            self._end(case, "first_response")
            self._end(case, "resolution")

    def judge(self, told: Told, known_ms: int) -> tuple[list[str], list[int], int]:
        """(what is missing or too much, how late each was told in ms, how many there are).

        ``known_ms``: what was due by then is expected.
        """
        for clock in self._running.values():
            self._tell(clock, known_ms)
        wrong, late, count = [], [], 0
        expected = {**self._running, **self._ended}
        for key, clock in expected.items():
            for stage, due_ms in clock.told.items():
                said = told.standing.pop((*key, stage), [])
                count += 1
                if len(said) != 1:
                    wrong.append(f"{' '.join(key)} {stage} due {due_ms}: told {len(said)} times")
                else:
                    late.append(max(0, said[0] - due_ms))
        for (case, name, stage), said in told.standing.items():
            still = self._running.get((case, name))
            if said and still is None:  # what is due after known_ms may be told already
                wrong.append(f"{case} {name} {stage}: told, and wasn't due")
        return wrong, late, count

    def _tell(self, clock: Clock, before_ms: int) -> None:
        """All that was due before an instant."""
        if clock.since_ms is None:
            return
        for stage, share in zip(STAGES, (self._promise.warn_share, 1.0), strict=True):
            due_ms = clock.since_ms + round(clock.target_ms * share) - clock.used_ms
            if stage not in clock.told and due_ms < before_ms:
                clock.told[stage] = due_ms

    def _wait(self, case: str, waits_for: str | None, at_ms: int) -> None:
        if waits_for != "customer":
            self._resume(case, at_ms)
            return
        clock = self._running.get((case, "resolution"))
        if clock is not None and clock.since_ms is not None:
            clock.used_ms += at_ms - clock.since_ms
            clock.since_ms = None

    def _resume(self, case: str, at_ms: int) -> None:
        clock = self._running.get((case, "resolution"))
        if clock is not None and clock.since_ms is None:
            clock.since_ms = at_ms

    def _end(self, case: str, name: str) -> None:
        clock = self._running.pop((case, name), None)
        if clock is not None:
            self._ended[case, name] = clock


class Told:
    """What stands on ``vaxel.sla``: of each id the first record counts."""

    def __init__(self) -> None:
        self.standing: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        """(case, clock, stage) → when it was told, ms, of what wasn't taken back."""
        self.ids = 0
        self.repeats = 0
        self._seen: set[str] = set()

    def see(self, event: Json, ts_ms: int) -> None:
        """Read one record."""
        if event["id"] in self._seen:
            self.repeats += 1
            return
        self._seen.add(event["id"])
        key = (event["case_id"], event["clock"])
        if event["type"] in STAGES:
            self.ids += 1
            self.standing[*key, event["type"]].append(ts_ms)
        elif event["type"] == "retracted":
            self.ids += 1
            left = {"breached" if name == "breach" else "warned" for name in event["told"]}
            for stage in STAGES:
                if stage not in left and self.standing.get((*key, stage)):
                    self.standing[*key, stage].pop()
