"""Spans: where they stand, what they may hold, and that nothing happens while tracing is off."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from vaxel_shared import ids
from vaxel_shared.obs import tracing
from vaxel_shared.obs.tracing import Place

MAIL = "6f4a5d10-0a41-5d7e-8f0f-2a3d7b1c9e55"
CASE = ids.case_id(MAIL)
EFFECT = "0123456789abcdef0123456789abcdef:2:41:3"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing.configure_with("test", SimpleSpanProcessor(exporter))
    yield exporter
    tracing.shut_down()


def _record(name: str, at: Place, *parents: Place | None, **fields: object) -> None:
    tracing.record(name, at, start_ns=1_000, end_ns=2_000, parents=parents, **fields)


def _one_mail() -> None:
    """What the services record for a mail that is offered, accepted and answered, each alone."""
    accept, reply = "c0ffee00-0000-5000-8000-000000000001", "c0ffee00-0000-5000-8000-000000000002"
    ingest, triage = tracing.contact(MAIL, "ingest"), tracing.contact(MAIL, "triage")
    answer = EFFECT.replace(":41:", ":43:")
    _record("mail.receive", ingest)
    _record("triage.contact", triage, Place.of(ingest.traceparent))
    _record("router.decide", tracing.decided(CASE, 41), Place.of(triage.traceparent))
    _record("delivery.offer", tracing.effect(CASE, EFFECT, 1), tracing.by_effect(CASE, EFFECT))
    _record("register.command", tracing.command(CASE, accept), tracing.by_token(CASE, "41.3"))
    _record("router.decide", tracing.decided(CASE, 42), tracing.command(CASE, accept))
    _record("register.command", tracing.command(CASE, reply), tracing.by_token(CASE, "42.1"))
    _record("router.decide", tracing.decided(CASE, 43), tracing.command(CASE, reply))
    _record("delivery.reply", tracing.effect(CASE, answer, 1), tracing.by_effect(CASE, answer))


def _tree(spans: tuple[ReadableSpan, ...]) -> dict[str, str | None]:
    names = {one.context.span_id: f"{one.name}-{number}" for number, one in enumerate(spans)}
    return {
        names[one.context.span_id]: None if one.parent is None else names[one.parent.span_id]
        for one in spans
    }


def test_one_mail_gives_one_connected_trace_with_the_cases_id(spans: InMemorySpanExporter) -> None:
    _one_mail()
    found = spans.get_finished_spans()
    assert {one.context.trace_id for one in found} == {uuid.UUID(CASE).int}
    assert _tree(found) == {
        "mail.receive-0": None,
        "triage.contact-1": "mail.receive-0",
        "router.decide-2": "triage.contact-1",
        "delivery.offer-3": "router.decide-2",
        "register.command-4": "router.decide-2",
        "router.decide-5": "register.command-4",
        "register.command-6": "router.decide-5",
        "router.decide-7": "register.command-6",
        "delivery.reply-8": "router.decide-7",
    }
    assert {(one.start_time, one.end_time) for one in found} == {(1_000, 2_000)}


def test_a_later_contact_is_linked_with_the_trace_of_its_case(spans: InMemorySpanExporter) -> None:
    later = tracing.contact("0b5e7c1a-1111-5222-8333-444455556666", "triage")
    _record("router.decide", tracing.decided(CASE, 50), later)
    (span,) = spans.get_finished_spans()
    assert span.parent is None
    assert span.context.trace_id == uuid.UUID(CASE).int
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [later.trace_id]


def test_only_fields_of_the_log_are_kept(spans: InMemorySpanExporter) -> None:
    _record("x", tracing.decided(CASE, 1), case_id=CASE, seq=1, code=None, subject="My bill")
    (span,) = spans.get_finished_spans()
    assert span.attributes == {"vaxel.case_id": CASE, "vaxel.seq": 1}
    assert "bill" not in span.to_json()


def test_a_span_is_not_its_own_parent(spans: InMemorySpanExporter) -> None:
    at = tracing.decided(CASE, 1)
    _record("x", at, at, None)
    (span,) = spans.get_finished_spans()
    assert span.parent is None
    assert not span.links


def test_while_off_nothing_is_recorded_and_places_are_the_same() -> None:
    assert not tracing.enabled()
    tracing.configure("test", "")
    assert not tracing.enabled()
    _one_mail()
    assert tracing.contact(MAIL, "ingest").trace_id == uuid.UUID(CASE).hex


@given(st.uuids(), st.text(max_size=20), st.text(max_size=20))
def test_places_survive_a_header_and_differ_by_what_they_name(
    case: uuid.UUID, one: str, other: str
) -> None:
    at = tracing.place(str(case), one)
    assert Place.of(at.traceparent) == at or not case.int
    assert at == tracing.place(str(case), one)
    assert (at == tracing.place(str(case), other)) == (one == other)


@pytest.mark.parametrize(
    "header",
    [None, "", "junk", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", "00-" + "A" * 32 + "-1-01"],
)
def test_a_header_that_is_none_names_no_place(header: str | None) -> None:
    assert Place.of(header) is None


@pytest.mark.parametrize("token", [None, "", "7", "x.1", ".1"])
def test_a_token_that_is_none_names_no_decision(token: str | None) -> None:
    assert tracing.by_token(CASE, token) is None


def test_a_collector_that_is_away_costs_nothing_but_the_spans() -> None:
    tracing.configure("test", "http://127.0.0.1:9/v1/traces")
    _one_mail()
    tracing.shut_down()
    assert not tracing.enabled()
