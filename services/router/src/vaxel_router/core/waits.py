"""How long waiting will take: the place in the queue times the pace at which the queue is served.

The pace is the mean of the last gaps between two works that were taken from the queue one after
the other. A gap counts only if the later work was waiting already when the earlier one was taken:
so it tells how quickly the queue is served, not how seldom anything comes. The time since the last
one counts as a gap too once it is longer than the mean: where nobody serves any more, the estimate
grows. With fewer than three gaps there is none. Whole milliseconds, rounded down.
"""

from __future__ import annotations

from vaxel_router.core.of_queues import Pace

GAPS_KEPT = 20
"""The last gaps of a queue: enough for a mean, few enough to follow a change of shift."""
GAPS_LEAST = 3
"""With fewer there is no estimate."""


def taken(pace: Pace | None, clock_ms: int, at_ms: int) -> Pace:
    """The pace of a queue after a work that had waited there since ``clock_ms`` was taken."""
    if pace is None:
        return Pace(at_ms)
    gaps = pace.gaps_ms
    if clock_ms <= pace.last_ms:
        gaps = [*gaps, max(0, at_ms - pace.last_ms)][-GAPS_KEPT:]
    return Pace(at_ms, gaps)


def mean_ms(pace: Pace | None, now_ms: int) -> int | None:
    """The mean time from one work taken to the next; None: nothing is known yet."""
    if pace is None or len(pace.gaps_ms) < GAPS_LEAST:
        return None
    total, count = sum(pace.gaps_ms), len(pace.gaps_ms)
    since_ms = now_ms - pace.last_ms
    if since_ms * count > total:
        return (total + since_ms) // (count + 1)
    return total // count


def expected_ms(pace: Pace | None, position: int, now_ms: int) -> int | None:
    """How long the work at a position (from 1) will wait yet; None: nothing is known yet."""
    mean = mean_ms(pace, now_ms)
    return None if mean is None else position * mean
