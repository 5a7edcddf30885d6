"""The pure parts, held against anything: frames, cursors, tokens, buckets, what is remembered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaxel_ingest_chat.core import cursor, visitor
from vaxel_ingest_chat.core.bucket import Bucket
from vaxel_ingest_chat.core.cursor import Cursor
from vaxel_ingest_chat.core.interactions import of_message
from vaxel_ingest_chat.core.protocol import Hello, Message, Ping, Refused, Signal, parse
from vaxel_ingest_chat.core.recent import Entry, Recent
from vaxel_ingest_chat.core.visitor import Visitor
from vaxel_ingest_chat.shell.edge import network
from vaxel_ingest_chat.shell.outbox import Outbox
from vaxel_shared.crypto.keys import Keyring

KEYRING = Keyring(b"k" * 32)
WHO = Visitor("web", "a" * 32, "b" * 32, Cursor(2, 41), 1_000_000)
TTL_MS = 1_000
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FRAMES = st.fixed_dictionaries(
    {"type": st.sampled_from(["hello", "message", "typing", "read", "ping"]) | JSON},
    optional={
        name: st.just("message-0001") | JSON
        for name in ("id", "text", "token", "cursor", "language", "locale", "name", "email")
    },
)


@settings(deadline=None)
@given(raw=st.text() | st.binary() | (FRAMES | JSON).map(json.dumps))
def test_any_frame_is_understood_or_refused_by_name(raw: str | bytes) -> None:
    try:
        said = parse(raw, bytes_max=10_000, text_chars_max=1_000)
    except Refused as error:
        refused = error.frame()
    else:
        refused = None
    if refused is not None:
        assert refused["code"]
        assert refused["detail"]
        return
    assert isinstance(said, Hello | Message | Signal | Ping)
    if isinstance(said, Message):
        one = of_message(WHO, said, WHO.conversation_key("main", KEYRING), 1_000)
        assert json.loads(one.to_json())["text"] == said.text  # UTF-8 can hold it
        assert said.text.strip()


@settings(deadline=None)
@given(partition=st.integers(0, 9_999), offset=st.integers(-1, 10**17))
def test_a_cursor_reads_as_it_was_written(partition: int, offset: int) -> None:
    assert cursor.parse(str(Cursor(partition, offset))) == Cursor(partition, offset)


@settings(deadline=None)
@given(value=JSON)
def test_what_is_no_cursor_is_none(value: Any) -> None:
    found = cursor.parse(value)
    assert found is None or str(found) == value or isinstance(value, str)


def test_a_token_is_its_visitor_until_it_expires() -> None:
    token = WHO.token(KEYRING)

    def read(at_ms: int, account: str = "web", keyring: Keyring = KEYRING) -> Visitor | None:
        return visitor.read(keyring, token, account, at_ms, TTL_MS)

    assert read(1_001_000) == WHO
    assert read(1_001_001) is None
    assert read(1_000_000, account="other") is None
    assert read(1_000_000, keyring=Keyring(b"x" * 32)) is None
    assert [WHO.is_due(1_000_000 + ms, TTL_MS) for ms in (500, 501)] == [False, True]


@settings(deadline=None)
@given(at=st.integers(0, 200), other=st.characters(codec="ascii"))
def test_no_other_string_is_the_token(at: int, other: str) -> None:
    token = WHO.token(KEYRING)
    at %= len(token)
    changed = token[:at] + other + token[at + 1 :]
    found = visitor.read(KEYRING, changed, "web", 1_000_000, TTL_MS)
    assert changed == token or found in (None, WHO)
    # The last character of base64 has bits that carry nothing; all else must match.
    assert found is None or changed[: len(token) - 1] == token[: len(token) - 1]


@settings(deadline=None)
@given(
    size=st.integers(1, 10),
    per_second=st.floats(0.1, 10),
    pauses=st.lists(st.floats(0, 5), max_size=60),
)
def test_a_bucket_never_gives_more_than_its_rate(
    size: int, per_second: float, pauses: list[float]
) -> None:
    now, bucket, given_ = 0.0, Bucket(size, per_second, 0.0), 0
    for pause in pauses:
        now += pause
        given_ += bucket.take(now)
        assert given_ <= size + now * per_second + 1e-6


def test_a_bucket_says_how_long_to_wait() -> None:
    bucket = Bucket(1, 2.0, 0.0)
    assert bucket.take(0.0)
    assert not bucket.take(0.1)
    assert bucket.wait_ms == 400
    assert not bucket.take(-5.0)  # a clock that steps back refills nothing


KEYS = {"a": 0, "b": 0, "c": 1}


@settings(deadline=None)
@given(
    keys=st.lists(st.sampled_from(sorted(KEYS)), max_size=60),
    most=st.integers(0, 20),
    starts=st.tuples(st.integers(-1, 5), st.integers(-1, 5)),
)
def test_what_is_remembered_is_complete_or_not_known(
    keys: list[str], most: int, starts: tuple[int, int]
) -> None:
    recent, log = Recent(most), {0: starts[0], 1: starts[1]}
    told: list[tuple[str, int]] = []
    for partition, offset in log.items():
        recent.begin(partition, offset)
    for key in keys:
        log[KEYS[key]] += 1
        told.append((key, log[KEYS[key]]))
        recent.add(KEYS[key], key, Entry(log[KEYS[key]], {}))
    for key, partition in KEYS.items():
        for after in range(-1, log[partition] + 1):
            found = recent.after(partition, key, after)
            expected = [offset for name, offset in told if name == key and offset > after]
            assert found is None or [entry.offset for entry in found] == expected
            if after < starts[partition]:
                assert found is None
    assert recent.after(0, "a", log[0]) == []


def test_of_an_unknown_partition_nothing_is_known() -> None:
    assert Recent(5).after(3, "a", 10) is None


async def test_an_outbox_keeps_order_and_its_last_word() -> None:
    outbox = Outbox(5)
    outbox.put({"n": 1})
    outbox.close(4400, "wrong", "say it otherwise")
    outbox.put({"n": 2})
    outbox.close(1000, "later")
    assert await outbox.take() == {"n": 1}
    assert await outbox.take() == {"type": "error", "code": "wrong", "detail": "say it otherwise"}
    assert await outbox.take() is None
    assert outbox.closed == (4400, "wrong")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("203.0.113.9", "203.0.113.0/24"),
        ("::ffff:203.0.113.9", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("host", "unknown"),
    ],
)
def test_the_network_of_an_address(host: str, expected: str | None) -> None:
    assert network(host) == expected
