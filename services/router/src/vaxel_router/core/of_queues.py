"""What a pool knows of its queues besides their rules: switches, closed hours, their pace."""

from __future__ import annotations

import msgspec


class Switch(msgspec.Struct, gc=False):
    """What somebody turned on, until when; ``value`` is the queue that a diversion leads to."""

    until_ms: int
    reason: str
    value: str | None = None


class Shut(msgspec.Struct, gc=False):
    """A queue that takes nobody's time: since when, and until when as far as is known."""

    since_ms: int
    until_ms: int


class Pace(msgspec.Struct, gc=False):
    """How quickly a queue is served: when work was last taken from it, and the last gaps."""

    last_ms: int
    gaps_ms: list[int] = []
