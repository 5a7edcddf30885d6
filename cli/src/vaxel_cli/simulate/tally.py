"""What is counted while a replication runs, in stretches of equal length.

Customers count into the stretch in which they arrived, whenever their wait ends; queues, busy slots
and who serves whom count in the time in which they are. The stretches are short; whoever computes
half-widths puts as many together as it takes for them to be independent.
"""

from __future__ import annotations

from dataclasses import dataclass, field

STRETCHES = 256
"""A replication; a power of two, so that halving them stays even."""

AT_ONCE, AFTER_WAIT, WAITED, IN_TIME, LEFT, WAITED_IN_VAIN, BLOCKED = range(7)
"""Places in a row: served at once; served after a wait, these waits' sum in ticks, and how many of
them were within the service level; gave up, and the sum of their waits; turned away."""
ROW = 7


@dataclass(slots=True)
class Tally:
    """One replication's counts. Areas are in ticks times works."""

    classes: int
    groups: int
    length: float
    """Of a stretch, in ticks."""
    rows: list[list[list[int]]] = field(default_factory=list)
    """By class, then stretch."""
    queued: list[list[int]] = field(default_factory=list)
    """Cumulative area of each class's queue at each boundary, the window's begin included."""
    busy: list[list[int]] = field(default_factory=list)
    """The same of each group's busy slots."""
    served: list[list[list[int]]] = field(default_factory=list)
    """Cumulative starts of service at each boundary, by class, then group."""
    events: int = 0

    def __post_init__(self) -> None:
        self.rows = [[[0] * ROW for _ in range(STRETCHES)] for _ in range(self.classes)]
