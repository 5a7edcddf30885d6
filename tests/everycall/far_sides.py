"""What stands beyond Vaxel: a mail relay, tools that are posted to. They remember what reached them.

Each step is a call that can go wrong; deadlines are those of the caller, as the real clients have
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Self

import aiohttp
from aiosmtplib import SMTPConnectTimeoutError, SMTPReadTimeoutError, SMTPServerDisconnected
from everycall.faults import BOUND_S, Plan

COMMAND_S, DATA_S = 60.0, 600.0
"""RFC 5321 section 4.5.3.2 asks for such patience; other mails go on meanwhile."""


class FakeRelay:
    """A mail server behind aiosmtplib's client."""

    def __init__(self, plan: Plan) -> None:
        self.mails: list[tuple[str, bytes]] = []
        self._plan = plan

    def client(self, **_options: Any) -> Any:
        plan, mails, to = self._plan, self.mails, [""]

        async def connect() -> None:
            await plan.call(
                "smtp.connect", lambda: None, lambda: SMTPConnectTimeoutError("late"), patience_s=30
            )

        async def command(_address: str, timeout: float = COMMAND_S) -> None:  # noqa: ASYNC109
            to[0] = _address
            await plan.call(
                "smtp.command", lambda: None, lambda: SMTPReadTimeoutError("late"),
                patience_s=timeout, bound_s=max(BOUND_S, timeout),
            )  # fmt: skip

        async def data(raw: bytes, timeout: float = COMMAND_S) -> None:  # noqa: ASYNC109
            await plan.call(
                "smtp.data", lambda: mails.append((to[0], raw)),
                lambda: SMTPServerDisconnected("gone"),
                patience_s=timeout, bound_s=max(BOUND_S, timeout),
            )  # fmt: skip

        async def sendmail(_sender: str, recipients: list[str], raw: bytes) -> None:
            to[0] = recipients[0]
            await data(raw)

        return SimpleNamespace(
            connect=connect, mail=command, rcpt=command, data=data, sendmail=sendmail,
            close=lambda: None,
        )  # fmt: skip


class FakeHttp:
    """A session of aiohttp's; answers 204 and remembers."""

    def __init__(self, plan: Plan, total_s: float) -> None:
        self.posts: list[tuple[str, bytes, dict[str, str]]] = []
        self._plan = plan
        self._total_s = total_s

    def post(self, url: str, *, data: bytes, headers: Mapping[str, str], **_options: Any) -> Any:
        return _Exchange(self, url, data, dict(headers))

    async def close(self) -> None:
        return


class _Exchange:
    def __init__(self, http: FakeHttp, *post: Any) -> None:
        self._http, self._post = http, post
        self.status, self.headers = 204, {}  # type: ignore[var-annotated] # none are needed
        self.content = self

    async def read(self, _most: int = -1) -> bytes:
        return b""

    async def __aenter__(self) -> Self:
        await self._http._plan.call(
            "http", lambda: self._http.posts.append(self._post),
            lambda: aiohttp.ServerDisconnectedError("gone"), patience_s=self._http._total_s,
        )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        return
