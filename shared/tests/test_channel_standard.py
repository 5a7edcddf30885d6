"""The generic signed webhook: what holds, what doesn't and why, and what a body becomes."""

from __future__ import annotations

import base64
import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaxel_shared.channels import standard
from vaxel_shared.channels.catalog import platforms
from vaxel_shared.channels.platform import Request
from vaxel_shared.channels.receive import Place, Received, later, receive
from vaxel_shared.contracts.schema import schemas
from vaxel_shared.crypto.keys import Keyring

# The example of the specification's own libraries: secret, id, time, body and their signature.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, SECONDS = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER = "whsec_" + base64.b64encode(b"another secret, 24 bytes").decode()
NOW_MS = SECONDS * 1000
PLACE = Place("partner", "care", Keyring(b"k" * 32).pseudonym)
PLATFORM = platforms()["standard"]
SHAPE = jsonschema.Draft202012Validator(schemas()["interaction.v1.json"])

MESSAGE = {
    "type": "message.received",
    "timestamp": "2026-11-22T16:37:57.5+02:00",
    "data": {
        "conversation_id": "ticket-7",
        "sender": {"id": "u1", "name": "Aino", "email": "a@b.example", "email_verified": True},
        "subject": "Laskuni",
        "text": "Hei, laskussani on virhe.",
        "language": "fi",
    },
}


def headers(body: bytes, *secrets: str, id_: str = ID, seconds: int = SECONDS) -> dict[str, str]:
    signatures = [standard.sign(secret, id_, seconds, body) for secret in secrets or (SECRET,)]
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(signatures),
        "content-type": "application/json",
    }


def took(payload: Any, *, trust: bool = False, id_: str = ID, **changed: str) -> Received:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    request = Request(headers=headers(body, id_=id_) | changed, body=body)
    return receive(PLATFORM, request, [SECRET], PLACE, NOW_MS, trust=trust)


def reason(request: Request, *secrets: str, now_ms: int = NOW_MS) -> str | None:
    return standard.verify(request, secrets or (SECRET,), now_ms).reason


def test_the_example_of_the_specification_holds() -> None:
    given_ = {"webhook-id": ID, "webhook-timestamp": str(SECONDS), "webhook-signature": SIGNATURE}
    found = standard.verify(Request(headers=given_, body=BODY), [SECRET], NOW_MS)
    assert (found.ok, found.key_id, found.reason) == (True, "1", None)
    assert standard.sign(SECRET, ID, SECONDS, BODY) == SIGNATURE


def test_either_of_two_live_secrets_holds_and_is_named() -> None:
    for secret, number in ((SECRET, "1"), (OTHER, "2")):
        request = Request(headers=headers(BODY, secret), body=BODY)
        assert standard.verify(request, [SECRET, OTHER], NOW_MS).key_id == number
    both = Request(headers=headers(BODY, OTHER, SECRET), body=BODY)
    assert standard.verify(both, [SECRET], NOW_MS).ok
    assert reason(Request(headers=headers(BODY, OTHER), body=BODY)) == "signature_mismatch"


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [
        (300, None),
        (301, "timestamp_old"),
        (-300, None),
        (-301, "timestamp_future"),
        (0, None),
    ],
)
def test_five_minutes_both_ways(age_s: int, expected: str | None) -> None:
    request = Request(headers=headers(BODY), body=BODY)
    assert reason(request, now_ms=(SECONDS + age_s) * 1000) == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"webhook-id": ""}, "header_missing"),
        ({"webhook-timestamp": ""}, "header_missing"),
        ({"webhook-signature": ""}, "header_missing"),
        ({"webhook-id": "a b"}, "id_invalid"),
        ({"webhook-id": "x" * 257}, "id_invalid"),
        ({"webhook-timestamp": "soon"}, "timestamp_invalid"),
        ({"webhook-timestamp": f"{SECONDS}.0"}, "timestamp_invalid"),
        ({"webhook-timestamp": str(SECONDS).replace("1", "\uff11")}, "timestamp_invalid"),
        ({"webhook-timestamp": str(SECONDS + 1)}, "signature_mismatch"),
        ({"webhook-id": ID + "x"}, "signature_mismatch"),
        ({"webhook-signature": "v1"}, "signature_malformed"),
        ({"webhook-signature": "v1,not-base64!"}, "signature_malformed"),
        ({"webhook-signature": SIGNATURE.replace("v1", "v1a")}, "signature_malformed"),
        ({"webhook-signature": "v1,AAAA"}, "signature_mismatch"),
        ({"webhook-signature": "ä" * 5000}, "signature_malformed"),
    ],
)
def test_what_does_not_hold_says_why(changed: dict[str, str], expected: str) -> None:
    assert reason(Request(headers=headers(BODY) | changed, body=BODY)) == expected


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_???", "ä"])
def test_a_bad_secret_is_no_key(secret: str) -> None:
    request = Request(headers=headers(BODY), body=BODY)
    assert standard.verify(request, [secret], NOW_MS).reason == "secret_invalid"
    assert standard.verify(request, [], NOW_MS).reason == "no_secret"
    with pytest.raises(ValueError, match="whsec_"):
        standard.sign(secret, ID, SECONDS, BODY)


