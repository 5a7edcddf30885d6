"""Webhooks: ``/hooks/<account>``. 2xx means that it is on the log, acknowledged by all replicas.

The raw body is verified before anything reads it; whatever is our own trouble is answered with
"later", so that the provider keeps it. A redelivery has the same ids, and the router ends it. Who
sends too much is told so before a body is read, with little more than a look at a counter.
"""

from __future__ import annotations

import time

from aiohttp import web

from vaxel_ingest_chat.config import IngestChatSettings
from vaxel_ingest_chat.shell.accounts import Accounts, Hook
from vaxel_ingest_chat.shell.body import read_body
from vaxel_ingest_chat.shell.edge import Edge
from vaxel_ingest_chat.shell.gate import HookGate
from vaxel_ingest_chat.shell.intake import Intake
from vaxel_ingest_chat.shell.turned_away import TurnedAway
from vaxel_shared.channels.platform import Answer, Manifest, Platform, Request
from vaxel_shared.channels.receive import Place, Received, later, receive
from vaxel_shared.clock import Clock
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.errors import Retryable
from vaxel_shared.http.problems import problem
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger


class Hooks:
    """Takes what platforms post."""

    def __init__(
        self,
        settings: IngestChatSettings,
        *,
        accounts: Accounts,
        intake: Intake,
        keyring: Keyring,
        clock: Clock,
        edge: Edge,
    ) -> None:
        self._settings = settings
        self._edge = edge
        self._accounts = accounts
        self._intake = intake
        self._keyring = keyring
        self._clock = clock
        self._gate = HookGate(settings, lambda: clock.monotonic_ms() / 1000)
        self._away = TurnedAway(lambda: clock.monotonic_ms() / 1000)

    def routes(self) -> list[web.RouteDef]:
        """To add to the service's port."""
        return [web.route("*", "/hooks/{account}", self.handle)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        started = time.monotonic()
        hook = self._accounts.hook(request.match_info["account"])
        if hook is None:
            metrics.WEBHOOKS.labels("unknown_account").inc()
            return problem(404, "account_unknown", "no such webhook in channels.yaml")
        if hook.platform is None or not hook.secrets:
            metrics.WEBHOOKS.labels("not_configured").inc()
            return _response(_not_configured())
        manifest = hook.platform.manifest
        peer = self._edge.peer(request)
        closed = self._gate.closed(hook.id, peer)
        if closed is not None:
            return self._away.answer(hook.id, manifest, closed)
        try:
            raw = await self._body(request, manifest.body_bytes_max)
        except TimeoutError:
            metrics.WEBHOOKS.labels("refused").inc()
            self._gate.refused(peer)
            return problem(408, "body_late", "send it faster: http_body_timeout_ms")
        closed = self._gate.full(hook.id)  # others have come while it was read
        if closed is not None:
            return self._away.answer(hook.id, manifest, closed)
        got = self._receive(request, raw, hook, hook.platform)
        if got.verification is not None and got.verification.ok:
            self._gate.verified(hook.id)
        answer = await self._take(raw, hook, manifest, got)
        if 400 <= answer.status < 500:
            self._gate.refused(peer)
        metrics.WEBHOOK_SECONDS.observe(time.monotonic() - started)
        return _response(answer)

    async def _body(self, request: web.Request, bytes_max: int) -> bytes:
        """The raw body. What is compressed will be refused, so it isn't even unpacked."""
        if request.headers.get("Content-Encoding", "identity") != "identity":
            return b""
        return await read_body(request, bytes_max, self._settings.http_body_timeout_ms)

    def _receive(
        self, request: web.Request, raw: bytes, hook: Hook, platform: Platform
    ) -> Received:
        given = Request(
            method=request.method,
            url=self._url(request),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=raw,
        )
        place = Place(hook.id, hook.pool, self._keyring.pseudonym)
        return receive(platform, given, hook.secrets, place, self._clock.wall_ms())

    async def _take(self, raw: bytes, hook: Hook, manifest: Manifest, got: Received) -> Answer:
        answer, reason = got.answer, got.verification.reason if got.verification else None
        if got.interactions:
            self._gate.enter(hook.id)
            try:
                await self._intake.hook(raw, got.interactions, self._settings.hook_timeout_ms)
            except Retryable as error:
                get_logger().warning("webhook_not_kept", name=hook.id, error=str(error))
                answer, reason = later(manifest, "later", "it couldn't be stored just now"), "later"
            finally:
                self._gate.leave(hook.id)
        metrics.WEBHOOKS.labels(_result(answer.status)).inc()
        get_logger().info(
            "webhook_answered",
            name=hook.id,
            kind=manifest.slug,
            status=answer.status,
            reason=reason or "",
            count=len(got.interactions),
            bytes=len(raw),
        )
        return answer

    def _url(self, request: web.Request) -> str:
        """The public address: some platforms sign it, so it is configured and never guessed."""
        base = self._settings.chat_public_url or self._settings.url("ingest-chat")
        return f"{base.rstrip('/')}{request.raw_path}"


def _response(answer: Answer) -> web.Response:
    headers = {"Cache-Control": "no-store", **answer.headers}
    return web.Response(status=answer.status, headers=headers, body=answer.body.encode())


def _result(status: int) -> str:
    return {2: "accepted", 3: "accepted", 4: "refused"}.get(status // 100, "later")


def _not_configured() -> Answer:
    """Without secret nothing can be believed; the provider keeps it until there is one."""
    body = '{"type":"about:blank","title":"not_configured","status":503,"detail":"no live secret"}'
    headers = {"Content-Type": "application/problem+json", "Retry-After": "60"}
    return Answer(503, headers, body)
