"""What the monitor remembers of a case: its facts and its clocks, immutable, as small JSON.

A state is what stands in the stream's table; it holds the instants at which something is due, so
that a changed configuration moves nothing until the case's next event.
"""

from __future__ import annotations

import msgspec

Pause = tuple[int, int | None]
FORGET = "forget"
"""The last stage of a case: that it ended need not be remembered any more."""
FORGET_MS = 3_600_000
"""So long after its end a case is remembered: what a producer gave up may land minutes later, and
would open it anew."""


class Stage(msgspec.Struct, frozen=True, array_like=True):
    """Something that is due: ``warning.75`` or ``breach``, after ``at_ms``."""

    name: str
    at_ms: int


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What policies look at. ``priority`` is never one that an SLA alert raised."""

    pool: str
    number: str | None = None
    queue: str | None = None
    priority: int = 0
    channel: str | None = None
    account: str | None = None
    language: str | None = None
    labels: tuple[str, ...] = ()
    automatic: bool = False


class Clock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One promise. ``state``: running, paused, met, stopped (too late), cancelled."""

    cycle: int
    policy: str
    version: str
    calendar: str
    target_ms: int
    warn_at: tuple[int, ...]
    started_ms: int
    pauses: tuple[Pause, ...] = ()
    state: str = "running"
    due_ms: int | None = None
    stages: tuple[Stage, ...] = ()
    """What isn't due yet, in order; those that were are in ``fired``."""
    fired: tuple[Stage, ...] = ()
    ended_ms: int | None = None
    own_ms: int | None = None
    """Its own start, where it counts from the message of a case that came in; None: its start."""
    retracted: int = 0
    """How many stages were taken back: what is told after that is told anew."""

    @property
    def open(self) -> bool:
        """Whether something can still become of it."""
        return self.state in {"running", "paused"}

    @property
    def breached(self) -> bool:
        """Whether its breach was told."""
        return any(stage.name == "breach" for stage in self.fired)


class Case(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A case with its clocks by name; ``place`` is (partition, seq, index) of the last move."""

    case_id: str
    place: tuple[int, int, int]
    at_ms: int
    opened_ms: int
    facts: Facts
    clocks: dict[str, Clock] = {}
    waits_for: str | None = None
    resolved: bool = False
    answered: bool = False
    raised: tuple[int, ...] = ()
    """Priorities that SLA alerts raised it to: they change no target."""
    inside: dict[str, int] = {}
    """Cases that came in and waited for their first answer → since when."""
    away_ms: int | None = None
    """It went into another case or pool then: its clocks rest until it is back, or closed."""
    ended_ms: int | None = None
    """It is closed: nothing but its place is of use, to tell a repeat from news."""

    def stages(self) -> list[tuple[str, Clock, Stage]]:
        """What is due of running clocks, in order: the clock's name, the clock, the stage."""
        if self.ended_ms is not None:
            return [("", _NO_CLOCK, Stage(FORGET, self.ended_ms + FORGET_MS))]
        found = [
            (stage.at_ms, name, place, clock, stage)
            for name, clock in self.clocks.items()
            if clock.state == "running"
            for place, stage in enumerate(clock.stages)
        ]
        found.sort(key=lambda item: item[:3])
        return [(name, clock, stage) for _, name, _, clock, stage in found]

    def next_stage(self) -> tuple[str, Clock, Stage] | None:
        """What is due first."""
        if self.ended_ms is not None:
            return "", _NO_CLOCK, Stage(FORGET, self.ended_ms + FORGET_MS)
        found = [
            (clock.stages[0].at_ms, name, clock)
            for name, clock in self.clocks.items()
            if clock.state == "running" and clock.stages
        ]
        if not found:
            return None
        _, name, clock = min(found, key=lambda item: item[:2])
        return name, clock, clock.stages[0]


_NO_CLOCK = Clock(
    cycle=0, policy="", version="", calendar="", target_ms=0, warn_at=(), started_ms=0
)
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Case)


def encode(case: Case) -> bytes:
    """As it stands in the table."""
    return _encoder.encode(case)


def decode(raw: bytes) -> Case:
    """From the table; raises ``msgspec.DecodeError``."""
    return _decoder.decode(raw)