@settings(deadline=None)
@given(at=st.integers(0, len(BODY) - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_of_the_body_breaks_it(at: int, bit: int) -> None:
    damaged = bytearray(BODY)
    damaged[at] ^= 1 << bit
    request = Request(headers=headers(BODY), body=bytes(damaged))
    assert reason(request) == "signature_mismatch"


def test_a_message_becomes_an_interaction() -> None:
    found = took(MESSAGE)
    (one,) = found.interactions
    assert found.answer.status == 204
    assert one.to_dict() == one.to_dict() | {
        "channel": "webhook",
        "account": "partner",
        "direction": "inbound",
        "kind": "message",
        "subject": "Laskuni",
        "text": "Hei, laskussani on virhe.",
        "language": "fi",
        "occurred_at": "2026-11-22T14:37:57.500Z",
        "received_at": "2021-02-25T15:02:10.000Z",
        "provider": {"message_id": ID, "event_id": ID, "redelivery": False},
        "verification": {"scheme": "standard-webhooks", "key_id": "1", "ok": True},
    }
    assert one.sender.aliases[0].to_dict() == {
        "scheme": "mailto",
        "value": "a@b.example",
        "verified": True,
    }
    assert one.conversation_key.startswith("care|webhook|partner|")
    assert "ticket-7" not in one.conversation_key
    assert one.raw_ref == f"raw/{one.raw_sha256}"


def test_a_redelivery_has_the_same_id_and_other_words_under_the_same_id_another() -> None:
    first, again = took(MESSAGE), took(MESSAGE)
    other = took(MESSAGE | {"timestamp": "2026-11-23T00:00:00Z"})
    assert first.interactions[0].id == again.interactions[0].id
    assert first.interactions[0].id != other.interactions[0].id
    assert first.interactions[0].id != took(MESSAGE, id_="msg_2").interactions[0].id


def test_what_one_sender_sends_without_a_conversation_belongs_together() -> None:
    def key(data: dict[str, Any]) -> str:
        return took({"type": "message", "data": data}).interactions[0].conversation_key

    sender = {"id": "u1"}
    assert key({"sender": sender, "text": "a"}) == key({"sender": sender, "text": "b"})
    assert key({"sender": sender, "text": "a"}) != key({"sender": {"id": "u2"}, "text": "a"})
    assert key({"text": "a"}) != key({"text": "b"})


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"\x00\xff", "body_not_json"),
        (b"[1, 2]", "body_not_json"),
        (b"[" * 100_000, "body_not_json"),
        (b'{"type": ' + b"9" * 10_000 + b"}", "body_not_json"),
        ({"type": "invoice.paid", "data": {}}, "type_unknown"),
        ({"type": ["message"]}, "type_unknown"),
        ({"type": "message.received", "data": {"text": ""}}, "text_missing"),
        ({"type": "message.received", "data": "text"}, "text_missing"),
        ({"type": "message.received", "data": {"text": {"a": 1}}}, "text_missing"),
    ],
)
def test_what_it_tells_nothing_of_is_kept_as_unsupported(payload: Any, expected: str) -> None:
    found = took(payload)
    (one,) = found.interactions
    assert (found.answer.status, one.kind, one.status) == (204, "unsupported", {"reason": expected})


def test_half_characters_and_control_characters_do_not_come_through() -> None:
    body = (
        rb'{"type":"message","data":{"text":"a\u0000\ud800b\u001fc\n","sender":{"id":"x\u001fy"}}}'
    )
    (one,) = took(body).interactions
    assert one.text == "a\ufffdbc\n"
    assert one.sender.external_id == "xy"
    one.to_json()


def test_nothing_unverified_is_told_of_unless_asked_for() -> None:
    refused = took(MESSAGE, **{"webhook-signature": "v1,AAAA"})
    assert (refused.interactions, refused.answer.status) == ([], 401)
    assert json.loads(refused.answer.body)["title"] == "signature_mismatch"
    trusted = took(MESSAGE, trust=True, **{"webhook-signature": "v1,AAAA"})
    assert trusted.interactions[0].verification.to_dict()["ok"] is False  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (Request("GET"), 405),
        (Request(body=b" " * (standard.MANIFEST.body_bytes_max + 1)), 413),
        (Request(body=b"x", headers={"content-encoding": "gzip"}), 415),
        (Request(body=b"x", headers={"content-type": "text/xml; charset=utf-8"}), 415),
        (Request(body=b"x"), 401),
    ],
)
def test_what_cannot_be_one_is_refused_before_anything_is_read(
    request_: Request, status: int
) -> None:
    found = receive(PLATFORM, request_, [SECRET], PLACE, NOW_MS)
    assert (found.answer.status, found.interactions) == (status, [])


def test_our_own_trouble_asks_the_provider_to_come_back() -> None:
    answer = later(standard.MANIFEST, "broker_away", "come back")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
FIELDS = ["conversation_id", "message_id", "sender", "subject", "text", "language", "in_reply_to"]
PAYLOAD = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "message.edited", "x"]) | JSON},
    optional={
        "timestamp": st.text() | JSON,
        "data": st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON,
    },
)


@settings(deadline=None)
@given(payload=PAYLOAD | JSON)
def test_whatever_is_signed_becomes_one_interaction_of_the_published_shape(payload: Any) -> None:
    found = took(json.dumps(payload).encode())
    (one,) = found.interactions
    SHAPE.validate(json.loads(one.to_json()))
    assert found.answer.status == 204


@settings(deadline=None)
@given(body=st.binary(max_size=300), items=st.dictionaries(st.text(), st.text()))
def test_whatever_comes_in_is_answered(body: bytes, items: dict[str, str]) -> None:
    found = receive(PLATFORM, Request(headers=items, body=body), [SECRET], PLACE, NOW_MS)
    assert found.answer.status in (401, 415)
    assert found.interactions == []


def test_every_file_that_is_a_platform_is_found_by_its_name() -> None:
    assert "standard" in platforms()
    for slug, platform in platforms().items():
        assert platform.manifest.slug == slug
        assert platform.manifest.body_bytes_max <= 1024 * 1024  # what an HTTP port takes at all
        assert 200 <= platform.manifest.answers.accepted.status < 300
        assert platform.manifest.answers.later >= 500
