"""Whatever bytes come: an answer, clean, with ranges that fit, and the same one every time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vaxel_ingest_email.core import charsets, html, identity, sanitize, segments
from vaxel_ingest_email.core.addresses import parse_list
from vaxel_ingest_email.core.dates import parse_ms
from vaxel_ingest_email.core.encodings import base64, quoted_printable, uuencoded
from vaxel_ingest_email.core.fields import Envelope
from vaxel_ingest_email.core.headers import decode_text, split
from vaxel_ingest_email.core.limits import DEFAULT, Limits
from vaxel_ingest_email.core.normalize import AccountRef, Normalized, normalize, parse
from vaxel_ingest_email.core.params import parse as parse_params
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.crypto.keys import Keyring

KEYRING = Keyring(b"k" * 32)
ACCOUNT = AccountRef("support", "support@vaxel.example", "main")
QUICK = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])

NAMES = st.sampled_from(
    [b"From", b"To", b"Cc", b"Subject", b"Date", b"Message-ID", b"References", b"In-Reply-To",
     b"Content-Type", b"Content-Disposition", b"Content-Transfer-Encoding", b"Reply-To",
     b"Return-Path", b"Auto-Submitted", b"Precedence", b"Received", b"X-Failed-Recipients"],
)  # fmt: skip
SHARP = st.sampled_from(
    [b"=?utf-8?Q?", b"?=", b"=?", b"<", b">", b'"', b"(", b")", b",", b";", b":", b"@", b"\\", b"=",
     b"\r", b"\n ", b"\x00", b"\xff", b"\xc3", b"\x1b$B", b"*0*=", b"''", b"multipart/mixed",
     b"boundary=b", b"message/rfc822", b"text/html", b"charset=utf-7", b"base64", b"--b", b"--b--",
     b"On 1.1.2026 x wrote:", b"> ", b"-- ", b"From: ", b"<div class=gmail_quote>", b"</div>", b"&#xD800;"],
)  # fmt: skip
VALUES = st.lists(st.one_of(SHARP, st.binary(max_size=12)), max_size=12).map(b"".join)
MAILS = st.builds(
    lambda fields, body: b"".join(b"%s: %s\r\n" % field for field in fields) + b"\r\n" + body,
    st.lists(st.tuples(NAMES, VALUES), max_size=10),
    st.lists(
        st.one_of(SHARP, st.sampled_from([b"\r\n", b"\n"]), st.binary(max_size=20)), max_size=30
    ).map(b"".join),
)


def sound(result: Normalized) -> None:
    """What holds of every answer."""
    told = result.interaction
    data = told.to_json()
    assert Interaction.model_validate_json(data.decode("utf-8", "strict")) == told
    assert told.status is None or not str(told.status["reason"]).startswith("error:")
    if told.text is not None:
        end = 0
        for part in told.segments:
            assert part.start == end < part.end <= len(told.text)
            assert 0 <= part.confidence <= 1
            end = part.end
        assert end == len(told.text)
    kept = {blob.ref for blob in result.parts}
    assert {one.ref for one in told.attachments} | {told.raw_ref} <= kept


@QUICK
@given(st.one_of(MAILS, st.binary(max_size=400)))
def test_any_bytes_give_a_sound_answer_and_the_same_one_again(raw: bytes) -> None:
    first = normalize(raw, None, ACCOUNT, KEYRING, 0)
    sound(first)
    assert normalize(raw, None, ACCOUNT, KEYRING, 0) == first


@QUICK
@given(MAILS, st.text(max_size=30), st.lists(st.text(max_size=30), max_size=3))
def test_any_envelope_gives_a_sound_answer(raw: bytes, sender: str, recipients: list[str]) -> None:
    sound(normalize(raw, Envelope(sender, tuple(recipients)), None, KEYRING, 0))


@QUICK
@given(MAILS)
def test_the_id_depends_on_the_account_and_not_on_when_or_how_it_came(raw: bytes) -> None:
    one = normalize(raw, None, ACCOUNT, KEYRING, 0).interaction
    later = normalize(
        raw, Envelope("a@b.example", ("x@y.example",)), ACCOUNT, KEYRING, 99
    ).interaction
    other = normalize(
        raw, None, AccountRef("billing", "b@v.example", "main"), KEYRING, 0
    ).interaction
    assert (one.id, one.conversation_key) == (later.id, later.conversation_key)
    assert one.id != other.id
    assert one.conversation_key != other.conversation_key


@QUICK
@given(st.binary(max_size=300))
def test_every_stage_takes_any_bytes(data: bytes) -> None:
    for label in (
        None,
        "utf-8",
        "iso-2022-jp",
        "gb2312",
        "utf-7",
        "x",
        "shift_jis",
        "hz",
        "utf-16",
    ):
        charsets.decode(data, label).encode("utf-8", "strict")
    decode_text(data).encode("utf-8", "strict")
    parse_list(data, DEFAULT)
    parse_params(data)
    parse_ms(data.decode("latin-1"))
    base64(data)
    quoted_printable(data)
    uuencoded(b"begin 644 a\n" + data)
    identity.message_ids(data.decode("latin-1"))


@QUICK
@given(st.text(max_size=400))
def test_text_and_html_of_any_kind_are_taken(text: str) -> None:
    made = html.to_text(text, DEFAULT)
    assert all(0 <= start < end <= len(made.text) for _, start, end in made.marks)
    parts = segments.segment(made.text, made.marks)
    assert "".join(made.text[part.start : part.end] for part in parts) == made.text
    sanitize.safe(text, DEFAULT)


@QUICK
@given(st.text(alphabet="ab é\n", min_size=1, max_size=200))
def test_words_without_any_sign_of_quoting_are_all_kept(text: str) -> None:
    parts = segments.segment(text, [])
    assert {part.kind for part in parts} <= {"new"}
    assert segments.reply_text(text, parts) == text.strip() or "\n" in text


NEST = b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n"
HOSTILE: dict[str, bytes] = {
    "a thousand nested parts": b"".join(NEST % (n, n) for n in range(1_000)),
    "a hundred thousand empty parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 100_000,
    "a hundred thousand recipients": b"To: " + b"a@b.example, " * 100_000 + b"\r\n\r\n",
    "a hundred thousand recipients, folded": b"To: " + b"a@b.example,\r\n " * 100_000 + b"\r\n\r\n",
    "eight thousand recipients": b"To: " + b"a@b.example, " * 8_000 + b"\r\n\r\n",
    "four thousand parameters": b"Content-Type: text/plain" + b"; a=b" * 4_000 + b"\r\n\r\n",
    "quotes without end": b'To: "\\"' + b'\\"<' * 40_000 + b"\r\n\r\n",
    "brackets without end": b"To: " + b"<a," * 40_000 + b"\r\n\r\n",
    "comments without end": b"From: " + b"(" * 100_000 + b"\r\n\r\n",
    "encoded words without end": b"Subject: " + b"=?a?q?" * 20_000 + b"\r\n\r\n",
    "encoded word starts": b"Subject: " + b"=?" * 60_000 + b"\r\n\r\n",
    "parameter quotes": b'Content-Type: a/b; a="' + b'="b c' * 20_000 + b"\r\n\r\n",
    "a hundred thousand headers": b"X: y\r\n" * 100_000 + b"\r\n",
    "one endless header": b"Subject: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "nested divs": b"Content-Type: text/html\r\n\r\n" + b"<div>" * 100_000 + b"deep",
    "open links": b"Content-Type: text/html\r\n\r\n" + b"<a " * 300_000,
    "open comments": b"Content-Type: text/html\r\n\r\nhi" + b"<!--" * 300_000,
    "open styles": b"Content-Type: text/html\r\n\r\nhi" + b"<style>" * 200_000,
    "formatting repeated in paragraphs": b"Content-Type: text/html\r\n\r\n"
    + b"".join(b"<font a=%d>" % n for n in range(200)) + b"<p>x" * 50_000,
    "sixty thousand marked quotes": b"Content-Type: text/html\r\n\r\n" + b"<blockquote type=cite>a<br>" * 60_000,
    "attributes without end": b"Content-Type: text/html\r\n\r\n" + b'<p class="' * 100_000 + b">",
    "quote signs": b"\r\n" + b">" * 500_000,
    "a hundred thousand quoted lines": b"\r\n" + b"> a\r\nb\r\n" * 50_000,
    "attributions everywhere": b"\r\n" + b"On 1.1.2026 a <a@b.example> wrote\r\n" * 20_000,
    "labels everywhere": b"\r\n" + b"From: a\r\nx\r\n" * 20_000,
    "dashes": b"\r\n" + b"--\r\n" * 50_000,
    "spaces": b"Subject: " + b" " * 100_000 + b"\r\n\r\n" + b" " * 500_000,
    "references": b"References: " + b"<a@b>" * 20_000 + b"\r\n\r\n",
    "base64 padding": b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QQ==" * 100_000,
    "carriage returns": b"\r" * 500_000,
    "nul": b"\x00" * 100_000,
    "line feeds": b"\n" * 100_000,
    "a status of many groups": b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: message/delivery-status\r\n\r\n" + b"Action: failed\r\n\r\n" * 50_000 + b"--b--",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_is_answered(name: str) -> None:
    sound(normalize(HOSTILE[name], None, ACCOUNT, KEYRING, 0))


LIMITED: list[tuple[str, Any, bytes]] = [
    ("mail_bytes", 100, b"x" * 101),
    ("header_bytes", 100, b"A: b\r\n" * 30 + b"\r\n"),
    ("header_one_bytes", 10, b"A: bbbbbbbbbbbbbbbb\r\n\r\n"),
    ("header_count", 3, b"A: b\r\n" * 4 + b"\r\n"),
    ("addresses", 2, b"To: a@b.c, b@b.c, c@b.c, d@b.c\r\n\r\n"),
    ("parts", 3, b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 9),
    ("nesting", 3, b"".join(NEST % (n, n) for n in range(9))),
]


@pytest.mark.parametrize(("name", "most", "raw"), LIMITED, ids=[one[0] for one in LIMITED])
def test_beyond_a_limit_a_mail_is_kept_whole_and_the_limit_is_named(
    name: str, most: int, raw: bytes
) -> None:
    parsed = parse(raw, Envelope("jane@x.example"), 0, Limits(**{name: most}))
    assert parsed.interaction.kind == "unsupported"
    assert parsed.interaction.status == {"reason": f"limit:{name}"}
    assert parsed.blobs[0].data == raw


def test_a_mail_beyond_a_limit_still_tells_who_wrote_and_in_which_thread() -> None:
    raw = b"From: Jane <j@x.example>\r\nIn-Reply-To: <1@v>\r\n" + LIMITED[-2][2]
    told = normalize(raw, None, ACCOUNT, KEYRING, 0, limits=Limits(parts=3)).interaction
    assert told.sender.external_id == "j@x.example"
    assert told.relations is not None
    assert told.relations.thread_root == "1@v"


def test_a_bug_of_ours_costs_nobody_a_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("vaxel_ingest_email.core.body.collect", broken)
    told = normalize(b"From: j@x.example\r\n\r\nhi", None, ACCOUNT, KEYRING, 0).interaction
    assert told.kind == "unsupported"
    assert told.status == {"reason": "error:ZeroDivisionError"}


def test_long_text_travels_by_reference_and_a_record_always_fits_its_topic() -> None:
    many = ", ".join(f"a{n}@a-long-domain-name-{n}.example" for n in range(3_000))
    raw = f"To: {many}\r\n\r\n".encode() + b"words \xc3\xa9\r\n> quote\r\n" * 20_000
    result = normalize(raw, None, ACCOUNT, KEYRING, 0)
    told = result.interaction
    assert told.text is None
    text = next(blob.data for blob in result.parts if blob.ref == told.text_ref)
    assert text.decode().startswith("words é\n> quote\n")
    assert len(told.to_json()) <= 900 * 1024


def test_header_split_ends_at_the_blank_line() -> None:
    headers, start = split(b"A: b\r\nC: d\r\n\r\nA: body", DEFAULT)
    assert headers.items == (("a", b"b"), ("c", b"d"))
    assert start == 14
