"""A visitor on a WebSocket: acknowledged when it is kept, resumed by cursor, refused by name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError

from vaxel_ingest_chat.core.cursor import Cursor
from vaxel_ingest_chat.core.visitor import Visitor

House = Callable[..., Any]


def texts(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["text"] for frame in frames if frame["type"] == "message"]


# ---------------------------------------------------------------- taken, told, resumed


async def test_a_message_is_acknowledged_once_it_is_on_the_log(house: House) -> None:
    async with house() as running, running.talk() as talk:
        await talk.hello()
        running.log.gate = asyncio.Event()
        await talk.say(type="message", id="message-0001", text="Hei!")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(talk.socket.receive(), 0.1)
    async with house() as running, running.talk() as talk:
        await talk.hello()
        frames = await talk.message("Hei!\nToinen rivi", language="fi", locale="sv-FI", name="Aino")
        (record,) = running.log.told
        assert frames[-1] == {"type": "ack", "id": "message-0000", "message_id": record["id"]}
        assert record == record | {
            "channel": "chat",
            "account": "web",
            "direction": "inbound",
            "kind": "message",
            "text": "Hei!\nToinen rivi",
            "language": "fi",
            "contact": {"locale": "sv-FI"},
        }
        assert record["conversation_key"].startswith("main|chat|web|")
        assert record["conversation_key"] == running.key()
        assert record["sender"]["name"] == "Aino"
        (alias,) = record["sender"]["aliases"]
        assert (alias["scheme"], alias["verified"]) == ("visitor", False)


async def test_a_given_address_is_an_alias_that_nobody_verified(house: House) -> None:
    async with house() as running, running.talk() as talk:
        await talk.hello()
        await talk.message("hi", email="a@b.example")
        await talk.message("hi", 1, email="no address")
        first, second = running.log.told
        assert first["sender"]["aliases"][1] == {
            "scheme": "mailto",
            "value": "a@b.example",
            "verified": False,
        }
        assert len(second["sender"]["aliases"]) == 1


async def test_a_repeat_is_the_same_message_and_stands_on_the_log_once(house: House) -> None:
    async with house() as running, running.talk() as talk:
        await talk.hello()
        first = await talk.message("Hei!")
        again = await talk.message("Hei!")
        assert first[-1] == again[-1]
        assert len(running.log.told) == 1
        await talk.say(type="message", id="message-0000", text="Something else")
        assert (await talk.hear())["code"] == "id_reused"
        assert len(running.log.told) == 1


async def test_a_repeat_to_another_process_has_the_same_id(house: House) -> None:
    ids = []
    token = None
    for _ in range(2):
        async with house() as running, running.talk() as talk:
            token = (await talk.hello(token)).get("token", token)
            await talk.message("Hei!")
            ids.append(running.log.told[0]["id"])
    assert ids[0] == ids[1]


async def test_an_answer_reaches_the_visitor_when_it_stands_on_the_log(house: House) -> None:
    async with house() as running, running.talk() as talk, running.talk() as stranger:
        await talk.hello()
        await stranger.hello()
        await talk.message("Hei!")
        await running.log.answer(running.key(), "Miten voin auttaa?")
        found = await talk.hear()
        while found.get("from") != "us":
            found = await talk.hear()
        assert (found["text"], found["name"]) == ("Miten voin auttaa?", "Aino")
        await stranger.say(type="ping")
        assert await stranger.hear() == {"type": "pong"}  # and nothing of the other conversation


async def test_what_is_no_message_and_who_is_no_chat_are_not_shown(house: House) -> None:
    async with house() as running, running.talk() as talk:
        await talk.hello()
        await talk.message("Hei!")
        key = running.key()
        await running.log.answer(key, "typing", kind="typing")
        await running.log.answer("main|email|web|" + key.rpartition("|")[2], "a mail")
        await running.log.answer(key, "shown")
        assert texts([await talk.hear()])[-1:] in (["Hei!"], ["shown"])
        frames = []
        await talk.say(type="ping")
        frames = await talk.hear_until("pong")
        assert "typing" not in texts(frames)
        assert "a mail" not in texts(frames)


async def test_a_reload_tells_exactly_what_was_missed(house: House) -> None:
    async with house() as running:
        async with running.talk() as talk:
            token = (await talk.hello())["token"]
            await talk.message("one")
            await talk.message("two", 1)
            await talk.say(type="ping")
            cursor = None
        async with running.talk() as talk:
            whole = await talk.hello(token)
            assert texts(whole["messages"]) == ["one", "two"]
            assert "token" not in whole  # the one that the widget has is good
            cursor = whole["messages"][0]["cursor"]
        await running.log.answer(running.key(), "three")
        async with running.talk() as talk:
            rest = await talk.hello(token, cursor)
            assert texts(rest["messages"]) == ["two", "three"]
            assert (rest["resync"], rest["more"]) == (False, False)
        async with running.talk() as talk:
            assert (await talk.hello(token, rest["cursor"]))["messages"] == []


async def test_news_that_come_while_the_past_is_read_follow_it(house: House) -> None:
    async with house() as running:
        async with running.talk() as talk:
            token = (await talk.hello())["token"]
            await talk.message("one")
        parts = running.web._house.history.parts

        async def slow(*arguments: Any) -> Any:
            await running.log.answer(running.key(), "two, meanwhile")
            async for part in parts(*arguments):
                yield part

        running.web._house.history.parts = slow
        async with running.talk() as talk:
            assert texts((await talk.hello(token))["messages"]) == ["one"]
            assert (await talk.hear())["text"] == "two, meanwhile"


@pytest.mark.parametrize("cursor", ["0:9", "1:9", "2:9", "3:9", "77:1", "2:999999999"])
async def test_a_cursor_that_does_not_fit_the_log_begins_again(house: House, cursor: str) -> None:
    async with house() as running:
        async with running.talk() as talk:
            token = (await talk.hello())["token"]
            await talk.message("one")
        async with running.talk() as talk:
            found = await talk.hello(token, cursor)
            assert (found["resync"], texts(found["messages"])) == (True, ["one"])


@pytest.mark.parametrize(
    "cursor", [None, 7, "", "1", "1:", "-1:0", "a:b", "1:2:3", "\u0661:\u0662", "9" * 99]
)
async def test_a_cursor_that_is_none_means_from_the_start(house: House, cursor: Any) -> None:
    async with house() as running:
        async with running.talk() as talk:
            token = (await talk.hello())["token"]
            await talk.message("one")
        async with running.talk() as talk:
            assert texts((await talk.hello(token, cursor))["messages"]) == ["one"]


async def test_the_cursor_follows_the_log_while_nothing_is_said(house: House) -> None:
    async with house(chat_heartbeat_ms=60) as running, running.talk() as talk:
        await talk.hello()
        for number in range(20):
            await running.log.answer(f"main|chat|web|{number:032}", "of another")
        frame = (await talk.hear_until("cursor"))[-1]
        assert frame["cursor"] != talk.welcome["cursor"]


@pytest.mark.parametrize("damage", ["forged", "other_account", "expired", "nonsense", "no_text"])
async def test_a_token_that_proves_nothing_begins_a_new_conversation(
    house: House, damage: str
) -> None:
    async with house() as running:
        async with running.talk() as talk:
            token = (await talk.hello())["token"]
            await talk.message("secret")
        old = Visitor("web", "a" * 32, "b" * 32, Cursor(0, -1), 1).token(running.keyring)
        elsewhere = Visitor("other", "a" * 32, "b" * 32, Cursor(0, -1), 2**45).token(
            running.keyring
        )
        tokens = {
            "forged": token[:-3] + "AAA",
            "other_account": elsewhere,
            "expired": old,
            "nonsense": "x",
            "no_text": 7,
        }
        async with running.talk() as talk:
            found = await talk.hello(tokens[damage])
            assert found["messages"] == []
            assert found["token"] != token


async def test_a_long_text_of_ours_is_shown_whole(house: House) -> None:
    async with house() as running, running.talk() as talk:
        await talk.hello()
        await talk.message("Hei!")
        ref = await running.blobs.put("text", ("ä" * 70_000).encode())
        await running.log.answer(running.key(), None, text_ref=ref)
        frames = await talk.hear_until("message")
        while frames[-1].get("from") != "us":
            frames += await talk.hear_until("message")
        assert frames[-1]["text"] == "ä" * 70_000


# ---------------------------------------------------------------- our own trouble


async def test_without_a_broker_a_message_is_not_sent_yet_and_can_be_repeated(house: House) -> None:
    async with house() as running, running.talk() as talk:
        await talk.hello()
        running.log.away = True
        await talk.say(type="message", id="message-0001", text="Hei!")
        found = await talk.hear()
        assert (found["type"], found["id"]) == ("not_sent", "message-0001")
        assert found["retry_after_ms"] > 0
        running.log.away = False
        await talk.message("Hei!", 1)
        assert [one["text"] for one in running.log.told] == ["Hei!"]


async def test_a_broker_that_is_too_slow_counts_as_away(house: House) -> None:
    async with house(chat_send_timeout_ms=100) as running, running.talk() as talk:
        await talk.hello()
        running.log.gate = asyncio.Event()
        await talk.say(type="message", id="message-0001", text="Hei!")
        assert (await talk.hear())["type"] == "not_sent"


async def test_before_the_log_was_reached_the_visitor_is_told_to_come_back(house: House) -> None:
    async with house() as running, running.talk() as talk:
        running.feed._read.clear()
        await talk.say(type="hello")
        last, code = await talk.closed()
        assert (last["code"], code) == ("later", 1013)


async def test_a_restart_sends_everybody_off_to_come_back(house: House) -> None:
    async with house() as running, running.talk() as talk:
        await talk.hello()
        running.stop.set()
        assert await talk.closed() == ({"type": "bye"}, 1012)


async def test_typing_is_passed_on_and_its_loss_does_no_harm(house: House) -> None:
    async with house() as running, running.talk() as talk:
        await talk.hello()
        for _ in range(5):
            await talk.say(type="typing")
        await running.until(lambda: running.log.signals)
        (signal,) = running.log.signals
        assert (signal.topic, json.loads(signal.value)["kind"]) == ("vaxel.signals", "typing")
        running.log.away = True
        await talk.say(type="read")
        await talk.say(type="ping")
        assert (await talk.hear())["type"] == "pong"
        assert running.log.told == []


# ---------------------------------------------------------------- limits, each by its name


@pytest.mark.parametrize(
    ("raw", "code", "close"),
    [
        ("x" * 1_500, "frame_too_large", 1009),
        ("{", "frame_malformed", 4400),
        ("[1]", "frame_malformed", 4400),
        ("null", "frame_malformed", 4400),
        ("[" * 900, "frame_malformed", 4400),
        ('{"type": "shout"}', "frame_unknown", 4400),
        ('{"type": ["hello"]}', "frame_unknown", 4400),
        ('{"type": "hello"}', "hello_twice", 4400),
        ('{"type": "message", "id": 7, "text": "x"}', "id_malformed", 4400),
        ('{"type": "message", "id": "short", "text": "x"}', "id_malformed", 4400),
    ],
)
async def test_a_malformed_frame_is_answered_by_name_then_closed(
    house: House, raw: str, code: str, close: int
) -> None:
    async with house(chat_frame_bytes_max=1_000) as running, running.talk() as talk:
        await talk.hello()
        await talk.socket.send_str(raw)
        last, found = await talk.closed()
        assert (last["type"], last["code"], found) == ("error", code, close)
        assert running.log.told == []


async def test_a_frame_far_too_large_is_not_even_read(house: House) -> None:
    async with house(chat_frame_bytes_max=1_000) as running, running.talk() as talk:
        await talk.hello()
        await talk.socket.send_str("x" * 1_000_000)
        assert (await talk.closed())[1] == 1009


async def test_bytes_that_are_no_text_are_a_malformed_frame(house: House) -> None:
    async with house() as running, running.talk() as talk:
        await talk.hello()
        await talk.socket.send_bytes(b"\xff\xfe")
        assert (await talk.closed())[1] == 4400


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x" * 51, "text_too_long"),
        ("", "text_missing"),
        (" \n", "text_missing"),
        (7, "text_missing"),
    ],
)
async def test_a_text_that_cannot_be_taken_is_said_and_the_socket_stays(
    house: House, text: Any, code: str
) -> None:
    async with house(chat_text_chars_max=50) as running, running.talk() as talk:
        assert (await talk.hello())["limits"] == {"text_chars_max": 50}
        await talk.say(type="message", id="message-0001", text=text)
        found = await talk.hear()
        assert (found["code"], found["id"]) == (code, "message-0001")
        await talk.message("x" * 50, 2)


async def test_a_flood_of_messages_is_closed_and_keeps_what_was_acknowledged(house: House) -> None:
    async with house(chat_messages_burst_max=5, chat_messages_per_second_max=0.01) as running:
        async with running.talk() as talk:
            token = (await talk.hello())["token"]
            for number in range(5):
                await talk.message("x", number)
            await talk.say(type="message", id="message-9999", text="x")
            last, code = await talk.closed()
            assert (last["code"], code) == ("flood", 4429)
            assert "chat_messages_per_second_max" in last["detail"]
        async with running.talk() as talk:  # another socket of the same visitor helps nobody
            assert len((await talk.hello(token))["messages"]) == 5
            await talk.say(type="message", id="message-9998", text="x")
            assert (await talk.closed())[1] == 4429


async def test_a_flood_of_frames_is_closed(house: House) -> None:
    async with (
        house(chat_frames_burst_max=10, chat_frames_per_second_max=0.01) as running,
        running.talk() as talk,
    ):
        await talk.hello()
        for _ in range(10):
            await talk.say(type="ping")
        last, code = await talk.closed()
        assert (last["code"], code) == ("flood", 4429)


async def test_unanswered_messages_are_bounded(house: House) -> None:
    async with house(chat_pending_max=3) as running, running.talk() as talk:
        await talk.hello()
        running.log.gate = asyncio.Event()
        for number in range(10):
            await talk.say(type="message", id=f"message-{number:04}", text="x")
        last, code = await talk.closed()
        assert (last["code"], code) == ("flood", 4429)
        assert "chat_pending_max" in last["detail"]


async def test_whoever_says_nothing_is_closed(house: House) -> None:
    async with house(chat_hello_timeout_ms=100) as running, running.talk() as talk:
        last, code = await talk.closed()
        assert (last["code"], code) == ("hello_late", 4401)


async def test_the_first_frame_is_hello(house: House) -> None:
    async with house() as running, running.talk() as talk:
        await talk.say(type="ping")
        last, _ = await talk.closed()
        assert last["code"] == "hello_missing"


async def test_an_idle_socket_is_closed_but_news_keep_it_open(house: House) -> None:
    async with house(chat_idle_timeout_ms=400) as running, running.talk() as talk:
        await talk.hello()
        await talk.message("Hei!")
        for _ in range(4):
            await asyncio.sleep(0.2)
            await running.log.answer(running.key(), "still here")
        await talk.say(type="ping")
        await talk.hear_until("pong")
        last, code = await talk.closed()
        assert (last["code"], code) == ("idle", 4408)


async def test_a_visitor_who_takes_nothing_is_closed_and_resumes(house: House) -> None:
    async with house(chat_outgoing_max=10) as running:
        async with running.talk() as talk:
            token = (await talk.hello())["token"]
            await talk.message("Hei!")
            key = running.key()
            outboxes = [stop.__self__._outbox for stop in running.web._stops]
            for number in range(30):  # without a pause, so that the writer gets no turn
                await running.log.answer(key, f"answer {number}")
            last, code = await talk.closed()
            assert (last["code"], code) == ("slow_visitor", 4409)
            assert outboxes[0].closed == (4409, "slow_visitor")
        async with running.talk() as talk:
            assert len((await talk.hello(token))["messages"]) == 31


async def test_sockets_are_bounded_in_all(house: House) -> None:
    async with house(chat_sockets_max=2) as running:
        async with running.talk() as one, running.talk():
            await one.hello()
            with pytest.raises(WSServerHandshakeError) as refused:
                async with running.talk():
                    pass
            assert refused.value.status == 503
            assert refused.value.headers["Retry-After"]
        await running.until(lambda: running.web._house.edge._count == 0)
        async with running.talk() as talk:
            await talk.hello()


async def test_sockets_are_bounded_by_network_behind_our_proxy(house: House) -> None:
    async with house(chat_sockets_per_ip_max=1, chat_proxy_hops=1) as running:
        near = {"X-Forwarded-For": "6.6.6.6, 203.0.113.7"}
        async with running.talk(**near) as first:
            await first.hello()
            with pytest.raises(WSServerHandshakeError) as refused:
                async with running.talk(**{"X-Forwarded-For": "203.0.113.99"}):  # the same /24
                    pass
            assert refused.value.status == 429
            async with running.talk(**{"X-Forwarded-For": "198.51.100.7"}) as talk:
                await talk.hello()


async def test_new_conversations_are_bounded_by_network(house: House) -> None:
    async with house(chat_conversations_per_ip_per_minute_max=1, chat_proxy_hops=1) as running:
        far = {"X-Forwarded-For": "203.0.113.7"}
        async with running.talk(**far) as talk:
            token = (await talk.hello())["token"]
        async with running.talk(**far) as talk:
            await talk.say(type="hello")
            last, _ = await talk.closed()
            assert last["code"] == "too_many_conversations"
        async with running.talk(**far) as talk:  # who continues begins nothing
            await talk.hello(token)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://shop.example", 101),
        ("https://shop.example.evil.example", 403),
        ("http://shop.example", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("", 403),
        ("http://127.0.0.1:8082", 101),
        ("https://chat.example", 101),
    ],
)
async def test_only_pages_that_we_know_may_open_a_socket(
    house: House, origin: str, status: int
) -> None:
    async with house(chat_public_url="https://chat.example/path") as running:
        try:
            async with running.talk(Origin=origin) as talk:
                await talk.hello()
                found = 101
        except WSServerHandshakeError as refused:
            found = refused.status
        assert found == status


async def test_an_account_that_is_no_chat_is_unknown(house: House) -> None:
    async with house() as running:
        for account in ("nobody", "partner"):
            with pytest.raises(WSServerHandshakeError) as refused:
                async with running.talk(account):
                    pass
            assert refused.value.status == 404
        async with running.http.get(f"{running.url}/chat/web/ws") as answer:
            assert answer.status == 426


async def test_a_changed_account_holds_and_a_broken_file_changes_nothing(
    house: House, tmp_path: Any
) -> None:
    async with house() as running:
        path = tmp_path / "channels.yaml"
        path.write_text(path.read_text().replace("https://shop.example", "https://new.example"))
        running.accounts.refresh()
        async with running.talk(Origin="https://new.example") as talk:
            await talk.hello()
        path.write_text("accounts: [")
        running.accounts.refresh()
        async with running.talk(Origin="https://new.example") as talk:
            await talk.hello()
