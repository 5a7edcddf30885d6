"""The webhook connector's pure half: what it says, how answers of servers count, what comes back."""

import json
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vaxel_shared.connectors.catalog import connectors
from vaxel_shared.connectors.connector import VERBS
from vaxel_shared.connectors.tools_page import page
from vaxel_shared.connectors.webhook import (
    MANIFEST,
    Answer,
    Judged,
    Text,
    asked,
    event,
    judge,
    wait_ms,
)
from vaxel_shared.contracts.commands import DATA

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOW_MS = 1_792_000_000_000
TEXT = Text("body/" + "0" * 64, "0" * 64, 5)
ON_CASE = {"agent": "anna", "case_id": "case-1", "token": "7.1"}


def test_the_page_of_tools_is_what_the_manifests_say():
    made = page(connector.manifest for connector in connectors().values())
    assert (ROOT / "docs/tools.md").read_text() == made


def test_each_verb_of_each_tool_has_a_row():
    made = page(connector.manifest for connector in connectors().values())
    for verb in VERBS:
        assert f"\n| {verb} | " in made
    assert set(connectors()) == {"mail", "webhook"}


def test_the_webhook_takes_the_verbs_that_its_manifest_calls_native_and_no_others():
    taken = set(Answer.model_fields["verb"].annotation.__args__)
    assert taken == {verb for verb in VERBS if MANIFEST.how(verb) == "native"}


def test_an_event_is_a_standard_webhooks_payload_without_empty_fields():
    said = json.loads(event("offer", 0, {"number": "S1", "subject": "", "queue": None, "n": 0}))
    assert said == {
        "type": "offer.made", "timestamp": "1970-01-01T00:00:00.000Z", "data": {"number": "S1", "n": 0},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "judged"),
    [
        (200, Judged("done")),
        (204, Judged("done")),
        (301, Judged("refused", "http_301")),
        (302, Judged("refused", "http_302")),
        (400, Judged("refused", "http_400")),
        (401, Judged("later", "http_401", trouble=True, wait_ms=7_000)),
        (404, Judged("later", "http_404", trouble=True, wait_ms=7_000)),
        (408, Judged("later", "http_408", trouble=True, wait_ms=7_000)),
        (410, Judged("refused", "http_410", gone=True)),
        (413, Judged("refused", "http_413")),
        (422, Judged("refused", "http_422")),
        (429, Judged("later", "http_429", trouble=True, wait_ms=7_000)),
        (500, Judged("later", "http_500", trouble=True, wait_ms=7_000)),
        (503, Judged("later", "http_503", trouble=True, wait_ms=7_000)),
    ],
)
def test_what_a_status_means(status, judged):
    assert judge(status, "7", NOW_MS) == judged


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0),
        (" 120 ", 120_000),
        ("99999999999999999999", 999_999_999_000),
        ("-5", None),
        ("soon", None),
        ("١٢", None),
        ("1.5", None),
        (None, None),
        ("x" * 100, None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ],
)
def test_how_long_a_server_asks_to_be_left_alone(value, expected):
    assert wait_ms(value, NOW_MS) == expected


def test_a_date_to_come_back_at():
    assert wait_ms("Thu, 01 Jan 1970 00:01:00 GMT", 10_000) == 50_000


@given(st.text(max_size=80))
def test_no_retry_after_makes_it_raise(text):
    found = wait_ms(text, NOW_MS)
    assert found is None or found >= 0


