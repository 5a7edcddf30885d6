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
CLOCKS = ("first_response", "resolution")
ENDINGS = ("case.closed",)


@dataclass(frozen=True, slots=True)
class Promise:
    """Targets in ms; ``warn_share`` of a target is when to warn."""

    first_response_ms: int
    resolution_ms: int
    warn_share: float


@dataclass
class Clock:
    """One clock of a case: how much was used, and since when it runs or until when it ran."""

    target_ms: int
    own_ms: int
    """When it began; ``start_ms`` is earlier where it counts for a case that came in."""
    start_ms: int
    since_ms: int | None
    used_ms: int = 0
    stopped_ms: int = 0
    told: dict[str, int] = field(default_factory=dict)
    """Stage → the instant that it was due, of what should have been told."""

    def stop(self, at_ms: int) -> None:
        """It stands still."""
        if self.since_ms is not None:
            self.used_ms += at_ms - self.since_ms
            self.since_ms, self.stopped_ms = None, at_ms

    def go(self, at_ms: int) -> None:
        """It runs."""
        if self.since_ms is None:
            self.since_ms = at_ms

    def due_ms(self, share: float) -> int | None:
        """When a share of the target was used up; None: not while it stands still."""
        left_ms = round(self.target_ms * share) - self.used_ms
        if self.since_ms is not None:
            return self.since_ms + left_ms
        return self.stopped_ms + left_ms if left_ms < 0 else None


class Promises:
    """Folds decisions; :meth:`judge` compares with what the monitor said."""

    def __init__(self, promise: Promise) -> None:
        self._promise = promise
        self._running: dict[tuple[str, str], Clock] = {}
        self._ended: dict[tuple[str, str], Clock] = {}
        self._away: dict[str, int] = {}
        """Cases that went into another, and when."""
        self._inside: dict[str, dict[str, int]] = defaultdict(dict)
        """Case → what came in and waited for a first answer, since when."""
        self._opened_ms: dict[str, int] = {}

    def see(self, decision: Json) -> None:
        """Fold one decision."""
        kind, case = decision["type"], decision.get("case_id")
        if case is None:
            return
        at_ms, data = decision["at_ms"], decision.get("data", {})
        if kind == "case.opened" and not data.get("automatic"):
            self._open(case, min(data.get("received_at_ms", at_ms), at_ms), at_ms)
        for one in (case, data.get("into"), data.get("out_of")):
            self._catch_up(one, at_ms)
        if kind == "case.reopened":
            self._part(case, data.get("handed") or {}, at_ms)
        if kind in ("case.joined", "case.reopened", "work.queued"):
            self._resume(case, at_ms)
        elif kind == "case.waiting":
            later = data.get("reason") == "scheduled" and self._opened_ms.get(case) == at_ms
            self._wait(case, "later" if later else data.get("waits_for"), at_ms)
        elif kind == "case.replied":
            self._end(case, "first_response")
        elif kind in ("case.merged", "case.handed_over"):
            self._join(case, data, at_ms)
        elif kind == "case.split":
            self._part(case, data, at_ms)
        elif kind == "case.resolved" or kind in ENDINGS:
            self._end(case, "first_response")
            self._end(case, "resolution")

    def _open(self, case: str, start_ms: int, at_ms: int) -> None:
        first_ms, whole_ms = self._promise.first_response_ms, self._promise.resolution_ms
        self._running[case, "first_response"] = Clock(first_ms, start_ms, start_ms, start_ms)
        self._running[case, "resolution"] = Clock(whole_ms, start_ms, start_ms, start_ms)
        self._opened_ms[case] = at_ms

    def _catch_up(self, case: str | None, at_ms: int) -> None:
        """What was due of a case before an instant."""
        for name in CLOCKS if case is not None and case not in self._away else ():
            clock = self._running.get((str(case), name))
            if clock is not None:
                self._tell(clock, at_ms)

    def _join(self, case: str, data: Json, at_ms: int) -> None:
        """Its clocks are put away; who waited there for a first answer waits in the other."""
        self._away.setdefault(case, at_ms)
        since_ms, into = data.get("waiting_since_ms"), data.get("into")
        if since_ms is not None and into is not None:
            self._inside[into][case] = since_ms
            self._count_from(into, at_ms)

    def _part(self, case: str, data: Json, at_ms: int) -> None:
        """If it was away they go on; resolution stood still, an answer in the other was one to this too."""
        gone_ms = self._away.pop(case, None)
        resolution = self._running.get((case, "resolution"))
        if gone_ms is not None and resolution is not None:
            resolution.stop(gone_ms)
            resolution.go(at_ms)
        if gone_ms is not None and data.get("answered"):
            self._end(case, "first_response")
        out_of = data.get("out_of")
        if out_of is not None and self._inside[out_of].pop(case, None) is not None:
            self._count_from(out_of, at_ms)

    def _count_from(self, case: str, at_ms: int) -> None:
        """Open clocks count from the earliest; what is due later then is taken back."""
        for name in CLOCKS:
            clock = self._running.get((case, name))
            if clock is None:
                continue
            start_ms = min([clock.own_ms, *self._inside[case].values()])
            clock.used_ms += clock.start_ms - start_ms
            clock.start_ms = start_ms
            for stage, share in zip(STAGES, (self._promise.warn_share, 1.0), strict=True):
                due_ms = clock.due_ms(share)
                if stage in clock.told and (due_ms is None or due_ms >= at_ms):
                    del clock.told[stage]

    def judge(self, told: Told, known_ms: int) -> tuple[list[str], list[int], int]:
        """(what is missing or too much, how late each was told in ms, how many there are).

        ``known_ms``: what was due by then is expected.
        """
        for case, _ in list(self._running):
            self._catch_up(case, known_ms)
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
        for stage, share in zip(STAGES, (self._promise.warn_share, 1.0), strict=True):
            due_ms = clock.due_ms(share)
            if stage not in clock.told and due_ms is not None and due_ms < before_ms:
                clock.told[stage] = due_ms

    def _wait(self, case: str, waits_for: str | None, at_ms: int) -> None:
        names = {"customer": ("resolution",), "later": CLOCKS}.get(waits_for or "", ())
        if not names:
            self._resume(case, at_ms)
        for name in names:
            clock = self._running.get((case, name))
            if clock is not None and waits_for == "later":
                clock.since_ms, clock.stopped_ms = None, clock.start_ms
            elif clock is not None:
                clock.stop(at_ms)

    def _resume(self, case: str, at_ms: int) -> None:
        for name in CLOCKS:
            if (case, name) in self._running:
                self._running[case, name].go(at_ms)

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
