"""Mails as other programs read them: Python's own parser is the judge."""

import email
import email.policy
import email.utils
import re
import string
from email.header import decode_header, make_header

import pytest
from delivery_kit import NUMBER, interaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vaxel_delivery.core.addresses import BadAddress, address, clean, is_safe
from vaxel_delivery.core.flow import SIGNATURE, flowed, normalised
from vaxel_delivery.core.kept import keep
from vaxel_delivery.core.mails import (
    OfferFacts,
    Sender,
    Thread,
    ToAgent,
    acknowledgement,
    assigned,
    offer,
    reply,
    span,
)
from vaxel_delivery.core.mime import UnsafeHeader, body, mailbox, render, text_value
from vaxel_delivery.core.texts import LANGUAGES, texts
from vaxel_delivery.core.threads import REFERENCES_MAX, message_id, references, subject

NOW_MS = 1_700_000_000_123
QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
anything = st.text(alphabet=st.characters(), max_size=300)  # surrogates too
hostile = st.text(
    alphabet=st.sampled_from('ab \r\n\x00\x85\u2028\u202e\ud800ä€😀:<>@"\\=?'), max_size=80
)


def thread(number=NUMBER, name="Example Support", **changes):
    kept = keep(interaction(**changes))
    return Thread(
        effect_id="log:0:1:0",
        kept=kept,
        sender=Sender("support@vaxel.example", name),
        number=number,
        now_ms=NOW_MS,
    )


def read(mail):
    return email.message_from_bytes(mail.raw, policy=email.policy.default)


def unflowed(raw):
    """RFC 3676 as a reader does it."""
    paragraphs, open_ = [], False
    for line in raw.split("\n"):
        quoted = line.startswith(">")
        plain = line.removeprefix(" ")
        soft = plain.endswith(" ") and plain != SIGNATURE and not quoted
        if open_:
            paragraphs[-1] += plain
        else:
            paragraphs.append(plain)
        open_ = soft
    return "\n".join(paragraphs)


def test_an_answer_stands_in_its_thread():
    mail = read(reply(thread(), "Hei,\n\nkiitos.\n"))
    assert mail["In-Reply-To"] == "<m1@customer.example>"
    assert mail["References"] == "<root@customer.example> <m1@customer.example>"
    assert mail["Message-ID"] == f"<{message_id('log:0:1:0', 'vaxel.example')}>"
    assert mail["Subject"] == f"Re: Lasku on väärin [{NUMBER}]"
    assert mail["From"] == "Example Support <support@vaxel.example>"
    assert mail["To"] == "Maija Meikäläinen <maija@customer.example>"
    assert mail["Date"].datetime.timestamp() == 1_700_000_000
    assert mail["Auto-Submitted"] is None
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().replace("\r\n", "\n") == "Hei,\n\nkiitos.\n"


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_an_acknowledgement_is_automatic_and_in_the_customers_language(language):
    built = acknowledgement(thread(), texts(language, "en"))
    mail = read(built)
    assert built.envelope_from == ""
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert mail["In-Reply-To"] == "<m1@customer.example>"
    assert NUMBER in mail.get_content()
    assert "{" not in mail.get_content()


@pytest.mark.parametrize(
    ("wanted", "default", "got"),
    [
        ("sv-FI", "en", "sv"),
        ("und", "de", "de"),
        (None, "fr", "fr"),
        ("ja", "ja", "en"),
        ("ET", "en", "et"),
    ],
)
def test_texts_fall_back_to_the_deployments_language_then_to_english(wanted, default, got):
    assert texts(wanted, default).language == got


def test_every_language_has_the_same_placeholders_and_codes():
    def shape(words):
        plain = {}
        for name in words.__dataclass_fields__:
            value = getattr(words, name)
            for key, text in value.items() if isinstance(value, dict) else [("", value)]:
                assert text.strip()
                plain[name, key] = sorted(re.findall(r"\{(\w+)\}", text))
        return {key: value for key, value in plain.items() if key[0] != "language"}

    english = shape(LANGUAGES["en"])
    for words in LANGUAGES.values():
        assert shape(words) == english


@pytest.mark.parametrize(
    ("original", "wanted"),
    [
        ("Lasku", f"Re: Lasku [{NUMBER}]"),
        ("Re: Lasku", f"Re: Lasku [{NUMBER}]"),
        ("RE: AW: Sv: VS: Re[2]: Lasku", f"Re: Lasku [{NUMBER}]"),
        (f"Re: Lasku [{NUMBER}]", f"Re: Lasku [{NUMBER}]"),
        (f"Re: [{NUMBER}] Re: Lasku [{NUMBER}]", f"Re: Lasku [{NUMBER}]"),
        ("", f"Re: [{NUMBER}]"),
        (None, f"Re: [{NUMBER}]"),
        ("Hi\r\nBcc: evil@x.example", f"Re: Hi Bcc: evil@x.example [{NUMBER}]"),
        ("Report: April", f"Re: Report: April [{NUMBER}]"),
    ],
)
def test_a_subject_has_one_re_and_the_number_once(original, wanted):
    assert subject(original, NUMBER) == wanted


