"""How a metric is declared: name, help, labels and buckets in one place, and a limit on its series.

Prometheus's conventions for names (prometheus.io/docs/practices/naming) hold: one prefix, base
units, the unit last, ``_total`` for counters (added where they are shown). A label is one of
:data:`LABELS`, each a bounded set; whatever a label is given at run time, a metric has at most
:data:`SERIES_MAX` series, and what comes after them counts as ``other``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call] # a second series for each, and no use

SERIES_MAX = 1_000
"""Of one metric in one process: above what any deployment has, below what hurts a Prometheus."""

OTHER = "other"

LABELS = {
    "channel": "email, chat, webhook: the channels of channels.yaml",
    "clock": "first_response, resolution: the clocks of sla.yaml",
    "connector": "webhooks of connectors.yaml",
    "kind": "a closed set of the service: kinds of effects, clocks, frames",
    "partition": "partitions of a topic; 16 as declared",
    "pool": "pools of routing.yaml",
    "presence": "how an agent is there or away: a closed set",
    "queue": "queues of routing.yaml",
    "reason": "codes; each stands in the source",
    "result": "a closed set of the service: how a request was answered",
    "route": "the API's routes, by name",
    "state": "states of a machine in the source",
    "status": "HTTP statuses",
    "topic": "the declared topics",
    "type": "types of decisions",
    "what": "what is tried again; each stands in the source",
}
"""Every label there may be, and what bounds it. Never an id of a case, an agent or a customer."""

UNITS = ("seconds", "bytes", "records")


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric as it is declared. ``name`` is what Prometheus shows."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()

    @property
    def unit(self) -> str:
        """The unit in the name; empty for a plain count."""
        stem = self.name.removesuffix("_total")
        return next((unit for unit in UNITS if stem.endswith(f"_{unit}")), "")


DECLARED: dict[str, Declared] = {}
"""Everything declared, by name."""


class _Bounded:
    """Gives a metric at most :data:`SERIES_MAX` series."""

    _metrics: dict[Sequence[str], Any]
    _labelnames: Sequence[str]

    def labels(self, *labelvalues: Any, **labelkwargs: Any) -> Self:
        """The series of these label values; past the limit that of ``other``."""
        values = labelvalues or [labelkwargs[name] for name in self._labelnames]
        key = tuple(str(value) for value in values)
        if key not in self._metrics and len(self._metrics) >= SERIES_MAX:
            key = (OTHER,) * len(self._labelnames)
        return super().labels(*key)  # type: ignore[misc,no-any-return] # prometheus_client's own


class _Counter(_Bounded, Counter):
    pass


class _Gauge(_Bounded, Gauge):
    pass


class _Histogram(_Bounded, Histogram):
    pass


def counter(name: str, says: str, *labels: str) -> Counter:
    """What only grows; shown with ``_total``."""
    _declare(Declared(f"{name}_total", "counter", says, labels))
    return _Counter(name, says, labels)


def gauge(name: str, says: str, *labels: str) -> Gauge:
    """What goes up and down."""
    _declare(Declared(name, "gauge", says, labels))
    return _Gauge(name, says, labels)


def histogram(name: str, says: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
    """How values are spread; put edges where a target lies, so that its share is exact."""
    _declare(Declared(name, "histogram", says, labels, buckets))
    return _Histogram(name, says, labels, buckets=buckets)


def _declare(metric: Declared) -> None:
    if metric.name in DECLARED:
        raise ValueError(f"{metric.name} is declared twice")
    for label in metric.labels:
        if label not in LABELS:
            raise ValueError(f"{metric.name}: label {label!r} isn't in LABELS; say what bounds it")
    DECLARED[metric.name] = metric
