"""How sure a figure is: half-widths of 95 % intervals that mean it.

A figure is a ratio of sums over short stretches of virtual time. Ten or more replications are
independent of each other, and the spread of their sums says all. Fewer are cut into batches, longer
ones for as long as neighbours go together; what stays of that widens the interval (Student's t with
the correction for first-order autocorrelation, as in Tafazzoli et al., "Skart", 2011). How far a
figure moves when the first quarter of each replication is left out is added: an empty start and a
queue that has no steady state show there. Waits are skewed, so the side of the interval on which
the truth may lie further off (Johnson's correction, as Skart takes it) gives the half-width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

INDEPENDENT = 10
"""So many replications speak for themselves."""
BATCHES = (64, 32, 16)
"""In all, where there are fewer; tried in this order."""
CORRELATION_MAX = 0.9
SKEWED_MAX = 1.3
"""So much wider at most: the skewness of few numbers is mostly chance."""
_SMALL_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and the half-width of its 95 % interval; None: nothing to say it from."""

    value: float | None
    ci95: float | None

    def document(self) -> dict[str, float | None]:
        """As it is printed."""
        return {"value": self.value, "ci95": self.ci95}


Series = Sequence[Sequence[float]]
"""By replication, then stretch."""


def student(degrees: int) -> float:
    """The 97.5 % quantile of Student's t (to three digits)."""
    if degrees <= len(_SMALL_T):
        return _SMALL_T[max(degrees, 1) - 1]
    z = 1.959964
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3


def ratio(above: Series, below: Series, *, least: float = 0.0) -> Estimate:
    """The sum of ``above`` over that of ``below``; the half-width is ``least`` at least."""
    total = sum(map(sum, below))
    if total <= 0:
        return Estimate(None, None)
    value = sum(map(sum, above)) / total
    spread = _spread(above, below, value, total)
    moved = _moved(above, below, value)
    return Estimate(value, max(math.hypot(spread, moved), least))


def _spread(above: Series, below: Series, value: float, total: float) -> float:
    if len(above) >= INDEPENDENT:
        errors = [sum(one) - value * sum(other) for one, other in zip(above, below, strict=True)]
        return _half_width([errors], total, corrected=False)
    errors_by: list[list[float]] = []
    for count in BATCHES:
        each = max(4, count // (1 << (len(above) - 1).bit_length()))
        errors_by = [
            [
                one - value * other
                for one, other in zip(_merged(first, each), _merged(second, each), strict=True)
            ]
            for first, second in zip(above, below, strict=True)
        ]
        if _correlation(errors_by) < 0.5 / math.sqrt(each * len(above)):
            break
    return _half_width(errors_by, total, corrected=True)


def _merged(stretches: Sequence[float], count: int) -> list[float]:
    size = len(stretches) // count
    return [sum(stretches[index * size : (index + 1) * size]) for index in range(count)]


def _correlation(errors: list[list[float]]) -> float:
    """Of neighbours within a replication."""
    square = sum(error * error for row in errors for error in row)
    if not square:
        return 0.0
    together = sum(one * other for row in errors for one, other in pairwise(row))
    return together / square


def _half_width(errors: list[list[float]], total: float, *, corrected: bool) -> float:
    count = sum(map(len, errors))
    if count < 2:
        return math.inf
    square = sum(error * error for row in errors for error in row)
    variance = square * count / (count - 1)
    if corrected:
        together = min(max(_correlation(errors) + 1 / count, 0.0), CORRELATION_MAX)
        variance *= (1 + together) / (1 - together)
    return _skewed(errors, student(count - 1)) * math.sqrt(variance) / total


def _skewed(errors: list[list[float]], quantile: float) -> float:
    """The quantile of the longer side, where errors lie further off on one than on the other."""
    flat = [error for row in errors for error in row]
    square = sum(error * error for error in flat) / len(flat)
    if not square:
        return quantile
    skewness = sum(error * error * error for error in flat) / len(flat) / square / math.sqrt(square)
    beta = abs(skewness) / 6 / math.sqrt(len(flat))
    if beta < 1e-6:
        return quantile
    longer = (1 - math.cbrt(1 - 6 * beta * (quantile + beta))) / (2 * beta)
    return min(longer, SKEWED_MAX * quantile)


def _moved(above: Series, below: Series, value: float) -> float:
    """How far the figure is from what the last three quarters say."""
    later = [_later(row) for row in below]
    total = sum(map(sum, later))
    return abs(value - sum(sum(_later(row)) for row in above) / total) if total > 0 else 0.0


def _later(row: Sequence[float]) -> Sequence[float]:
    return row[len(row) // 4 :]