def test_without_a_number_a_subject_has_none():
    assert subject("Lasku", None) == "Re: Lasku"


@QUICK
@given(anything)
def test_a_subject_answered_again_stays_as_it_is(text):
    once = subject(text, NUMBER)
    assert subject(once, NUMBER) == once
    assert once.count(f"[{NUMBER}]") == 1
    assert is_safe(once)
    assert len(once) <= 230


@QUICK
@given(anything, anything)
def test_whatever_a_customer_calls_himself_and_his_mail_it_comes_back_whole(name, title):
    built = reply(thread(subject=title, sender={"external_id": "m@c.example", "name": name}), "x")
    mail = read(built)
    assert mail["Subject"] == " ".join(built.subject.split())
    # The newer parser of some Pythons puts a space between two encoded words of a name; the older
    # one reads them as RFC 2047 section 6.2 says.
    to = email.message_from_bytes(built.raw)["To"].replace("\r\n", "")
    shown, addr = email.utils.parseaddr(to)
    assert str(make_header(decode_header(shown))) == clean(name, 120)
    assert addr == mail["To"].addresses[0].addr_spec == "m@c.example"
    assert not [defect for header in mail.values() for defect in header.defects]


@QUICK
@given(hostile, hostile, hostile)
def test_no_text_breaks_out_of_its_header(name, title, ours):
    try:
        built = reply(
            thread(subject=title, name=ours, sender={"external_id": "m@c.example", "name": name}),
            "x",
        )
    except BadAddress:
        pytest.fail("the addresses are right")
    head, _, _ = built.raw.partition(b"\r\n\r\n")
    assert b"\x00" not in built.raw
    assert built.raw.count(b"\r") == built.raw.count(b"\n") == built.raw.count(b"\r\n")
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if not line.startswith(b" ")]
    assert names == [
        b"From", b"To", b"Subject", b"Date", b"Message-ID", b"In-Reply-To", b"References",
        b"MIME-Version", b"Content-Type", b"Content-Transfer-Encoding",
    ]  # fmt: skip
    assert all(len(line) <= 998 for line in built.raw.split(b"\r\n"))


@pytest.mark.parametrize("value", ["a\r\nBcc: x@y.example", "a\nb", "a\rb", "a\x00b", "ä", "", " "])
def test_a_header_value_that_was_not_prepared_is_refused(value):
    with pytest.raises(UnsafeHeader):
        render([("Subject", value)], "x")


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [
        ("maija@customer.example", "maija@customer.example"),
        (" Maija@Customer.Example ", "Maija@customer.example"),
        ("kaisa@pähkinä.example", "kaisa@xn--phkin-grae.example"),
        ("a..b@docomo.example", "a..b@docomo.example"),
        ("o'hara+tag@x.example", "o'hara+tag@x.example"),
    ],
)
def test_addresses_that_may_be_used(given_, wanted):
    assert address(given_) == wanted


@pytest.mark.parametrize(
    ("given_", "code"),
    [
        ("a@b.example\r\nRCPT TO:<x@y.example>", "address_unsafe"),
        ("a\x00@b.example", "address_unsafe"),
        ("a\u2028@b.example", "address_unsafe"),
        ("ä@b.example", "address_needs_smtputf8"),
        ("", "address_invalid"),
        ("@b.example", "address_invalid"),
        ("a@", "address_invalid"),
        ("a b@c.example", "address_invalid"),
        ("<a>@c.example", "address_invalid"),
        ("a,b@c.example", "address_invalid"),
        ('"a"@c.example', "address_invalid"),
        ("a@b..example", "address_invalid"),
        ("a@-b.example", "address_invalid"),
        ("a@[127.0.0.1]", "address_invalid"),
        ("a@b.example>", "address_invalid"),
        ("x" * 65 + "@b.example", "address_invalid"),
        ("a@" + "b" * 64 + ".example", "address_invalid"),
        ("a@☃︎\u200d.example", "address_invalid"),
    ],
)
def test_addresses_that_must_not_be_used(given_, code):
    with pytest.raises(BadAddress) as error:
        address(given_)
    assert error.value.code == code


@QUICK
@given(anything)
def test_an_address_is_refused_or_safe_for_an_envelope(text):
    try:
        plain = address(text)
    except BadAddress:
        return
    assert plain.isascii()
    assert not set(plain) & set(' <>\r\n\t,;:"\\()[]')


ids = st.lists(st.text(alphabet=string.ascii_letters + ".@", min_size=1, max_size=12), max_size=60)


