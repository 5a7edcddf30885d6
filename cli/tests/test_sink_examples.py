"""Examples sent from a page: over real SMTP, only for whoever holds an administrator's token."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from vaxel_cli.commands import mail
from vaxel_cli.runinfo import find_config_dir
from vaxel_cli.sink.examples import Examples
from vaxel_cli.sink.mailbox import Mailbox
from vaxel_cli.sink.smtp import serve
from vaxel_cli.sink.web import routes
from vaxel_shared.crypto.keys import Keyring, create_key
from vaxel_shared.crypto.tokens import api_token
from vaxel_shared.http.app import make_app
from vaxel_shared.settings import PORTS, Settings


@dataclass
class Desk:
    """The mailbox's routes, and what came in where customers write to."""

    client: TestClient[Any, Any]
    sent: Mailbox
    came_in: Mailbox
    keyring: Keyring

    async def send(self, name: str, role: str | None = "admin") -> tuple[int, Any]:
        headers = {}
        if role is not None:
            headers["Authorization"] = f"Bearer {api_token(self.keyring, role, 'register')}"
        answer = await self.client.post(f"/api/examples/{name}", headers=headers)
        return answer.status, await answer.json(content_type=None)


def free_port() -> int:
    """One that an offset can reach, below those that the kernel hands out."""
    for port in range(22_000 + os.getpid() % 8_000, 32_000):
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    port = free_port()
    settings = Settings(
        data_dir=tmp_path, config_dir=find_config_dir(), port_offset=port - PORTS["smtp"]
    )
    create_key(settings.secrets)
    sent, came_in = Mailbox(tmp_path / "sent", 100), Mailbox(tmp_path / "in", 100)
    ready, stop = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(serve(came_in, "127.0.0.1", port, ready, stop))
    await ready.wait()
    all_routes = [*routes(sent), *Examples(settings, sent).routes()]
    client: TestClient[Any, Any] = TestClient(TestServer(make_app(list, all_routes)))
    await client.start_server()
    yield Desk(client, sent, came_in, Keyring.load(settings.secrets))
    stop.set()
    await serving
    await client.close()


async def test_the_examples_are_those_of_the_command(desk: Desk) -> None:
    listed = (await (await desk.client.get("/api/examples")).json())["examples"]
    assert [item["name"] for item in listed] == mail.example_names()
    assert all(item["from"] and item["to"] and item["subject"] for item in listed)


async def test_an_example_goes_in_as_its_customer_would_send_it(desk: Desk) -> None:
    status, said = await desk.send("fi-billing")
    assert (status, said["said"].startswith("250 ")) == (200, True)
    (entry,) = desk.came_in.entries
    assert (entry.envelope_from, entry.envelope_to) == (
        "kaisa.nurminen@asiakas.example", ["support@vaxel.example"],
    )  # fmt: skip
    raw = desk.came_in.raw(entry.id) or b""
    assert said["message_id"].encode() in raw
    assert b"X-Vaxel-Example" not in raw


async def test_one_that_answers_needs_something_to_answer(desk: Desk) -> None:
    status, said = await desk.send("en-thread-followup")
    assert (status, said["title"], "another of theirs" in said["detail"]) == (409, "not_sent", True)
    ours = b"From: support@vaxel.example\r\nSubject: Re: App\r\nMessage-ID: <ours@v>\r\n\r\nHello"
    await desk.sent.add("support@vaxel.example", ["priya.raman@customer.example"], ours, 1)
    assert (await desk.send("en-thread-followup"))[0] == 200
    assert b"In-Reply-To: <ours@v>" in (desk.came_in.raw(1) or b"")


@pytest.mark.parametrize("role", [None, "supervisor", "agent"])
async def test_nobody_else_can_have_one_sent(desk: Desk, role: str | None) -> None:
    assert (await desk.send("fi-billing", role))[0] == 401
    assert desk.came_in.entries == []


async def test_an_unknown_one_is_said(desk: Desk) -> None:
    assert (await desk.send("none"))[0] == 404
    answer = await desk.client.post("/api/examples/..%2f..%2fetc")
    assert answer.status == 404
