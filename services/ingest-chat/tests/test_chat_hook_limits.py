"""One webhook account that sends far too much: refused for nearly nothing, and not felt by others."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from chat_kit import SECRET
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from vaxel_ingest_chat.config import IngestChatSettings
from vaxel_ingest_chat.core.bucket import Bucket
from vaxel_ingest_chat.shell import hooks
from vaxel_ingest_chat.shell.body import read_body
from vaxel_ingest_chat.shell.gate import Closed, HookGate
from vaxel_ingest_chat.shell.turned_away import TELL_EVERY_S, TurnedAway
from vaxel_ingest_chat.shell.turns import Turns
from vaxel_shared.channels import standard
from vaxel_shared.channels.receive import receive

House = Callable[..., Any]
OTHER = "whsec_bm90IHRoZSBzYW1lIGFzIHRoZSBmaXJzdA=="
OUT = {"hook_requests_burst_max": 3, "hook_requests_per_second_max": 0.001}
"""A budget that doesn't come back during a test."""
PATIENT = {"hook_timeout_ms": 60_000, "chat_send_timeout_ms": 60_000}
"""However busy the machine is."""


async def post(
    running: Any, number: int, account: str = "partner", secret: str = SECRET
) -> tuple[int, str]:
    """The status and the code of the problem, if there is one."""
    data = {"message_id": f"{account}-{number}", "sender": {"id": "u1"}, "text": "Hei."}
    body = json.dumps({"type": "message.received", "data": data}).encode()
    id_, seconds = f"{account}-{number}", int(time.time())
    headers = {
        "Content-Type": "application/json",
        "Webhook-Id": id_,
        "Webhook-Timestamp": str(seconds),
        "Webhook-Signature": standard.sign(secret, id_, seconds, body),
    }
    where = f"{running.url}/hooks/{account}"
    async with running.http.post(where, data=body, headers=headers) as answer:
        text = await answer.text()
        if answer.status in (429, 503):
            assert int(answer.headers["Retry-After"]) >= standard.MANIFEST.answers.retry_after_s
            assert answer.headers["Cache-Control"] == "no-store"
        return answer.status, json.loads(text)["title"] if text else ""


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many bodies were read, and how many were verified."""
    seen: Counter[str] = Counter()

    async def reading(*words: Any) -> bytes:
        seen["read"] += 1
        return await read_body(*words)

    def receiving(*words: Any) -> Any:
        seen["verified"] += 1
        return receive(*words)

    monkeypatch.setattr(hooks, "read_body", reading)
    monkeypatch.setattr(hooks, "receive", receiving)
    return seen


async def test_what_is_refused_is_neither_read_nor_verified_nor_logged_one_by_one(
    house: House, work: Counter[str]
) -> None:
    async with house(**OUT) as running:
        for number in range(3):
            assert await post(running, number) == (204, "")
        assert work == {"read": 3, "verified": 3}
        with capture_logs() as lines:
            for number in range(30):
                assert await post(running, 3 + number) == (429, "too_many")
        assert work == {"read": 3, "verified": 3}
        (line,) = lines
        assert (line["event"], line["name"], line["count"]) == ("webhooks_refused", "partner", 1)
        assert await post(running, 1, "second") == (204, "")  # it has a budget of its own


async def test_who_only_knows_the_address_does_not_use_up_the_accounts_budget(
    house: House, work: Counter[str]
) -> None:
    async with house(**OUT) as running:
        for number in range(2):
            assert await post(running, number, secret=OTHER) == (401, "signature_mismatch")
        for number in range(3):
            assert await post(running, number) == (204, "")
        assert await post(running, 3) == (429, "too_many")
        assert work["read"] == 5


async def test_strangers_are_not_read_without_end(house: House, work: Counter[str]) -> None:
    async with house(**OUT) as running:
        for number in range(3):
            assert await post(running, number, secret=OTHER) == (401, "signature_mismatch")
        for number in range(10):
            assert await post(running, number, secret=OTHER) == (429, "too_many")
        assert work["read"] == 3
        assert await post(running, 1, "second") == (204, "")


async def test_a_quiet_account_gets_through_while_the_loud_one_holds_all_it_may(
    house: House,
) -> None:
    async with house(hook_inflight_max=6, **PATIENT) as running:
        running.log.gate = asyncio.Event()
        loud = []
        for number in range(3):  # of six: three held are as many as are free
            loud.append(asyncio.ensure_future(post(running, number)))
            await running.until(lambda: running.log.waiting == len(loud))
        for number in range(20):
            assert await post(running, 10 + number) == (429, "too_many")
        quiet = asyncio.ensure_future(post(running, 1, "second"))
        await running.until(lambda: running.log.waiting == 4)
        running.log.gate.set()
        assert await asyncio.gather(*loud, quiet) == [(204, "")] * 4


async def test_at_the_disk_a_quiet_account_does_not_stand_behind_all_of_a_loud_one(
    house: House,
) -> None:
    async with house(hook_storing_max=1, **PATIENT) as running:
        stored: list[str] = []
        asked: Counter[str] = Counter()
        goes_on = asyncio.Semaphore(0)
        put, hook = running.blobs.put, running.intake.hook

        async def slow(kind: str, data: bytes) -> str:
            stored.append(json.loads(data)["data"]["message_id"])
            await goes_on.acquire()
            return str(await put(kind, data))

        async def counted(raw: bytes, found: list[Any], timeout_ms: int) -> None:
            asked[found[0].account] += 1
            await hook(raw, found, timeout_ms)

        running.blobs.put, running.intake.hook = slow, counted
        loud = [asyncio.ensure_future(post(running, number)) for number in range(8)]
        await running.until(lambda: asked["partner"] == 8)
        quiet = asyncio.ensure_future(post(running, 1, "second"))
        await running.until(lambda: asked["second"] == 1)
        for _ in range(9):
            goes_on.release()
        assert await asyncio.gather(*loud, quiet) == [(204, "")] * 9
        assert stored.index("second-1") == 2  # one was at work, one of each line before it


@pytest.mark.parametrize(
    ("places", "accounts", "shares"),
    [(200, 1, [90]), (200, 2, [90, 45]), (30, 3, [14, 7, 3]), (6, 1, [3]), (1, 1, [1])],
)
def test_one_after_the_other_takes_half_of_what_is_left(
    places: int, accounts: int, shares: list[int]
) -> None:
    gate = HookGate(IngestChatSettings(hook_inflight_max=places), lambda: 0.0)
    assert [_filled(gate, f"a{number}") for number in range(accounts)] == shares


def _filled(gate: HookGate, account: str) -> int:
    count = 0
    while gate.full(account) is None:
        gate.enter(account)
        count += 1
    return count


def test_those_who_all_take_what_they_can_have_the_same_and_leave_as_much() -> None:
    gate = HookGate(IngestChatSettings(hook_inflight_max=90), lambda: 0.0)
    held = Counter(account for _ in range(90) for account in "ab" if _took_one(gate, account))
    assert held == {"a": 27, "b": 27}
    assert _took_one(gate, "quiet")
    for account, count in held.items():
        for _ in range(count):
            gate.leave(account)
    assert _filled(gate, "a") == 40  # of 89 that are free, nine of them kept so


def _took_one(gate: HookGate, account: str) -> bool:
    if gate.full(account) is not None:
        return False
    gate.enter(account)
    return True


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.booleans()), max_size=300))
def test_whoever_has_no_place_finds_one_in_whatever_order_others_come_and_go(
    steps: list[tuple[str, bool]],
) -> None:
    gate = HookGate(IngestChatSettings(hook_inflight_max=50), lambda: 0.0)
    held: Counter[str] = Counter()
    for account, comes in steps:
        if comes and _took_one(gate, account):
            held[account] += 1
        elif not comes and held[account]:
            gate.leave(account)
            held[account] -= 1
        assert held.total() <= 50
        assert gate.full("newcomer") is None


def test_full_of_all_accounts_is_not_the_senders_own_limit() -> None:
    gate = HookGate(IngestChatSettings(hook_inflight_max=1), lambda: 0.0)
    gate.enter("a")
    closed = gate.full("b")
    assert closed is not None
    assert not closed.own


@pytest.mark.parametrize(
    ("own", "limited", "expected"),
    [(True, 429, (429, "too_many")), (True, 503, (503, "too_many")), (False, 429, (503, "busy"))],
)
def test_the_platform_says_how_its_own_limit_is_told(
    own: bool, limited: int, expected: tuple[int, str]
) -> None:
    answers = replace(standard.MANIFEST.answers, limited=limited)
    manifest = replace(standard.MANIFEST, answers=answers)
    away = TurnedAway(lambda: 0.0)
    for _ in range(2):  # put together, then taken from what is prepared
        answer = away.answer("partner", manifest, Closed("so it is", 9, own))
        problem = json.loads(answer.body or b"")  # type: ignore[arg-type] # it is bytes
        assert (answer.status, problem["title"]) == expected
        assert (problem["status"], problem["detail"]) == (answer.status, "so it is")
        assert answer.headers["Retry-After"] == "9"
        assert answer.content_type == "application/problem+json"


def test_what_was_refused_is_told_once_a_minute_with_its_number() -> None:
    now_s = 0.0
    away = TurnedAway(lambda: now_s)
    closed = Closed("too many")
    with capture_logs() as lines:
        for second in range(int(TELL_EVERY_S) + 1):
            now_s = float(second)
            away.answer("partner", standard.MANIFEST, closed)
        away.answer("second", standard.MANIFEST, closed)
    told = [(line["name"], line["count"]) for line in lines]
    assert told == [("partner", 1), ("partner", int(TELL_EVERY_S)), ("second", 1)]


async def test_turns_go_from_account_to_account_and_within_one_in_order() -> None:
    turns = Turns(1)
    order: list[str] = []

    async def one(name: str) -> None:
        async with turns.one(name[0]):
            order.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(*map(one, ("a1", "a2", "a3", "a4", "b1", "b2", "c1")))
    assert order == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]


async def test_who_gives_up_waiting_takes_no_turn_with_him() -> None:
    turns = Turns(1)
    begun: list[str] = []
    over = asyncio.Event()

    async def one(name: str) -> None:
        async with turns.one("a"):
            begun.append(name)
            await over.wait()

    async def held_first() -> None:
        await one("first")
        waiting[1].cancel()  # when it has just been given to him

    first = asyncio.create_task(held_first())
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(one(f"waits {number}")) for number in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # while he waits
    over.set()
    await first
    await asyncio.gather(*waiting, return_exceptions=True)
    assert begun == ["first", "waits 2"]
    async with asyncio.timeout(10), turns.one("b"):
        begun.append("b")
    assert begun[-1] == "b"


@given(st.integers(1, 5), st.lists(st.booleans(), max_size=30))
def test_what_is_put_back_never_fills_a_bucket_beyond_its_size(
    size: int, takes: list[bool]
) -> None:
    bucket = Bucket(size, 1.0, 0.0)
    left = size
    for take in takes:
        if take:
            assert bucket.take(0.0) == (left > 0)
            left = max(0, left - 1)
        else:
            bucket.give()
            left = min(size, left + 1)
    assert bucket.has(0.0) == (left > 0)