@QUICK
@given(ids, st.text(alphabet=string.ascii_letters, min_size=1, max_size=8))
def test_a_chain_is_short_keeps_its_root_and_ends_in_the_parent(chain, parent):
    kept = references(chain, None, parent)
    assert len(kept) <= REFERENCES_MAX
    assert len(kept) == len(set(kept))
    assert kept[-1] == parent
    rest = [item for item in chain if item != parent]
    if rest:
        assert kept[0] == rest[0]


@pytest.mark.parametrize(
    ("chain", "in_reply_to", "parent", "wanted"),
    [
        ([], None, "p", ["p"]),
        ([], "q", "p", ["q", "p"]),
        (["r"], "q", "p", ["r", "p"]),
        (["r", "p"], None, "p", ["r", "p"]),
        (["a b", "c\r\nd", "<e>", "é", "x" * 251, "ok"], None, "p", ["ok", "p"]),
        ([], None, None, []),
    ],
)
def test_chains(chain, in_reply_to, parent, wanted):
    assert references(chain, in_reply_to, parent) == wanted


def test_an_answer_to_a_mail_without_an_id_has_no_thread():
    mail = read(reply(thread(provider={}, relations={}), "x"))
    assert mail["In-Reply-To"] is None
    assert mail["References"] is None


@QUICK
@given(st.text(alphabet=st.characters(), max_size=600))
def test_a_body_survives_flowing_encoding_and_reading(text):
    encoded = body(text)
    assert all(len(line) <= 78 for line in encoded.split(b"\r\n"))
    mail = email.message_from_bytes(render([("Subject", "x")], text), policy=email.policy.default)
    shown = mail.get_content().replace("\r\n", "\n")
    assert unflowed(shown.removesuffix("\n")) == normalised(text)


@QUICK
@given(st.text(alphabet="ab >-\nF rom.", max_size=400))
def test_flowed_lines_are_short_and_say_the_same(text):
    lines = flowed(text)
    assert unflowed("\n".join(lines)) == normalised(text)
    assert not [line for line in lines if line.startswith("From ")]


def test_long_lines_are_broken_at_spaces_and_words_are_left_whole():
    lines = flowed("word " * 40 + "x" * 200)
    assert max(len(line) for line in lines) == 200
    assert all(line.endswith(" ") for line in lines[:-1])


@pytest.mark.parametrize("text", ["=?utf-8?q?evil?=", "x" * 400, "smile 😀" * 30, "plain"])
def test_header_text_is_read_as_it_was_written(text):
    raw = render([("Subject", text_value(text))], "x")
    assert email.message_from_bytes(raw, policy=email.policy.default)["Subject"] == text


def test_a_name_with_specials_is_quoted():
    assert mailbox('Doe, "J"\\', "j@d.example") == '"Doe, \\"J\\"\\\\" <j@d.example>'
    assert mailbox("", "j@d.example") == "<j@d.example>"


FACTS = OfferFacts(
    number=NUMBER, queue="billing", language="fi", priority=2, since_ms=NOW_MS - 3_900_000,
    made_ms=NOW_MS, expires_ms=NOW_MS + 600_000, subject="Lasku", first_lines="Hei\nlasku",
    explain={
        "candidates": 12, "eligible": 3,
        "terms": [{"code": "sticky", "value": 1}, {"code": "tier", "value": 2}, {"code": "new", "value": 7}],
    },
)  # fmt: skip


def to_anna(words):
    return ToAgent(
        effect_id="e", sender=Sender("support@vaxel.example", "S"), to="anna@desk.example",
        to_name="Anna", words=words, now_ms=NOW_MS,
    )  # fmt: skip


@pytest.mark.parametrize("via", ["auto", "override"])
@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_an_assignment_says_what_and_how_it_came_and_asks_nothing(language, via):
    words = LANGUAGES[language]
    built = assigned(to_anna(words), FACTS, via)
    joined = unflowed(read(built).get_content().replace("\r\n", "\n"))
    how = words.assigned_override if via == "override" else words.assigned_auto
    for part in (how, NUMBER, "billing", "1 h 5 min", "> Hei\n> lasku", words.do_not_answer):
        assert part in joined
    assert "http" not in joined
    assert NUMBER in read(built)["Subject"]
    assert read(built)["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_an_offer_says_what_and_why_and_where_to_answer(language):
    words = LANGUAGES[language]
    built = offer(to_anna(words), FACTS, "https://d.example/offers/v1.x.y")
    text = read(built).get_content()
    joined = unflowed(text.replace("\r\n", "\n"))
    for part in (NUMBER, "billing", "fi", "1 h 5 min", "Lasku", "> Hei\n> lasku", "10 min",
                 "https://d.example/offers/v1.x.y", words.terms["sticky"], "2023-11-14 22:23 UTC"):  # fmt: skip
        assert part in joined
    assert "new" not in words.terms
    assert read(built)["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (-5, "0 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (3_600_000, "1 h"),
        (3_660_000, "1 h 1 min"),
        (180_000_000, "2 d 2 h"),
    ],
)
def test_spans(ms, said):
    assert span(ms) == said
