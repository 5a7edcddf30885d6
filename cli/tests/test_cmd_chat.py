"""Sending a chat in: over a real WebSocket to the real service, followed through a fake register."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import fake_api
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "services/ingest-chat/tests"))

from chat_kit import Running

from vaxel_cli.commands.chat import Visitor
from vaxel_cli.console import CommandFailed
from vaxel_cli.main import run


@pytest.fixture
async def chat(tmp_path):
    """Ingest-chat on a log in memory, and a register that knows nothing."""
    running = Running(tmp_path)
    await running.start()
    running.web._house.edge._own |= {running.url}
    with fake_api.serving(fake_api.FakeApi()) as api:
        services = {"register": {"url": api.url}, "ingest-chat": {"url": running.url}}
        fake_api.write_run(tmp_path, api, services=services, chats=["web", "other"])
        running.api = api
        yield running
    await running.close()


async def vaxel(tmp_path, *arguments):
    return await asyncio.to_thread(run, ["send", "chat", "--data-dir", str(tmp_path), *arguments])


async def test_what_is_said_stands_on_the_log(chat, tmp_path, capsys):
    assert await vaxel(
        tmp_path, "--text", "Hei!", "--language", "fi", "--name", "Aino", "--email", "a@b.example",
        "--no-wait", "--json",
    ) == 0  # fmt: skip
    told = json.loads(capsys.readouterr().out)
    (record,) = chat.log.told
    assert (record["text"], record["language"], record["sender"]["name"]) == ("Hei!", "fi", "Aino")
    assert told["interaction_id"] == record["id"]
    assert told["account"] == "web"
    assert await vaxel(tmp_path, "--text", "More", "--token", told["token"], "--no-wait") == 0
    assert chat.log.told[1]["conversation_key"] == record["conversation_key"]


async def test_it_is_followed_until_it_is_offered(chat, tmp_path, capsys):
    def cases(_request):
        record = chat.log.told[0]
        at, visitor = record["received_at"], record["sender"]["external_id"]
        message = fake_api.message(record["id"], at, visitor)
        opened = fake_api.decision("case.opened", at, data={"contact_id": record["id"]})
        offer = fake_api.decision("offer.made", at, agent="a01")
        return fake_api.case("S-1", [message, opened, offer])

    chat.api.on("GET", "/api/v1/cases", lambda r: (200, fake_api.case_list(cases(r))))
    chat.api.on("GET", "/api/v1/cases/S-1", lambda r: (200, cases(r)))
    chat.api.on("GET", "/api/v1/agents", fake_api.agents(("a01", "Aino Koskela", "available")))
    assert await vaxel(tmp_path, "--text", "Hei!") == 0
    said = capsys.readouterr().out
    assert "taken by web" in said
    assert "offered to Aino Koskela (a01)" in said


async def test_it_stays_for_an_answer(chat, tmp_path, capsys):
    asked = asyncio.ensure_future(
        vaxel(tmp_path, "--text", "Hei!", "--no-wait", "--listen", "10", "--json")
    )
    await chat.until(lambda: chat.log.outgoing)
    await chat.log.answer(chat.key(), "Miten voin auttaa?")
    assert await asked == 0
    assert json.loads(capsys.readouterr().out)["answers"] == ["Miten voin auttaa?"]


async def test_a_refusal_is_exit_1_and_names_the_rule(chat, tmp_path, capsys):
    assert await vaxel(tmp_path, "--text", "x" * 9_000, "--no-wait") == 1
    assert "text_too_long" in capsys.readouterr().err


async def test_a_chat_that_is_not_there_is_exit_3(chat, tmp_path, capsys):
    assert await vaxel(tmp_path, "--text", "x", "--account", "nobody") == 3
    assert "is it in channels.yaml" in capsys.readouterr().err


async def test_what_cannot_be_stored_is_tried_again_under_the_same_id(chat):
    async with Visitor(chat.url, "web") as visitor:
        chat.log.away = True
        saying = asyncio.ensure_future(visitor.say("Hei!"))
        await asyncio.sleep(0.1)
        chat.log.away = False
        assert await saying == chat.log.told[0]["id"]
        assert len(chat.log.told) == 1


async def test_a_visitor_goes_on_where_they_stopped(chat):
    async with Visitor(chat.url, "web") as first:
        await first.say("one")
        assert await first.until(1, 5)
    await chat.log.answer(chat.key(), "two")
    async with Visitor(chat.url, "web", token=first.token, cursor=first.cursor) as second:
        assert [message["text"] for message in second.messages] == ["two"]
        assert not await second.until(2, 0.05)
        assert second.visitor_id == chat.log.told[0]["sender"]["external_id"]
    with pytest.raises(CommandFailed):
        await second.say("hung up")
