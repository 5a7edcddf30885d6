"""How long things take: distributions by name, each with the mean that its rate gives.

A sample is made from one uniform number, so that a customer's number gives the same customer
whoever serves: runs that differ in staff alone are compared on the same luck.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any, Literal

from pydantic import Field, model_validator

from vaxel_shared.config.base import ConfigModel

Kind = Literal[
    "exponential", "deterministic", "erlang", "hyperexponential", "lognormal", "uniform", "weibull"
]
ALIASES = {"constant": "deterministic", "fixed": "deterministic", "det": "deterministic"}

Sampler = Callable[[float], float]
"""A uniform number of [0, 1) to a time."""

_MASK = (1 << 64) - 1


class Distribution(ConfigModel):
    """A shape; the mean comes from the rate that it belongs to."""

    kind: Kind = "exponential"
    k: int = Field(default=2, ge=1, le=1000)
    """Of ``erlang``: so many exponential phases."""
    cv: float | None = Field(default=None, gt=0, le=50)
    """Standard deviation over mean, of ``lognormal`` (1) and ``hyperexponential`` (2)."""
    spread: float = Field(default=1.0, ge=0, le=1)
    """Of ``uniform``: from (1 - spread) to (1 + spread) times the mean."""
    shape: float = Field(default=1.0, gt=0.1, le=50)
    """Of ``weibull``; 1 is exponential."""

    @model_validator(mode="after")
    def _possible(self) -> Distribution:
        if self.kind == "hyperexponential" and self.cv is not None and self.cv < 1:
            raise ValueError("a hyperexponential has cv 1 or more; below, take erlang or lognormal")
        return self

    def sampler(self, mean: float) -> Sampler:
        """Samples with this mean."""
        return _MAKERS[self.kind](self, mean)

    def whole(self, mean: float, uniform: Callable[[], float]) -> Callable[[], int]:
        """Samples from a stream, rounded to whole numbers."""
        if self.kind == "exponential":  # asked for a million times: one call less
            log1p = math.log1p
            return lambda: int(0.5 - mean * log1p(-uniform()))
        sample = self.sampler(mean)
        return lambda: int(sample(uniform()) + 0.5)


def spelled(value: Any) -> Any:
    """``erlang`` and ``{erlang: {k: 3}}`` as ``{kind: erlang, k: 3}``; the rest as it is."""
    if isinstance(value, str):
        return {"kind": ALIASES.get(value, value)}
    if isinstance(value, dict) and "kind" not in value and len(value) == 1:
        (name, more), *_ = value.items()
        if isinstance(name, str) and (more is None or isinstance(more, dict)):
            return {"kind": ALIASES.get(name, name), **(more or {})}
    return value


def _exponential(_: Distribution, mean: float) -> Sampler:
    log1p = math.log1p
    return lambda u: -mean * log1p(-u)


def _deterministic(_: Distribution, mean: float) -> Sampler:
    return lambda _u: mean


def _erlang(shape: Distribution, mean: float) -> Sampler:
    phases, scale, log = range(shape.k), mean / shape.k, math.log

    def sample(u: float) -> float:
        state, total = int(u * 2.0**53), 0.0
        for _ in phases:
            state, one = _mixed(state)
            total -= log(one)
        return scale * total

    return sample


def _mixed(state: int) -> tuple[int, float]:
    """The next of a stream that starts at one number (splitmix64): state, and one of (0, 1)."""
    state = (state + 0x9E3779B97F4A7C15) & _MASK
    z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return state, ((z ^ (z >> 31)) + 0.5) / 2.0**64


def _hyperexponential(shape: Distribution, mean: float) -> Sampler:
    """Two branches of balanced means."""
    squared = (shape.cv or 2.0) ** 2
    share = (1 + math.sqrt((squared - 1) / (squared + 1))) / 2
    quick, slow, log1p = mean / (2 * share), mean / (2 * (1 - share)), math.log1p

    def sample(u: float) -> float:
        if u < share:
            return -quick * log1p(-u / share)
        return -slow * log1p(-(u - share) / (1 - share))

    return sample


def _lognormal(shape: Distribution, mean: float) -> Sampler:
    variance = math.log(1 + (shape.cv or 1.0) ** 2)
    location, deviation = math.log(mean) - variance / 2, math.sqrt(variance)
    quantile, exp = NormalDist().inv_cdf, math.exp
    return lambda u: exp(location + deviation * quantile(u or 2.0**-54))


def _uniform(shape: Distribution, mean: float) -> Sampler:
    low, width = mean * (1 - shape.spread), 2 * mean * shape.spread
    return lambda u: low + width * u


def _weibull(shape: Distribution, mean: float) -> Sampler:
    scale, power, log1p = mean / math.gamma(1 + 1 / shape.shape), 1 / shape.shape, math.log1p
    return lambda u: scale * (-log1p(-u)) ** power


_MAKERS: dict[str, Callable[[Distribution, float], Sampler]] = {
    "exponential": _exponential,
    "deterministic": _deterministic,
    "erlang": _erlang,
    "hyperexponential": _hyperexponential,
    "lognormal": _lognormal,
    "uniform": _uniform,
    "weibull": _weibull,
}
