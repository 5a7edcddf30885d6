"""Trying things out: examples that can be sent in, and the local mailbox that shows what came out.

Both belong to the process that `vaxel up` runs as the mailbox; this passes them on to whoever may
use them. Where `vaxel up` doesn't run the example, there is none of it.
"""

from __future__ import annotations

from typing import Any

import aiohttp
from aiohttp import web
from pydantic import ValidationError

from vaxel_register.core import views
from vaxel_register.core.access import relation
from vaxel_register.core.limits import DEMO_TIMEOUT_MS
from vaxel_register.shell.edge import Call, Refusal, answer_json
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.crypto.tokens import api_token
from vaxel_shared.errors import Retryable

MAILS_MAX = 50


class Demo:
    """Handlers by the name of their route. ``url`` None: nothing of it is here."""

    def __init__(self, *, url: str | None, keyring: Keyring) -> None:
        self._url = url
        self._keyring = keyring
        self._session: aiohttp.ClientSession | None = None

    @property
    def there(self) -> bool:
        """Whether the example runs."""
        return self._url is not None

    async def demo(self, call: Call) -> web.Response:
        """Examples and the newest mails."""
        call.need(relation(call.principal, pool=call.principal.pool))
        _, examples = await self._ask("GET", "/api/examples")
        _, mails = await self._ask("GET", f"/api/mails?limit={MAILS_MAX}")
        try:
            view = views.Demo(
                contacts=[_contact(item) for item in examples["examples"]],
                mails=[_mail(item) for item in reversed(mails["mails"])],
                mailbox_url=self._url or "",
            )
        except (KeyError, TypeError, ValidationError) as error:
            raise Retryable("the mailbox answers nonsense; is it of another version?") from error
        return answer_json(view)

    async def demo_send(self, call: Call) -> web.Response:
        """Send an example in."""
        call.need(relation(call.principal, pool=call.principal.pool))
        name = call.name("name")
        status, answer = await self._ask("POST", f"/api/examples/{name}")
        if status == 404:
            raise Refusal(404, "unknown_example", "there is no such example; see GET /demo")
        if status != 200:
            detail = str(answer.get("detail", "it couldn't be sent; is ingest-email ready?"))
            raise Refusal(409, "not_sent", detail)
        return answer_json(
            views.DemoSent(
                name=name, said=str(answer["said"]), message_id=str(answer["message_id"])
            )
        )

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()

    async def _ask(self, method: str, path: str) -> tuple[int, dict[str, Any]]:
        if self._url is None:
            raise Refusal(404, "not_a_demo", "only the example that `vaxel up` runs has this")
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=DEMO_TIMEOUT_MS / 1000)
            self._session = aiohttp.ClientSession(timeout=timeout)
        headers = {"Authorization": f"Bearer {api_token(self._keyring, 'admin', 'register')}"}
        try:
            async with self._session.request(method, self._url + path, headers=headers) as response:
                body = await response.json(content_type=None)
                return response.status, body if isinstance(body, dict) else {}
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Retryable(
                "the local mailbox doesn't answer; `vaxel up` starts it again"
            ) from error


def _contact(item: dict[str, Any]) -> views.DemoContact:
    return views.DemoContact(
        name=item["name"], sender=item["from"], to=item["to"], subject=item["subject"]
    )


def _mail(item: dict[str, Any]) -> views.DemoMail:
    return views.DemoMail(
        id=item["id"],
        sender=item["from"],
        to=item["to"],
        subject=item["subject"] or "",
        text=item["text"] or "",
        received_at=item["received_at"],
    )
