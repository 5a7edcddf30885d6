"""What a history amounts to: waits, answers in time, escalations, who got what.

Folded from decisions alone, so that a recorded history and one that happened again are measured
alike. Whoever waits at the end counts with the wait so far.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from vaxel_cli.fairness.shares import Shares, periods
from vaxel_shared.contracts import wire

HARD_LEVEL = 5
"""Work that asks for a skill of at least this level counts as hard, as in ``vaxel fairness``."""
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


def quantile(ordered: Sequence[int], share: float) -> int | None:
    """The least value that so large a share doesn't exceed; None of nothing."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


@dataclass(slots=True)
class Queue:
    """One queue of one pool."""

    waits_ms: list[int] = field(default_factory=list)
    waiting: int = 0
    """Of those, how many wait still."""
    answers_ms: list[int] = field(default_factory=list)
    unanswered_ms: list[int] = field(default_factory=list)
    """Of cases that are open without an answer: their age."""

    def add(self, other: Queue) -> None:
        """Both together."""
        self.waits_ms += other.waits_ms
        self.waiting += other.waiting
        self.answers_ms += other.answers_ms
        self.unanswered_ms += other.unanswered_ms

    def plain(self, within_ms: int) -> dict[str, Any]:
        """As ``--json`` prints it; times in milliseconds."""
        waits, answers = sorted(self.waits_ms), sorted(self.answers_ms)
        in_time = sum(one <= within_ms for one in answers)
        late = len(answers) - in_time + sum(age > within_ms for age in self.unanswered_ms)
        return {
            "works": len(waits),
            "waiting": self.waiting,
            "wait_ms": {name: quantile(waits, share) for name, share in QUANTILES.items()}
            | {"mean": round(sum(waits) / len(waits)) if waits else None},
            "answered": len(answers),
            "answer_ms": {name: quantile(answers, share) for name, share in QUANTILES.items()},
            "in_time": in_time,
            "late": late,
            "in_time_share": in_time / (in_time + late) if in_time + late else None,
        }


@dataclass(slots=True)
class First:
    """Who had a case first, and when."""

    agent_id: str
    at_ms: int


@dataclass(slots=True)
class Figures:
    """Of one history, or of several partitions' together."""

    queues: dict[tuple[str, str], Queue] = field(default_factory=lambda: defaultdict(Queue))
    offers: Counter[str] = field(default_factory=Counter)
    """``made``, and by outcome."""
    escalations: Counter[str] = field(default_factory=Counter)
    """By reason."""
    returned: Counter[str] = field(default_factory=Counter)
    """Works that came back to the queue, by reason."""
    moved: int = 0
    """Works that went on to another queue while they waited."""
    firsts: dict[str, First] = field(default_factory=dict)
    rows: dict[tuple[str, int, str], Any] = field(default_factory=dict)
    """As :class:`~vaxel_cli.fairness.shares.Shares` has them."""

    def add(self, other: Figures) -> None:
        """Another partition's."""
        for key, queue in other.queues.items():
            self.queues[key].add(queue)
        self.offers += other.offers
        self.escalations += other.escalations
        self.returned += other.returned
        self.moved += other.moved
        self.firsts |= other.firsts
        self.rows |= other.rows

    def plain(self, within_ms: int) -> dict[str, Any]:
        """As ``--json`` prints it."""
        whole = Queue()
        for queue in self.queues.values():
            whole.add(queue)
        shared = periods(self.rows)
        return {
            "all": whole.plain(within_ms),
            "queues": [
                {"pool": pool, "queue": name, **queue.plain(within_ms)}
                for (pool, name), queue in sorted(self.queues.items())
            ],
            "offers": dict(sorted(self.offers.items())),
            "escalations": dict(sorted(self.escalations.items())),
            "returned": dict(sorted(self.returned.items())),
            "moved": self.moved,
            "agents": [
                {
                    "agent": agent_id, "pool": one.pool, "works": share.works,
                    "offers": share.offers, "declined": share.declined, "missed": share.missed,
                    "there_ms": share.there_ms, "idle": round(share.idle, 4),
                }
                for one in shared for agent_id, share in one.shares.items()
            ],
            "gini": {one.pool: one.gini for one in shared},
        }  # fmt: skip


_RETURNED = frozenset({
    "transferred", "escalated", "lease_lapsed", "agent_away", "agent_offline", "agent_lost",
    "agent_removed", "channel_off", "hand_over_refused",
})  # fmt: skip


@dataclass(slots=True)
class _Waits:
    queue: tuple[str, str]
    since_ms: int
    rested_ms: int = 0
    rests_since_ms: int | None = None


def figures(decisions: Sequence[wire.Decision], end_ms: int, since_ms: int = 0) -> Figures:
    """Fold one partition's decisions; what began before ``since_ms`` isn't measured."""
    found = _Fold(since_ms)
    for made in decisions:
        found.see(made)
    found.end(end_ms)
    shares = Shares(hard_level=HARD_LEVEL)
    before = [made for made in decisions if made.at_ms < since_ms]
    if before:
        shares.fold(_batches(before, since_ms))
        shares.rows.clear()
    shares.fold(_batches(decisions[len(before) :], end_ms))
    found.answer.rows = dict(shares.rows)
    return found.answer


