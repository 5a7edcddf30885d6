"""Trying the example: passed on to the local mailbox for whoever may, and only where it runs."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from register_kit import Register, agent

from vaxel_register.shell.demo import Demo
from vaxel_shared.crypto.tokens import verify

MAIL = {
    "id": 1, "from": "support@vaxel.example", "to": ["kaisa@asiakas.example"], "headers": {},
    "subject": None, "text": None, "html": None, "received_at": "2026-11-22T10:00:00.000Z",
}  # fmt: skip
EXAMPLE = {
    "name": "fi-billing",
    "from": "Kaisa <k@a.example>",
    "to": "s@v.example",
    "subject": "Lasku",
}


class Mailbox:
    """What `vaxel up` runs, as far as this asks it."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.answer: tuple[int, Any] = (200, {"said": "250 kept", "message_id": "<1@x>"})
        self.mails: Any = {"mails": [MAIL]}
        app = web.Application()
        app.add_routes(
            [
                web.get("/api/examples", self.examples),
                web.get("/api/mails", self.list_mails),
                web.post("/api/examples/{name}", self.send),
            ]
        )
        self.server = TestServer(app)

    async def examples(self, _request: web.Request) -> web.Response:
        return web.json_response({"examples": [EXAMPLE]})

    async def list_mails(self, _request: web.Request) -> web.Response:
        return web.json_response(self.mails)

    async def send(self, request: web.Request) -> web.Response:
        self.tokens.append(request.headers["Authorization"].removeprefix("Bearer "))
        status, body = self.answer
        return web.json_response(body, status=status)


@pytest.fixture
async def mailbox(register: Register) -> Any:
    box = Mailbox()
    await box.server.start_server()
    demo: Demo = register.parts.demo
    demo._url = str(box.server.make_url("")).rstrip("/")
    yield box
    await box.server.close()


async def test_examples_and_mails_are_shown(register: Register, mailbox: Mailbox) -> None:
    await register.decide(agent("anna"))
    status, body = await register.get("/demo", "agent", "anna")
    assert (status, body["contacts"][0]["name"], body["mails"][0]["text"]) == (
        200,
        "fi-billing",
        "",
    )
    assert body["mailbox_url"].startswith("http://127.0.0.1:")


async def test_a_supervisor_sends_an_example_and_an_agent_cant(
    register: Register, mailbox: Mailbox
) -> None:
    await register.decide(agent("anna"))
    status, body, _ = await register.post("/demo/contacts/fi-billing", {}, "supervisor", "sup")
    assert (status, body["said"]) == (200, "250 kept")
    assert verify(register.keyring, "api", mailbox.tokens[0]) == {
        "role": "admin",
        "sub": "register",
    }
    assert (await register.post("/demo/contacts/fi-billing", {}, "agent", "anna"))[0] == 403
    assert len(mailbox.tokens) == 1


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        ((404, {}), 404, "unknown_example"),
        ((409, {"detail": "send another of theirs first"}), 409, "not_sent"),
        ((500, []), 409, "not_sent"),
    ],
)
async def test_what_couldnt_be_sent_says_why(
    register: Register, mailbox: Mailbox, answer: Any, status: int, code: str
) -> None:
    mailbox.answer = answer
    got, body, _ = await register.post("/demo/contacts/fi-billing", {}, "supervisor", "sup")
    assert (got, body["title"]) == (status, code)


async def test_a_mailbox_that_talks_nonsense_or_is_gone_is_said(
    register: Register, mailbox: Mailbox
) -> None:
    mailbox.mails = {"mails": [{"id": "one"}]}
    assert (await register.get("/demo"))[0] == 503
    await mailbox.server.close()
    status, body = await register.get("/demo")
    assert (status, "mailbox doesn't answer" in body["detail"]) == (503, True)


async def test_without_the_example_there_is_none_of_it(register: Register) -> None:
    assert (await register.get("/demo"))[1]["title"] == "not_a_demo"
    assert (await register.post("/demo/contacts/x", {}, "admin", "root"))[0] == 404
    assert (await register.get("/session"))[1]["demo"] is False
