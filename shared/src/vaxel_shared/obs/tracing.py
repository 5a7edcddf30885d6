"""Traces by OpenTelemetry, from the SMTP session or socket to the answer; off unless one is named.

Nothing is carried along or stored to hold a trace together: its id *is* the id of the case that a
contact opens, and the id of a span follows from what it is about (:func:`place`). So every service
names another's span without having met it; what Kafka carries beside (``traceparent``) says the
same to tools that know only headers. A later contact of a case, whose case isn't known before the
router has seen it, has a trace of its own that the case's is linked with.

Spans are recorded when they are over, with explicit times: no context to lose between tasks, and
nothing to do where tracing is off. They hold ids, codes and durations: the fields of the log.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vaxel_shared import ids
from vaxel_shared.obs.logging import ALLOWED_FIELDS

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.trace import SpanContext, Tracer

EXPORT_TIMEOUT_S = 5.0
"""One request to the collector; what it doesn't take is dropped."""
FLUSH_MS_MAX = 1_000
"""A stop waits no longer for a collector."""

_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Place:
    """A span's place: its trace and itself, in hexadecimal."""

    trace_id: str
    span_id: str

    @property
    def traceparent(self) -> str:
        """As a header (W3C Trace Context)."""
        return f"00-{self.trace_id}-{self.span_id}-01"

    @classmethod
    def of(cls, traceparent: str | None) -> Place | None:
        """From a header; None for none, or one that isn't well-formed."""
        found = _TRACEPARENT.fullmatch(traceparent or "")
        if found is None or not int(found[1], 16) or not int(found[2], 16):
            return None
        return cls(found[1], found[2])


def place(case_id: str, *what: str) -> Place:
    """The span of a case that ``what`` names; the same names, the same span."""
    digest = hashlib.sha256("\x1f".join((case_id, *what)).encode()).hexdigest()
    trace_id = case_id.replace("-", "")
    if not _TRACE_ID.fullmatch(trace_id):  # no id of ours; still the same each time
        trace_id = hashlib.sha256(case_id.encode()).hexdigest()[:32]
    return Place(trace_id, digest[:16])


def contact(interaction_id: str, step: str) -> Place:
    """A step (``ingest``, ``triage``) on a contact's way to the router.

    The trace is that of the case that this contact opens, if it opens one.
    """
    return place(ids.case_id(interaction_id), step, interaction_id)


def decided(case_id: str, seq: int | str) -> Place:
    """What the router decided on a case in the record ``seq``."""
    return place(case_id, "decide", str(seq))


def command(case_id: str, command_id: str) -> Place:
    """A command about a case."""
    return place(case_id, "command", command_id)


def effect(case_id: str, effect_id: str, attempt: int) -> Place:
    """An attempt of delivery to do what a decision asked for."""
    return place(case_id, "effect", effect_id, str(attempt))


def by_token(case_id: str, token: str | None) -> Place | None:
    """The decision that made the offer or assignment which ``token`` speaks of."""
    seq, dot, _ = (token or "").partition(".")
    return decided(case_id, seq) if dot and seq.isdecimal() else None


def by_effect(case_id: str, effect_id: str) -> Place | None:
    """The decision that asked for an effect."""
    parts = effect_id.split(":")
    return decided(case_id, parts[2]) if len(parts) >= 4 and parts[2].isdecimal() else None


_given: ContextVar[Place | None] = ContextVar("vaxel_span", default=None)


class _State:
    """The process's tracer; none where tracing is off."""

    tracer: Tracer | None = None
    processor: SpanProcessor | None = None


_state = _State()


def enabled() -> bool:
    """Whether spans are recorded: ask before gathering what only they need."""
    return _state.tracer is not None


def configure(service: str, endpoint: str) -> None:
    """Send this process's spans to an OTLP/HTTP collector; an empty ``endpoint`` turns it off."""
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - slow
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - slow

    # Each failed export would be said with a traceback.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT_S)
    configure_with(service, BatchSpanProcessor(exporter))


def configure_with(service: str, processor: SpanProcessor) -> None:
    """The same with a processor of one's own (tests keep spans in memory)."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - slow, and mostly not needed
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: PLC0415

    provider = TracerProvider(
        resource=Resource.create({"service.name": f"vaxel-{service}"}),
        sampler=ALWAYS_ON,
        id_generator=_given_ids(),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(processor)
    _state.tracer = provider.get_tracer("vaxel")
    _state.processor = processor


def shut_down() -> None:
    """Send what is left, briefly, and stop. Blocks; call it last."""
    processor = _state.processor
    _state.tracer = _state.processor = None
    if processor is not None:
        processor.force_flush(FLUSH_MS_MAX)


def record(
    name: str,
    at: Place,
    *,
    start_ns: int,
    end_ns: int,
    parents: Iterable[Place | None] = (),
    **fields: Any,
) -> None:
    """Record a span that is over. Times are nanoseconds UTC; ``fields`` those that a log may have.

    The first of ``parents`` in the same trace is the parent; all others are linked.
    """
    if _state.tracer is None:
        return
    from opentelemetry import trace  # noqa: PLC0415 - loaded by now

    known = [one for one in parents if one is not None and one != at]
    parent = next((one for one in known if one.trace_id == at.trace_id), None)
    above = trace.NonRecordingSpan(_context(parent)) if parent is not None else trace.INVALID_SPAN
    token = _given.set(at)
    try:
        span = _state.tracer.start_span(
            name,
            context=trace.set_span_in_context(above),
            links=[trace.Link(_context(one)) for one in known if one != parent],
            start_time=start_ns,
            attributes={
                f"vaxel.{key}": value if isinstance(value, bool | int | float) else str(value)
                for key, value in fields.items()
                if value is not None and key in ALLOWED_FIELDS
            },
        )
    finally:
        _given.reset(token)
    span.end(end_ns)


def _context(at: Place) -> SpanContext:
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415 - loaded by now

    flags = TraceFlags(TraceFlags.SAMPLED)
    return SpanContext(int(at.trace_id, 16), int(at.span_id, 16), True, flags)


def _given_ids() -> IdGenerator:
    """The ids of the span that is being recorded, where OpenTelemetry would draw them."""
    from opentelemetry.sdk.trace.id_generator import IdGenerator  # noqa: PLC0415 - slow, and mostly not needed

    class GivenIds(IdGenerator):
        def generate_trace_id(self) -> int:
            return int(_now().trace_id, 16)

        def generate_span_id(self) -> int:
            return int(_now().span_id, 16)

    return GivenIds()


def _now() -> Place:
    at = _given.get()
    assert at is not None, "spans are recorded by record() only"  # noqa: S101 - a defect of ours
    return at