@pytest.mark.parametrize(
    ("answer", "kind", "data"),
    [
        ({"verb": "accept", "agent": "anna", "offer_id": "o", "token": "1.0"},
         "offer.accept", {"offer_id": "o"}),
        ({"verb": "decline", "agent": "anna", "offer_id": "o", "token": "1.0", "reason": "busy"},
         "offer.decline", {"offer_id": "o", "reason": "busy"}),
        ({"verb": "reply", "text": "hello", "then": "resolved", **ON_CASE},
         "case.reply", {"body_ref": TEXT.ref, "body_sha256": TEXT.sha256, "body_size": 5, "then": "resolved"}),
        ({"verb": "reply", "text": "hello", "amount": 500, "explanation": True, **ON_CASE},
         "case.reply", {"body_ref": TEXT.ref, "body_sha256": TEXT.sha256, "body_size": 5, "amount": 500, "explanation": True}),
        ({"verb": "consult", "text": "hello", "to_queue": "billing", "waits": True, **ON_CASE},
         "case.consult", {"kind": "consult", "to_queue": "billing", "wait": True, "note_ref": TEXT.ref, "note_sha256": TEXT.sha256, "note_size": 5}),
        ({"verb": "consult", "text": "hello", "amount": 500, **ON_CASE},
         "case.consult", {"kind": "approve", "amount": 500, "note_ref": TEXT.ref, "note_sha256": TEXT.sha256, "note_size": 5}),
        ({"verb": "answer", "text": "hello", "verdict": "approved", **ON_CASE},
         "case.answer", {"verdict": "approved", "note_ref": TEXT.ref, "note_sha256": TEXT.sha256, "note_size": 5}),
        ({"verb": "note", "text": "hello", "agent": "anna", "case_id": "c"},
         "case.note", {"note_ref": TEXT.ref, "note_sha256": TEXT.sha256, "note_size": 5}),
        ({"verb": "resolve", "reason": "done", **ON_CASE}, "case.resolve", {"reason": "done"}),
        ({"verb": "wait", "for": "customer", "wake_at": "2026-11-22T10:00:00+02:00", **ON_CASE},
         "case.wait", {"waits_for": "customer", "wake_ms": 1_795_334_400_000}),
        ({"verb": "transfer", "to_queue": "billing", "text": "hello", **ON_CASE},
         "case.transfer", {"to_queue": "billing", "note_ref": TEXT.ref, "note_sha256": TEXT.sha256, "note_size": 5}),
        ({"verb": "escalate", "tier": 2, **ON_CASE}, "case.escalate", {"tier": 2}),
        ({"verb": "presence", "agent": "anna", "presence": "away"},
         "agent.presence", {"presence": "away", "mode": "keep"}),
        ({"verb": "elsewhere", "agent": "anna", "channels": {"email": 3}, "cases": ["c"], "until": "2026-11-22T10:00:00+02:00"},
         "agent.elsewhere", {"source": "desk", "channels": {"email": 3}, "cases": ["c"], "until_ms": 1_795_334_400_000}),
    ],
)  # fmt: skip
def test_each_verb_is_a_command_of_the_contract(answer, kind, data):
    parsed = Answer.model_validate(answer)
    found = asked("desk", parsed, TEXT if parsed.keeps else None)
    assert found == (kind, data)
    DATA[kind].model_validate(found[1])


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ({"verb": "accept", "agent": "anna", "offer_id": "o"}, "accept needs token"),
        ({"verb": "accept", "agent": "anna", "token": "1.0"}, "accept needs case_id, offer_id"),
        ({"verb": "accept", "agent": "anna", "offer_id": "o", "token": "1.0", "text": "x"}, "takes no text"),
        ({"verb": "reply", **ON_CASE}, "reply needs text"),
        ({"verb": "reply", "text": "", **ON_CASE}, "at least 1 character"),
        ({"verb": "reply", "text": "x", "then": "never", **ON_CASE}, "then"),
        ({"verb": "wait", **ON_CASE}, "wait needs for"),
        ({"verb": "wait", "for": "customer", "wake_at": "2026-11-22T10:00:00", **ON_CASE}, "timezone"),
        ({"verb": "consult", **ON_CASE}, "consult needs text"),
        ({"verb": "answer", "text": "x", **ON_CASE}, "answer needs verdict"),
        ({"verb": "answer", "text": "x", "verdict": "passed", "score": 101, **ON_CASE}, "less than or equal to 100"),
        ({"verb": "transfer", "text": "x", **ON_CASE}, "exactly one of"),
        ({"verb": "transfer", "text": "x" * 20_001, "to_queue": "q", **ON_CASE}, "a note has at most"),
        ({"verb": "presence", "agent": "anna"}, "presence needs presence"),
        ({"verb": "presence", "agent": "anna", "presence": "away", "case_id": "c", "for": "customer"}, "takes no for"),
        ({"verb": "elsewhere", "agent": "anna"}, "elsewhere needs channels, until"),
        ({"verb": "elsewhere", "agent": "anna", "channels": {"email": 101}, "until": "2026-11-22T10:00:00Z"}, "less than or equal to 100"),
        ({"verb": "elsewhere", "agent": "anna", "channels": {}, "until": "2026-11-22T10:00:00Z", "reason": "x"}, "takes no reason"),
        ({"verb": "resolve", "reason": "I was tired", **ON_CASE}, "pattern"),
        ({"verb": "resolve", "agent": "Anna Smith", "case_id": "c", "token": "1.0"}, "pattern"),
        ({"verb": "assign", **ON_CASE}, "Input should be"),
        ({"verb": "resolve", "surprise": 1, **ON_CASE}, "Extra inputs"),
        (None, "valid dictionary"),
        ([], "valid dictionary"),
    ],
)  # fmt: skip
def test_an_answer_that_asks_for_too_little_or_too_much_is_refused_with_the_field(answer, fault):
    with pytest.raises(ValidationError) as caught:
        Answer.model_validate(answer)
    assert fault in str(caught.value)
