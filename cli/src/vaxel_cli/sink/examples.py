"""Sending the examples from a web page: the same mails as `vaxel send email --example`.

The mailbox does it because it is the part of `vaxel up` that runs beside the services, has the
examples, and knows which of our mails an example may answer. Who asks must hold an administrator's
token: the register does, and lets supervisors ask. No other web page can.
"""

from __future__ import annotations

import asyncio
from email.message import EmailMessage

from aiohttp import web

from vaxel_cli.commands import mail, send
from vaxel_cli.console import answer_is_no
from vaxel_cli.runinfo import Listener
from vaxel_cli.sink.mailbox import Mailbox
from vaxel_cli.sink.web import newest
from vaxel_shared.config import deployment as deployment_files
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.crypto.tokens import verify
from vaxel_shared.errors import VaxelError
from vaxel_shared.http.problems import problem
from vaxel_shared.settings import Settings


class Examples:
    """Lists the examples and sends one in over SMTP."""

    def __init__(self, settings: Settings, mailbox: Mailbox) -> None:
        self._settings = settings
        self._mailbox = mailbox

    def routes(self) -> list[web.RouteDef]:
        """What the mailbox serves besides."""
        return [
            web.get("/api/examples", self._list),
            web.post(r"/api/examples/{name:[a-z0-9-]{1,64}}", self._send),
        ]

    async def _list(self, _request: web.Request) -> web.Response:
        found = [(name, mail.example(name)) for name in mail.example_names()]
        items = [
            {
                "name": name,
                "from": str(message["From"]),
                "to": str(message["To"]),
                "subject": str(message["Subject"]),
            }
            for name, message in found
        ]
        return web.json_response({"examples": items})

    async def _send(self, request: web.Request) -> web.Response:
        if not self._may(request):
            return problem(
                401, "unauthorized", "ask through the register's API: POST /demo/contacts"
            )
        name = request.match_info["name"]
        if name not in mail.example_names():
            return problem(404, "unknown_example", "there is no such example; GET /api/examples")
        try:
            message = await self._prepare(name)
            smtp = Listener(host=self._settings.bind, port=self._settings.port("smtp"))
            said = await asyncio.to_thread(send.deliver, smtp, message)
        except VaxelError as error:
            return problem(409, "not_sent", str(error))
        return web.json_response({"said": said, "message_id": str(message["Message-ID"])})

    async def _prepare(self, name: str) -> EmailMessage:
        """The mail as it goes out. Raises CommandFailed where it has nothing to answer."""
        example = mail.example(name)
        answers = mail.is_reply(example)
        addresses = await asyncio.to_thread(self._addresses)
        message = mail.prepare(example, mail.Fields(), addresses)
        if answers:
            ours = await newest(self._mailbox, mail.address_of(str(message["From"])))
            if ours is None:
                raise answer_is_no("this one answers a mail of ours; send another of theirs first")
            mail.answer(message, ours)
        return message

    def _addresses(self) -> list[str]:
        return deployment_files.load(self._settings.config_dir).channels.addresses

    def _may(self, request: web.Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return False
        payload = verify(Keyring.load(self._settings.secrets), "api", token.strip())
        return payload is not None and payload.get("role") == "admin"
