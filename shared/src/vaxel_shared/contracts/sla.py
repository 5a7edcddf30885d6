"""SLA clocks on the log: what moves them (``vaxel.clocks``), what became of them (``vaxel.sla``).

Ids, codes and derived facts only, as on ``vaxel.decisions``. Instants are milliseconds UTC.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vaxel_shared.contracts.base import Contract

EventKind = Literal[
    "started", "paused", "resumed", "moved", "warned", "breached", "met", "stopped", "cancelled",
    "retracted",
]  # fmt: skip
"""``moved``: another deadline. ``met`` in time, ``stopped`` after a breach, ``cancelled`` without
a verdict. ``retracted``: a breach or warning that later facts undo."""

MOVE_TYPE = "vaxel.clocks.move.v1"
DUE_TYPE = "vaxel.clocks.due.v1"
MARK_TYPE = "vaxel.clocks.mark.v1"


def event_type(kind: str) -> str:
    """The CloudEvents type of a record of ``vaxel.sla``."""
    return f"vaxel.sla.{kind}.v1"


class CaseFacts(Contract):
    """What policies look at; a move carries what its decision says, the rest is absent."""

    number: str | None = None
    queue: str | None = None
    priority: int | None = None
    channel: str | None = None
    account: str | None = None
    language: str | None = None
    labels: list[str] | None = None
    automatic: bool | None = None


class Move(Contract):
    """A decision that moves clocks, projected. ``partition``, ``seq``, ``index`` are its place."""

    kind: Literal["move"] = "move"
    type: str
    case_id: str
    pool: str
    partition: int
    seq: int
    index: int
    at_ms: int
    facts: CaseFacts = Field(default_factory=CaseFacts)
    received_at_ms: int | None = None
    waits_for: str | None = None
    reason: str | None = None
    other: str | None = None
    """Of a case that took another in, or let it go: which."""
    waiting_since_ms: int | None = None
    """The first contact of what came in, where nobody had answered it."""
    answered: bool | None = None
    """Of a case that is by itself again: it was answered while it was part of another."""


class Due(Contract):
    """A timer that came due: ``partition`` of the decisions is known up to ``known_ms``."""

    kind: Literal["due"] = "due"
    case_id: str
    clock: str
    cycle: int
    stage: str
    due_ms: int
    known_ms: int


class Mark(Contract):
    """How far each partition of the decisions is known: no earlier decision can still come."""

    kind: Literal["mark"] = "mark"
    known_ms: dict[int, int]


class Stretch(Contract):
    """Part of the way to a deadline; those of kind ``open`` add up to the time that counts."""

    from_ms: int
    to_ms: int
    kind: Literal["open", "closed", "paused", "summed"]
    why: str
    counted_ms: int
    name: str | None = None
    """The holiday's."""


class SlaEvent(Contract):
    """What became of a clock. ``at_ms`` is when it happened, ``detected_ms`` when it was certain.

    ``share`` is the warning's percentage. ``priority_at_least`` and ``tier_at_least`` are what the
    router was asked for. ``due_ms`` is absent while the clock stands still.
    """

    id: str
    type: EventKind
    case_id: str
    pool: str
    clock: str
    cycle: int
    at_ms: int
    detected_ms: int
    target_ms: int
    elapsed_ms: int
    policy: str
    policy_version: str
    calendar: str
    tzdata: str
    number: str | None = None
    queue: str | None = None
    channel: str | None = None
    priority: int | None = None
    due_ms: int | None = None
    share: int | None = None
    retracts: str | None = None
    again: int = 0
    """How many stages of this clock were taken back before."""
    told: list[str] = Field(default_factory=list)
    """The stages that stand: what was told of this clock and not taken back."""
    catchup: bool = False
    reason: str | None = None
    priority_at_least: int | None = None
    tier_at_least: int | None = None
    segments: list[Stretch] = Field(default_factory=list)
