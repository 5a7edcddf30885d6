"""Webhooks over HTTP: 2xx when it is on the log, 4xx when it never will be, 5xx to come again."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from chat_kit import SECRET

from vaxel_shared.channels import standard

House = Callable[..., Any]
MESSAGE = {
    "type": "message.received",
    "data": {"sender": {"id": "u1"}, "text": "Hei, laskussani on virhe."},
}
BODY = json.dumps(MESSAGE).encode()
OTHER = "whsec_bm90IHRoZSBzYW1lIGFzIHRoZSBmaXJzdA=="


def signed(
    body: bytes = BODY, secret: str = SECRET, id_: str = "m1", age_s: int = 0
) -> dict[str, str]:
    seconds = int(time.time()) - age_s
    return {
        "Content-Type": "application/json",
        "Webhook-Id": id_,
        "Webhook-Timestamp": str(seconds),
        "Webhook-Signature": standard.sign(secret, id_, seconds, body),
    }


async def post(
    running: Any,
    body: bytes = BODY,
    headers: dict[str, str] | None = None,
    account: str = "partner",
) -> tuple[int, str]:
    """The status and the code of the problem, if there is one."""
    given = signed(body) if headers is None else headers
    where = f"{running.url}/hooks/{account}"
    async with running.http.post(where, data=body, headers=given) as answer:
        text = await answer.text()
        return answer.status, json.loads(text)["title"] if text else ""


async def test_what_is_signed_is_on_the_log_with_its_raw_body_before_the_answer(
    house: House,
) -> None:
    async with house() as running:
        assert await post(running) == (204, "")
        (record,) = running.log.told
        assert record["text"] == "Hei, laskussani on virhe."
        assert record["verification"] == {"scheme": "standard-webhooks", "key_id": "1", "ok": True}
        assert await running.blobs.get(record["raw_ref"]) == BODY
        assert record["raw_sha256"] == hashlib.sha256(BODY).hexdigest()
        assert running.key().startswith("main|webhook|partner|")


async def test_a_redelivery_is_the_same_interaction_in_another_process_too(house: House) -> None:
    ids = []
    for _ in range(2):
        async with house() as running:
            assert (await post(running))[0] == 204
            assert (await post(running))[0] == 204
            assert len(running.log.told) == 1
            ids.append(running.log.told[0]["id"])
    assert ids[0] == ids[1]


async def test_without_a_broker_the_provider_keeps_it(house: House) -> None:
    async with house() as running:
        running.log.away = True
        assert await post(running) == (503, "later")
        running.log.away = False
        assert await post(running) == (204, "")
        assert len(running.log.told) == 1


async def test_a_broker_that_is_too_slow_counts_as_away(house: House) -> None:
    async with house(hook_timeout_ms=100) as running:
        running.log.gate = asyncio.Event()
        assert await post(running) == (503, "later")


async def test_without_room_for_the_raw_body_the_provider_keeps_it(
    house: House, tmp_path: Path
) -> None:
    async with house() as running:
        (tmp_path / "blobs").write_text("a file where the folder should be")
        assert await post(running) == (503, "later")
        assert running.log.told == []


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (lambda: {"Content-Type": "application/json"}, (401, "header_missing")),
        (partial(signed, secret=OTHER), (401, "signature_mismatch")),
        (partial(signed, BODY + b" "), (401, "signature_mismatch")),
        (partial(signed, age_s=400), (401, "timestamp_old")),
        (partial(signed, age_s=-400), (401, "timestamp_future")),
        (lambda: signed() | {"Webhook-Signature": "v1,äö"}, (401, "signature_malformed")),
        (lambda: signed() | {"Content-Type": "text/plain"}, (415, "content_type")),
    ],
)
async def test_a_forged_webhook_changes_nothing_and_says_why(
    house: House, headers: Callable[[], dict[str, str]], expected: tuple[int, str]
) -> None:
    async with house() as running:
        assert await post(running, BODY, headers()) == expected  # signed now, not when collected
        assert running.log.told == []
        assert not (running.settings.blobs / "raw").exists()


async def test_a_secret_is_exchanged_without_a_gap(house: House, tmp_path: Path) -> None:
    async with house() as running:
        assert (await post(running, headers=signed(secret=OTHER)))[0] == 401
        (tmp_path / "secrets" / "partner").write_text(f"{SECRET}\n{OTHER}\n")
        running.accounts.refresh()
        assert (await post(running, headers=signed(id_="m2")))[0] == 204
        assert (await post(running, headers=signed(secret=OTHER, id_="m3")))[0] == 204
        assert running.log.told[-1]["verification"]["key_id"] == "2"
        (tmp_path / "secrets" / "partner").write_text(f"{OTHER}\n")
        running.accounts.refresh()
        assert (await post(running, headers=signed(id_="m4")))[0] == 401


@pytest.mark.parametrize("account", ["locked", "alien"])
async def test_nothing_is_believed_where_nothing_can_be_verified(
    house: House, account: str
) -> None:
    async with house() as running:
        assert await post(running, account=account) == (503, "not_configured")
        assert running.log.told == []


async def test_an_account_that_is_no_webhook_is_unknown(house: House) -> None:
    async with house() as running:
        for account in ("web", "nobody"):
            assert await post(running, account=account) == (404, "account_unknown")


async def test_size_encoding_and_method_are_bounded_before_anything_is_read(house: House) -> None:
    async with house() as running:
        large = b" " * (standard.MANIFEST.body_bytes_max + 1)
        assert await post(running, large) == (413, "body_too_large")
        bomb = gzip.compress(b" " * 50_000_000)
        headers = signed(bomb) | {"Content-Encoding": "gzip"}
        assert await post(running, bomb, headers) == (415, "content_encoding")
        async with running.http.get(f"{running.url}/hooks/partner") as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        assert running.log.told == []


async def test_too_many_at_once_are_told_to_come_back(house: House) -> None:
    async with house(hook_inflight_max=1) as running:
        running.log.gate = asyncio.Event()
        first = asyncio.ensure_future(post(running))
        await running.until((running.settings.blobs / "raw").exists)
        assert await post(running) == (503, "busy")
        running.log.gate.set()
        assert (await first)[0] == 204


async def test_an_account_that_sends_too_much_takes_nobody_elses_place(house: House) -> None:
    limits = {"hook_requests_burst_max": 3, "hook_requests_per_second_max": 0.1}
    async with house(**limits) as running:
        for number in range(3):
            assert (await post(running, headers=signed(id_=f"m{number}")))[0] == 204
        where = f"{running.url}/hooks/partner"
        async with running.http.post(where, data=BODY, headers=signed()) as answer:
            assert answer.status == 429
            assert 5 <= int(answer.headers["Retry-After"]) <= 10
            assert "hook_requests_per_second_max" in await answer.text()
        assert (await post(running, account="second"))[0] == 204
    async with house(hook_inflight_per_account_max=1) as running:
        running.log.gate = asyncio.Event()
        first = asyncio.ensure_future(post(running))
        await running.until(lambda: running.log.waiting)
        assert await post(running) == (429, "too_many")
        second = asyncio.ensure_future(post(running, account="second"))
        await running.until(lambda: running.log.waiting == 2)
        running.log.gate.set()
        assert [(await first)[0], (await second)[0]] == [204, 204]


async def test_a_network_that_forges_again_and_again_is_not_even_read(house: House) -> None:
    async with house(hook_unverified_per_minute_max=3, chat_proxy_hops=1) as running:
        bad = {"X-Forwarded-For": "203.0.113.7"}
        for _ in range(3):
            headers = signed(secret=OTHER) | bad
            assert await post(running, headers=headers) == (401, "signature_mismatch")
        assert await post(running, headers=signed() | bad) == (429, "too_many")
        neighbour = {"X-Forwarded-For": "203.0.114.7"}
        assert await post(running, headers=signed() | neighbour) == (204, "")


async def test_a_long_text_stands_on_the_log_by_reference(house: House) -> None:
    async with house() as running:
        data = {"sender": {"id": "u1"}, "text": "x" * 100_000}
        body = json.dumps({"type": "message", "data": data}).encode()
        assert (await post(running, body))[0] == 204
        (record,) = running.log.told
        assert "text" not in record
        assert await running.blobs.get(record["text_ref"]) == b"x" * 100_000


async def test_what_we_do_not_know_is_kept_and_acknowledged(house: House) -> None:
    async with house() as running:
        for number, body in enumerate((b"no json", b'{"type": "invoice.paid"}')):
            assert (await post(running, body, signed(body, id_=f"m{number}")))[0] == 204
        assert [one["kind"] for one in running.log.told] == ["unsupported", "unsupported"]


async def test_a_body_that_does_not_come_holds_nobody_up(house: House) -> None:
    async with house(http_body_timeout_ms=100, hook_inflight_max=1) as running:
        host, port = running.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /hooks/partner HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        assert await post(running) == (204, "")  # meanwhile
        assert b" 408 " in await asyncio.wait_for(reader.readline(), 10)
        writer.close()