def _batches(decisions: Sequence[wire.Decision], end_ms: int) -> Iterable[wire.Batch]:
    yield wire.Batch(engine="", wall_ms=0, decisions=list(decisions))
    yield wire.Batch(engine="", wall_ms=0, tick_ms=end_ms)


class _Fold:
    def __init__(self, since_ms: int) -> None:
        self.answer = Figures()
        self._since_ms = since_ms
        self._waits: dict[str, _Waits] = {}
        self._cases: dict[str, tuple[str, int]] = {}
        """Case without an answer yet → pool, and when it was opened."""
        self._queue_of: dict[str, tuple[str, str]] = {}

    def see(self, made: wire.Decision) -> None:
        """One decision."""
        if made.at_ms < self._since_ms:
            return
        kind = made.type.partition(".")[0]
        if kind == "work":
            self._work(made, str(made.work_id), str(made.case_id))
        elif kind == "case":
            self._case(made, str(made.case_id))
        elif made.type == "offer.made":
            self.answer.offers["made"] += 1
        elif made.type == "offer.ended":
            self.answer.offers[made.data["outcome"]] += 1

    def _case(self, made: wire.Decision, case_id: str) -> None:
        match made.type:
            case "case.opened" if not made.data.get("automatic"):
                self._cases[case_id] = (made.pool, made.at_ms)
            case "case.replied":
                self._answered(case_id, made.at_ms)
            case "case.resolved" | "case.merged" | "case.closed" | "case.handed_over":
                self._cases.pop(case_id, None)

    def _work(self, made: wire.Decision, work_id: str, case_id: str) -> None:
        answer = self.answer
        match made.type:
            case "work.queued":
                queue = (made.pool, str(made.data["queue"]))
                self._waits[work_id] = _Waits(queue, made.at_ms)
                self._queue_of.setdefault(case_id, queue)
                answer.returned[made.data["reason"]] += made.data["reason"] in _RETURNED
            case "work.stepped":
                answer.moved += made.data.get("queue") is not None
            case "work.suspended" if work_id in self._waits:
                self._waits[work_id].rests_since_ms = made.at_ms
            case "work.resumed" if work_id in self._waits:
                _rested(self._waits[work_id], made.at_ms)
            case "work.assigned":
                self._assigned(made, work_id, case_id)
            case "work.closed" | "work.cancelled" | "work.abandoned":
                self._waits.pop(work_id, None)
            case "work.escalated":
                answer.escalations[made.data["reason"]] += 1

    def _answered(self, case_id: str, at_ms: int) -> None:
        opened = self._cases.pop(case_id, None)
        if opened is not None:
            self._of(case_id, opened[0]).answers_ms.append(at_ms - opened[1])

    def _assigned(self, made: wire.Decision, work_id: str, case_id: str) -> None:
        self.answer.firsts.setdefault(case_id, First(str(made.agent_id), made.at_ms))
        waits = self._waits.pop(work_id, None)
        if waits is not None:
            _rested(waits, made.at_ms)
            waited_ms = made.at_ms - waits.since_ms - waits.rested_ms
            self.answer.queues[waits.queue].waits_ms.append(waited_ms)

    def _of(self, case_id: str, pool: str) -> Queue:
        return self.answer.queues[self._queue_of.get(case_id, (pool, "-"))]

    def end(self, end_ms: int) -> None:
        """Nothing more is known."""
        for waits in self._waits.values():
            _rested(waits, end_ms)
            queue = self.answer.queues[waits.queue]
            queue.waits_ms.append(end_ms - waits.since_ms - waits.rested_ms)
            queue.waiting += 1
        for case_id, (pool, opened_ms) in self._cases.items():
            self._of(case_id, pool).unanswered_ms.append(end_ms - opened_ms)
        self.answer.returned = +self.answer.returned


def _rested(waits: _Waits, at_ms: int) -> None:
    if waits.rests_since_ms is not None:
        waits.rested_ms += at_ms - waits.rests_since_ms
        waits.rests_since_ms = None


def alike(one: Figures, other: Figures) -> dict[str, Any]:
    """How far two histories agree about who had each case first, and when."""
    cases = one.firsts.keys() | other.firsts.keys()
    both = one.firsts.keys() & other.firsts.keys()
    agents = sum(one.firsts[case].agent_id == other.firsts[case].agent_id for case in both)
    off = sorted(abs(one.firsts[case].at_ms - other.firsts[case].at_ms) for case in both)
    return {
        "cases": len(cases),
        "same_agent": agents,
        "same_agent_share": agents / len(cases) if cases else None,
        "off_ms": {name: quantile(off, share) for name, share in QUANTILES.items()},
    }
