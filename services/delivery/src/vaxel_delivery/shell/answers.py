"""``POST /hooks/answers``: what agents do in their tools, signed, becomes commands.

An answer is known by the secret that signed it, and may speak only for that connector's agents and
pools; what they may do is the router's to say. 2xx means that the broker has it; what was decided
stands in the body, as far as it came within two seconds.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web
from pydantic import ValidationError

from vaxel_delivery.core.asking import Subject, command, command_id
from vaxel_delivery.shell.answer_book import AnswerBook, Told, told_of
from vaxel_delivery.shell.secret_files import SecretMissingError, read_secrets
from vaxel_delivery.shell.waiters import Waiters
from vaxel_shared.blobs import BlobStore, sha256_of
from vaxel_shared.channels.platform import Request
from vaxel_shared.channels.reading import decoded
from vaxel_shared.channels.standard import verify
from vaxel_shared.clock import Clock
from vaxel_shared.config.connectors import Webhook
from vaxel_shared.connectors.webhook import Answer, Text
from vaxel_shared.contracts.commands import Command
from vaxel_shared.errors import Retryable
from vaxel_shared.http.problems import problem
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger

PATH = "/hooks/answers"
BODY_BYTES_MAX = 256 * 1024
AT_ONCE_MAX = 64
"""Answers under way; those beyond come back later."""

WAIT_S = 2.0
RETRY_AFTER_S = "5"


class Asks(Protocol):
    """Whoever passes a command to the router; raises ``Retryable``."""

    async def ask(self, command: Command) -> None:
        """Returns once the broker has it."""
        ...


class Refusal(Exception):
    """An answer that isn't passed on."""

    def __init__(self, status: int, code: str, detail: str, **extra: Any) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.extra = extra


