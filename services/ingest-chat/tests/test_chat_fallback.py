"""The same chat without a WebSocket: a stream of events and plain requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

House = Callable[..., Any]


@asynccontextmanager
async def stream(running: Any, token: str, cursor: str = "") -> AsyncIterator[Any]:
    """An event stream; calling it gives the next frame."""
    where = f"{running.url}/chat/web/events" + (f"?cursor={cursor}" if cursor else "")
    async with running.http.get(where, headers={"Authorization": f"Bearer {token}"}) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"

        async def event() -> dict[str, Any]:
            async with asyncio.timeout(10):
                while True:
                    line = (await answer.content.readline()).decode()
                    assert line, "the stream has ended"
                    if line.startswith("data: "):
                        found: dict[str, Any] = json.loads(line[6:])
                        return found

        yield event


async def begun(running: Any, **body: Any) -> str:
    async with running.http.post(f"{running.url}/chat/web/session", json=body) as answer:
        assert answer.status == 200
        return str((await answer.json())["token"])


async def said(running: Any, token: str, text: Any, id_: str = "message-0001") -> tuple[int, Any]:
    async with running.http.post(
        f"{running.url}/chat/web/messages",
        json={"id": id_, "text": text},
        headers={"Authorization": f"Bearer {token}"},
    ) as answer:
        return answer.status, await answer.json()


async def test_the_same_frames_and_cursors_come_without_a_socket(house: House) -> None:
    async with house() as running:
        token = await begun(running)
        async with stream(running, token) as event:
            assert (await event())["messages"] == []
            status, acked = await said(running, token, "Hei!")
            assert (status, acked["type"]) == (200, "ack")
            mine = await event()
            assert (mine["text"], mine["id"]) == ("Hei!", acked["message_id"])
            await running.log.answer(running.key(), "Miten voin auttaa?")
            answer = await event()
            assert (answer["text"], answer["from"]) == ("Miten voin auttaa?", "us")
        assert await begun(running, token=token) == token
        async with stream(running, token, mine["cursor"]) as event:
            assert [one["text"] for one in (await event())["messages"]] == ["Miten voin auttaa?"]
        async with running.talk() as talk:  # a socket goes on where the stream stopped
            assert (await talk.hello(token, answer["cursor"]))["messages"] == []


async def test_a_repeat_stands_on_the_log_once(house: House) -> None:
    async with house() as running:
        token = await begun(running)
        assert await said(running, token, "Hei!") == await said(running, token, "Hei!")
        assert len(running.log.told) == 1
        status, problem = await said(running, token, "Other")
        assert (status, problem["title"]) == (422, "id_reused")


async def test_without_a_broker_a_message_is_asked_for_again(house: House) -> None:
    async with house() as running:
        token = await begun(running)
        running.log.away = True
        status, problem = await said(running, token, "Hei!")
        assert (status, problem["title"]) == (503, "later")
        running.log.away = False
        assert (await said(running, token, "Hei!"))[0] == 200


@pytest.mark.parametrize(
    ("text", "id_", "expected"),
    [
        ("x" * 101, "message-0001", (413, "text_too_long")),
        ("", "message-0001", (400, "text_missing")),
        ("x", "short", (400, "id_malformed")),
        ("x" * 3000, "message-0001", (413, "frame_too_large")),
    ],
)
async def test_what_cannot_be_taken_is_refused_by_name(
    house: House, text: str, id_: str, expected: tuple[int, str]
) -> None:
    async with house(chat_text_chars_max=100, chat_frame_bytes_max=2_000) as running:
        status, problem = await said(running, await begun(running), text, id_)
        assert (status, problem["title"]) == expected
        assert running.log.told == []


async def test_floods_streams_and_conversations_are_bounded(house: House) -> None:
    limits = {
        "chat_messages_burst_max": 2,
        "chat_messages_per_second_max": 0.01,
        "chat_sockets_max": 1,
        "chat_conversations_per_ip_per_minute_max": 1,
        "chat_proxy_hops": 1,
    }
    async with house(**limits) as running:
        running.http.headers.update({"X-Forwarded-For": "203.0.113.7"})
        token = await begun(running)
        statuses = [(await said(running, token, "x", f"message-{n:04}"))[0] for n in range(3)]
        assert statuses == [200, 200, 429]
        where = f"{running.url}/chat/web/events"
        async with stream(running, token) as event:
            await event()
            async with running.http.get(
                where, headers={"Authorization": f"Bearer {token}"}
            ) as answer:
                assert answer.status == 503
        async with running.http.post(f"{running.url}/chat/web/session", json={}) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "5")


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer x", "Basic abc"])
async def test_nothing_is_told_or_taken_without_a_token(house: House, token: str) -> None:
    async with house() as running:
        headers = {"Authorization": token} if token else {}
        for method, name in (("get", "events"), ("post", "messages")):
            request = getattr(running.http, method)
            async with request(f"{running.url}/chat/web/{name}", headers=headers) as answer:
                assert answer.status == 401
                assert (await answer.json())["title"] == "token_invalid"


async def test_other_pages_may_neither_ask_nor_read(house: House) -> None:
    async with house() as running:
        where = f"{running.url}/chat/web/session"
        evil = {"Origin": "https://evil.example"}
        async with running.http.options(where, headers=evil) as answer:
            assert answer.status == 403
            assert "Access-Control-Allow-Origin" not in answer.headers
        async with running.http.options(where) as answer:
            assert answer.status == 204
            assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
            assert "authorization" in answer.headers["Access-Control-Allow-Headers"]
        async with running.http.post(where, json={}, headers=evil) as answer:
            assert answer.status == 403


async def test_an_embedded_request_without_origin_is_refused(house: House) -> None:
    async with house() as running:
        del running.http.headers["Origin"]
        where = f"{running.url}/chat/web/session"
        async with running.http.post(where, headers={"Sec-Fetch-Site": "cross-site"}) as answer:
            assert answer.status == 403
        async with running.http.post(where, headers={"Sec-Fetch-Site": "same-origin"}) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"[1]", {}, 400),
        (b"{", {}, 400),
        (b"\xff", {}, 400),
        (b"{}", {"Content-Encoding": "br"}, 400),
        (b"", {}, 200),
    ],
)
async def test_a_body_that_is_no_object_is_refused(
    house: House, body: bytes, headers: dict[str, str], status: int
) -> None:
    async with house() as running:
        where = f"{running.url}/chat/web/session"
        async with running.http.post(where, data=body, headers=headers) as answer:
            assert answer.status == status


async def test_a_restart_ends_the_stream(house: House) -> None:
    async with house() as running, stream(running, await begun(running)) as event:
        await event()
        running.stop.set()
        assert await event() == {"type": "bye"}
