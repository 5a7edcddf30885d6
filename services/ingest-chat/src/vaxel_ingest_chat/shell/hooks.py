"""Webhooks: ``/hooks/<account>``. 2xx means that it is on the log, acknowledged by all replicas.

The raw body is verified before anything reads it; whatever is our own trouble is answered with
"later", so that the provider keeps it. A redelivery has the same ids, and the router ends it.
"""

from __future__ import annotations

import time

from aiohttp import web

from vaxel_ingest_chat.config import IngestChatSettings
from vaxel_ingest_chat.shell.accounts import Accounts, Hook
from vaxel_ingest_chat.shell.body import read_body
from vaxel_ingest_chat.shell.edge import Edge
from vaxel_ingest_chat.shell.gate import Closed, HookGate
from vaxel_ingest_chat.shell.intake import Intake
from vaxel_shared.channels.platform import Answer, Manifest, Platform, Request
from vaxel_shared.channels.receive import Place, later, receive, with_headers
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
        peer = self._edge.peer(request)
        closed = self._gate.closed(hook.id, peer)
        if closed is not None:
            metrics.WEBHOOKS.labels("busy").inc()
            return _response(_busy(hook.platform.manifest, closed))
        try:
            raw = await self._body(request, hook.platform.manifest.body_bytes_max)
        except TimeoutError:
            metrics.WEBHOOKS.labels("refused").inc()
            self._gate.refused(peer)
            return problem(408, "body_late", "send it faster: http_body_timeout_ms")
        closed = self._gate.enter(hook.id)
        if closed is not None:
            metrics.WEBHOOKS.labels("busy").inc()
            return _response(_busy(hook.platform.manifest, closed))
        try:
            answer = await self._take(request, raw, hook, hook.platform)
        finally:
            self._gate.leave(hook.id)
        if 400 <= answer.status < 500:
            self._gate.refused(peer)
        metrics.WEBHOOK_SECONDS.observe(time.monotonic() - started)
        return _response(answer)

    async def _body(self, request: web.Request, bytes_max: int) -> bytes:
        """The raw body. What is compressed will be refused, so it isn't even unpacked."""
        if request.headers.get("Content-Encoding", "identity") != "identity":
            return b""
        return await read_body(request, bytes_max, self._settings.http_body_timeout_ms)

    async def _take(
        self, request: web.Request, raw: bytes, hook: Hook, platform: Platform
    ) -> Answer:
        manifest = platform.manifest
        given = Request(
            method=request.method,
            url=self._url(request),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=raw,
        )
        place = Place(hook.id, hook.pool, self._keyring.pseudonym)
        got = receive(platform, given, hook.secrets, place, self._clock.wall_ms())
        answer, reason = got.answer, got.verification.reason if got.verification else None
        if got.interactions:
            try:
                await self._intake.hook(raw, got.interactions, self._settings.hook_timeout_ms)
            except Retryable as error:
                get_logger().warning("webhook_not_kept", name=hook.id, error=str(error))
                answer, reason = later(manifest, "later", "it couldn't be stored just now"), "later"
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


def _busy(manifest: Manifest, closed: Closed) -> Answer:
    """The provider's own "later", not before there is a place."""
    answer = later(manifest, "busy", closed.detail)
    wait_s = max(int(answer.headers["Retry-After"]), closed.wait_s)
    return with_headers(answer, {"Retry-After": str(wait_s)})


def _result(status: int) -> str:
    return {2: "accepted", 3: "accepted", 4: "refused"}.get(status // 100, "later")


def _not_configured() -> Answer:
    """Without secret nothing can be believed; the provider keeps it until there is one."""
    body = '{"type":"about:blank","title":"not_configured","status":503,"detail":"no live secret"}'
    headers = {"Content-Type": "application/problem+json", "Retry-After": "60"}
    return Answer(503, headers, body)