@dataclass(slots=True)
class Line:
    """What the log line of a request says."""

    name: str | None = None
    agent_id: str | None = None
    offer_id: str | None = None
    case_id: str | None = None
    command_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the receiver needs."""

    webhooks: Callable[[], Sequence[Webhook]]
    secrets: Path
    offer: Callable[[str], Awaitable[Mapping[str, Any] | None]]
    case: Callable[[str], Awaitable[Mapping[str, Any] | None]]
    pool_of: Callable[[str], Awaitable[str | None]]
    """The pool in whose roster an agent is."""
    blobs: BlobStore
    asks: Asks
    book: AnswerBook
    waiters: Waiters
    clock: Clock


class Answers:
    """The receiver."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._under_way = 0

    def routes(self) -> list[web.RouteDef]:
        """The route to serve."""
        return [web.post(PATH, self.receive)]

    async def receive(self, request: web.Request) -> web.Response:
        """One answer."""
        line, code = Line(), None
        self._under_way += 1
        try:
            response = await self._take(request, line)
        except Refusal as refusal:
            code = refusal.code
            response = problem(refusal.status, code, refusal.detail, **refusal.extra)
        except Retryable:
            code = "unavailable"
            response = problem(503, code, "it can't be stored just now; send it again")
        finally:
            self._under_way -= 1
        if response.status == 503:
            response.headers["Retry-After"] = RETRY_AFTER_S
        metrics.API_REQUESTS.labels(f"POST {PATH}", str(response.status)).inc()
        get_logger().info(
            "hook_answer",
            status=response.status,
            code=code,
            name=line.name,
            agent_id=line.agent_id,
            offer_id=line.offer_id,
            case_id=line.case_id,
            command_id=line.command_id,
        )
        return response

    async def _take(self, request: web.Request, line: Line) -> web.Response:
        if self._under_way > AT_ONCE_MAX:
            raise Refusal(503, "busy", f"at most {AT_ONCE_MAX} answers at once; come back")
        raw = await _raw(request)
        hook = await self._signer(raw)
        line.name = hook.name
        answer = _parsed(raw.body)
        line.agent_id, line.offer_id = answer.agent, answer.offer_id
        webhook_id = raw.header("webhook-id") or ""
        line.command_id = command_id(hook.name, webhook_id, answer)
        known = await self._desk.book.known(hook.name, webhook_id)
        if known is not None:
            _same_body(known, raw.body)
            if known.acknowledged:
                return _said(known)
        subject = await self._subject(hook, answer)
        line.case_id = subject.case_id
        told = told_of(hook.name, webhook_id, raw.body, line.command_id)
        wanted = command(hook.name, webhook_id, answer, subject, await self._text(answer))
        return await self._ask(wanted, told, raw.body)

    async def _signer(self, raw: Request) -> Webhook:
        """Whose secret signed it. Raises :class:`Refusal` (401) where nobody's did."""
        reason = "no_secret"
        for hook in self._desk.webhooks():
            try:
                secrets = await asyncio.to_thread(
                    read_secrets, self._desk.secrets, hook.secret_file
                )
            except SecretMissingError as error:
                get_logger().warning("hook_secret", name=hook.name, error=str(error))
                continue
            verification = verify(raw, secrets, self._desk.clock.wall_ms())
            if verification.ok:
                return hook
            reason = verification.reason or reason
        raise Refusal(401, reason, "sign it with the secret of a webhook in connectors.yaml")

    async def _subject(self, hook: Webhook, answer: Answer) -> Subject:
        """What it is about, if this connector may speak of it for this agent."""
        subject = await self._found(answer)
        theirs = subject.agent_id in (None, answer.agent)
        if not theirs or not hook.covers(subject.pool, answer.agent):
            raise Refusal(403, "not_yours", "this connector doesn't speak for this agent there")
        return subject

    async def _found(self, answer: Answer) -> Subject:
        if answer.verb in ("presence", "elsewhere"):
            pool = await self._desk.pool_of(answer.agent)
            if pool is None:
                raise Refusal(404, "unknown_agent", "no roster has this agent")
            return Subject(pool)
        if answer.offer_id is not None:
            offer = await self._desk.offer(answer.offer_id)
            if offer is None:
                raise Refusal(404, "unknown_offer", "there is no such offer, or none any more")
            if answer.case_id not in (None, offer["case_id"]):
                raise Refusal(422, "invalid", "case_id and offer_id are of different cases")
            return Subject(offer["pool"], offer["case_id"], offer["agent_id"])
        case = await self._desk.case(answer.case_id or "")
        if case is None:
            raise Refusal(404, "unknown_case", "there is no such case, or none any more")
        return Subject(case["pool"], answer.case_id)

    async def _text(self, answer: Answer) -> Text | None:
        """Its text in the blob store; commands hold none."""
        if answer.text is None or answer.keeps is None:
            return None
        data = answer.text.encode()
        ref = await self._desk.blobs.put(answer.keeps, data)
        return Text(ref, sha256_of(ref), len(data))

    async def _ask(self, wanted: Command, told: Told, body: bytes) -> web.Response:
        """Pass it on, and wait for the decision that it leads to."""
        told = await self._desk.book.begin(told, self._desk.clock.wall_ms())
        _same_body(told, body)
        with self._desk.waiters.waiting(None, wanted.id) as decided:
            await self._desk.asks.ask(wanted)
            try:
                verdict = await asyncio.wait_for(decided, WAIT_S)
                status = "refused" if verdict.code is not None else "done"
                status = "repeated" if verdict.repeated else status
                told = replace(told, acknowledged=True, status=status, code=verdict.code)
            except TimeoutError:
                told = replace(told, acknowledged=True)
        await self._desk.book.settle(told)
        return _said(told)


async def _raw(request: web.Request) -> Request:
    """The request untouched. Raises :class:`Refusal` for one that isn't read at all."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Refusal(415, "content_encoding", "send the body without Content-Encoding")
    if (request.content_length or 0) > BODY_BYTES_MAX:
        raise Refusal(413, "body_too_large", f"at most {BODY_BYTES_MAX} bytes")
    body = b""
    async for chunk in request.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise Refusal(413, "body_too_large", f"at most {BODY_BYTES_MAX} bytes")
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Request("POST", str(request.url), headers, body)


def _parsed(body: bytes) -> Answer:
    """The answer in a body. Raises :class:`Refusal` (422) that names fields, never values."""
    try:
        return Answer.model_validate(decoded(body))
    except ValidationError as error:
        # Our own rules speak for themselves; a library's words could quote what was sent.
        faults = [
            {
                "field": ".".join(str(part)[:64] for part in item["loc"]) or "body",
                "message": str(item["msg"]).removeprefix("Value error, "),
            }
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise Refusal(422, "invalid", "see errors", errors=faults[:20]) from error


def _same_body(told: Told, body: bytes) -> None:
    if told.body_sha256 != hashlib.sha256(body).hexdigest():
        raise Refusal(409, "webhook_id_reused", "this webhook-id came with another body before")


def _said(told: Told) -> web.Response:
    said = {"command_id": told.command_id, "status": told.status or "pending", "code": told.code}
    body = {name: value for name, value in said.items() if value is not None}
    return web.Response(
        status=200 if told.status else 202, text=json.dumps(body), content_type="application/json"
    )
