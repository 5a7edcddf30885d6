"""What bounds the receiver: networks, rates, bytes; and what readiness looks at."""

from __future__ import annotations

from pathlib import Path

import pytest

from vaxel_ingest_email.core import replies
from vaxel_ingest_email.shell import limiter
from vaxel_ingest_email.shell.health import blob_problems


@pytest.mark.parametrize(
    ("host", "expect"),
    [
        ("127.0.0.1", None),
        ("::1", None),
        ("203.0.113.77", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not an address", "unknown"),
    ],
)
def test_peers_are_counted_by_network_and_this_machine_is_not(
    host: str, expect: str | None
) -> None:
    assert limiter.network(host) == expect


def test_connections_are_bounded_by_network_and_in_all() -> None:
    gate = limiter.Connections(3, 2)
    assert [gate.enter("a"), gate.enter("a"), gate.enter("a"), gate.enter(None), gate.enter("b")] == [
        True, True, False, True, False,
    ]  # fmt: skip
    gate.leave("a")
    assert gate.enter("b")


def test_a_bucket_refills_with_time_and_networks_are_forgotten_not_hoarded() -> None:
    now = [0.0]
    rate = limiter.Rate(2, lambda: now[0])
    assert [rate.allow("a"), rate.allow("a"), rate.allow("a")] == [True, True, False]
    now[0] = 30.0
    assert [rate.allow("a"), rate.allow("a")] == [True, False]
    for number in range(limiter.PEERS_MAX + 5):
        rate.allow(str(number))
    assert len(rate._buckets) == limiter.PEERS_MAX
    assert rate.allow(None)


def test_held_bytes_come_back_once() -> None:
    budget = limiter.Budget(100)
    first = budget.hold(60)
    assert first is not None
    assert budget.hold(41) is None
    assert first.grow(100)
    assert not first.grow(101)
    first.release()
    first.release()
    assert budget.used == 0


def test_a_blob_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    assert blob_problems(tmp_path / "blobs") == []
    (tmp_path / "file").write_text("")
    (line,) = blob_problems(tmp_path / "file" / "blobs")
    assert "blob folder" in line


@pytest.mark.parametrize(
    ("plain", "expect"),
    [
        ("250 OK", "250 2.0.0 OK"),
        ("250 2.1.5 Ok", "250 2.1.5 Ok"),
        ("500 Error: bad syntax", "500 5.5.2 Error: bad syntax"),
        ("552 Error: message size", "552 5.3.4 Error: message size"),
        ("354 End data", "354 End data"),
        ("220 host ESMTP", "220 host ESMTP"),
        ("250-SIZE 10", "250-SIZE 10"),
    ],
)
def test_replies_get_an_enhanced_code_where_they_lack_one(plain: str, expect: str) -> None:
    assert replies.enhance(plain) == expect


def test_a_refusal_cannot_be_split_by_the_address_it_names() -> None:
    assert "\r" not in replies.unknown_recipient("a\r\n250 ok\ud800@x")
