"""What the decisions say, folded once more by other code than the services': who held what, how
each case and work stands, which offers were due when. Judges nothing but what it is handed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

STATUS = {
    "case.opened": "open",
    "case.reopened": "open",
    "case.resolved": "resolved",
    "case.closed": "closed",
    "case.handed_over": "closed",
    "work.queued": "open",
}
WORK_STATE = {
    "work.queued": "queued",
    "work.assigned": "assigned",
    "work.scheduled": "scheduled",
    "work.suspended": "suspended",
    "work.resumed": "queued",
    "work.wrapping": "wrapping",
    "work.closed": "closed",
    "work.cancelled": "cancelled",
    "work.abandoned": "abandoned",
}
ENDED = ("closed", "cancelled", "abandoned")


class Ownership:
    """Owners, offers and capacity; what must never be goes into ``overlapping`` and ``over``."""

    def __init__(self) -> None:
        self.overlapping: list[str] = []
        self.over: list[str] = []
        self.assigned = 0
        self._owner: dict[str, str] = {}
        self._open: dict[str, str] = {}
        self._held: dict[str, dict[str, int]] = defaultdict(dict)
        self._capacity: dict[str, int] = {}

    def see(self, decision: Json) -> None:
        """Fold one decision."""
        kind, agent = decision["type"], decision.get("agent_id", "")
        work, data = decision.get("work_id", ""), decision.get("data", {})
        if kind == "agent.changed" and "profile" in data:
            self._capacity[agent] = data["profile"].get("capacity", 1)
        elif kind == "agent.removed":
            self._capacity.pop(agent, None)
        elif kind == "work.queued":
            self._queued(decision["case_id"], work)
        elif kind == "offer.made":
            self._take(agent, decision["offer_id"], data["cost"])
        elif kind == "offer.ended":
            self._held[agent].pop(decision["offer_id"], None)
        elif kind == "work.assigned":
            if work in self._owner:
                self.overlapping.append(f"{work}: {self._owner[work]} and {agent}")
            self._owner[work] = agent
            self.assigned += 1
            self._take(agent, work, data["cost"], override=data["via"] == "override")
        elif WORK_STATE.get(kind) in ENDED:
            self._free(work)
            self._open.pop(decision["case_id"], None)

    def _queued(self, case: str, work: str) -> None:
        """New work, or the same again: then nobody owns it any more."""
        if self._open.get(case, work) != work:
            self.overlapping.append(f"{case}: {work} beside {self._open[case]}")
        self._open[case] = work
        self._free(work)

    def _free(self, work: str) -> None:
        owner = self._owner.pop(work, None)
        if owner is not None:
            self._held[owner].pop(work, None)

    def _take(self, agent: str, what: str, cost: int, *, override: bool = False) -> None:
        self._held[agent][what] = cost
        total = sum(self._held[agent].values())
        if total > self._capacity.get(agent, 0) and not override:
            self.over.append(f"{agent}: {total} of {self._capacity.get(agent)}")


@dataclass
class Cases:
    """How each case, work and offer stands at the end: what the register must show."""

    number: dict[str, str] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    agent: dict[str, str | None] = field(default_factory=dict)
    works: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    offers: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def see(self, decision: Json) -> None:
        """Fold one decision."""
        kind, case, data = decision["type"], decision.get("case_id"), decision.get("data", {})
        if case is None:
            return
        if "number" in data and kind == "case.opened":
            self.number[case] = data["number"]
        if kind in STATUS:
            self.status[case] = STATUS[kind]
        elif kind == "case.waiting":
            self.status[case] = f"waiting_{data.get('waits_for', 'customer')}"
        if kind in ("case.opened", "work.queued"):
            self.agent[case] = None
        elif kind == "work.assigned":
            self.agent[case] = decision["agent_id"]
        self._work(kind, case, decision)

    def _work(self, kind: str, case: str, decision: Json) -> None:
        work, offer = decision.get("work_id"), decision.get("offer_id")
        if work is not None and kind in WORK_STATE:
            self.works[case][work] = WORK_STATE[kind]
        elif kind == "offer.made":
            self.offers[case][str(offer)] = "pending"
            self.works[case][str(work)] = "offered"
        elif kind == "offer.ended":
            outcome = decision["data"]["outcome"]
            self.offers[case][str(offer)] = outcome
            if outcome != "accepted" and self.works[case].get(str(work)) == "offered":
                self.works[case][str(work)] = "queued"


@dataclass
class Timers:
    """Each offer's end against the instant that it was due, while somebody could decide.

    ``excused``: spans of ms in which the harness itself was in the way. Besides, an owner counts
    as alive only from its claim on.
    """

    excused: list[tuple[int, int]] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    ended_twice: list[str] = field(default_factory=list)
    late_ms: list[int] = field(default_factory=list)
    due_ms: dict[str, int] = field(default_factory=dict)
    ended: int = 0
    _alive_ms: dict[int, int] = field(default_factory=dict)
    _over: set[str] = field(default_factory=set)

    def claimed(self, partition: int, at_ms: int) -> None:
        """An owner of the partition is there from here on."""
        self._alive_ms[partition] = at_ms

    def see(self, decision: Json, partition: int) -> None:
        """Fold one decision."""
        kind, offer, data = decision["type"], decision.get("offer_id"), decision.get("data", {})
        if offer is None:
            return
        shown = kind == "effect.reported" and data.get("expires_ms") and offer in self.due_ms
        if shown or kind == "offer.made":
            self.due_ms[offer] = data["expires_ms"]
        elif kind == "offer.ended":
            self._end(offer, data["outcome"], decision["at_ms"], partition)

    def missed(self, now_ms: int, patience_ms: int) -> list[str]:
        """Offers that should have ended long ago, and stand open."""
        return sorted(
            f"{offer}: due {now_ms - due} ms ago"
            for offer, due in self.due_ms.items()
            if self._since(due, now_ms, -1) + patience_ms < now_ms
        )

    def _end(self, offer: str, outcome: str, at_ms: int, partition: int) -> None:
        due = self.due_ms.pop(offer, None)
        if due is None:
            self.ended_twice.append(offer)
            return
        self.ended += 1
        if outcome not in ("expired", "unseen"):
            return
        if at_ms < due:
            self.early.append(f"{offer}: {due - at_ms} ms before its time")
        self.late_ms.append(max(0, at_ms - self._since(due, at_ms, partition)))

    def _since(self, due_ms: int, at_ms: int, partition: int) -> int:
        """From when on somebody could have ended it."""
        since = max(due_ms, min(self._alive_ms.get(partition, due_ms), at_ms))
        for begin, end in sorted(self.excused):
            if begin < at_ms and end > since and begin <= since:
                since = min(end, at_ms)
        return since
