"""What happened in a demo, counted; a case is known by the id that its first contact gives it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from vaxel_cli.commands.demo_plan import WAYS, Way
from vaxel_shared import ids


@dataclass(slots=True)
class Seen:
    """One contact on its way. Instants are milliseconds UTC; None: not yet."""

    way: Way
    sent_ms: int
    acknowledged_ms: int
    offered_ms: int | None = None
    answered_ms: int | None = None


@dataclass(slots=True)
class Tally:
    """Counts, and how long things took."""

    sent: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    """Attempts that weren't acknowledged, by way and code; each was made again."""
    given_up: Counter[str] = field(default_factory=Counter)
    agents: Counter[str] = field(default_factory=Counter)
    """What agents asked the API for, and what it answered."""
    heard: int = 0
    """Visitors who saw their answer in the chat."""
    cases: dict[str, Seen] = field(default_factory=dict)
    offered_ahead: dict[str, int] = field(default_factory=dict)
    answered_ahead: dict[str, int] = field(default_factory=dict)
    """Offered and answered before the sender's acknowledgement was noted: where it got lost, the
    sender asks again long after the agent has answered."""

    def acknowledged(self, way: Way, interaction_id: str, sent_ms: int, now_ms: int) -> None:
        """The system has said that it has a contact."""
        case_id = ids.case_id(interaction_id)
        seen = self.cases.setdefault(case_id, Seen(way, sent_ms, now_ms))
        seen.offered_ms = seen.offered_ms or self.offered_ahead.pop(case_id, None)
        seen.answered_ms = seen.answered_ms or self.answered_ahead.pop(case_id, None)

    def offered(self, case_id: str, at_ms: int) -> None:
        """An agent was offered a case."""
        seen = self.cases.get(case_id)
        if seen is None:
            self.offered_ahead.setdefault(case_id, at_ms)
        elif seen.offered_ms is None:
            seen.offered_ms = at_ms

    def answered(self, case_id: str, at_ms: int) -> None:
        """An agent's answer was accepted."""
        seen = self.cases.get(case_id)
        if seen is None:
            self.answered_ahead.setdefault(case_id, at_ms)
        elif seen.answered_ms is None:
            seen.answered_ms = at_ms

    @property
    def open(self) -> int:
        """Acknowledged and not answered."""
        return sum(seen.answered_ms is None for seen in self.cases.values())

    def document(self, *, planned: int, took_s: float) -> dict[str, Any]:
        """The summary, for ``--json`` and for the table."""
        seen = list(self.cases.values())
        acknowledged = Counter(one.way for one in seen)
        return {
            "seconds": round(took_s, 1),
            "planned": planned,
            "sent": {way: self.sent[way] for way in WAYS},
            "acknowledged": {way: acknowledged[way] for way in WAYS},
            "given_up": sum(self.given_up.values()),
            "offered": sum(one.offered_ms is not None for one in seen),
            "answered": sum(one.answered_ms is not None for one in seen),
            "not_answered": self.open,
            "answers_seen_in_chat": self.heard,
            "acknowledged_ms": percentiles([one.acknowledged_ms - one.sent_ms for one in seen]),
            "offered_after_ms": percentiles(
                [
                    max(0, one.offered_ms - one.acknowledged_ms)
                    for one in seen
                    if one.offered_ms is not None
                ]
            ),
            "answered_after_ms": percentiles(
                [
                    max(0, one.answered_ms - one.acknowledged_ms)
                    for one in seen
                    if one.answered_ms is not None
                ]
            ),
            "refusals": dict(sorted(self.refusals.items())),
            "agents": dict(sorted(self.agents.items())),
        }


def percentiles(values: list[int]) -> dict[str, int | None]:
    """The median and the value that 95 in 100 don't exceed (nearest rank); None without values."""
    if not values:
        return {"p50": None, "p95": None}
    ordered = sorted(values)
    ranks = {"p50": -(-len(ordered) // 2), "p95": -(-len(ordered) * 95 // 100)}
    return {name: ordered[rank - 1] for name, rank in ranks.items()}
