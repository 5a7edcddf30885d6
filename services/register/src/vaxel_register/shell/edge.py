"""The edge of the API: who asks, how often, with what; and every error as a problem.

A handler gets a checked :class:`Call` and raises :class:`Refusal`; nothing it raises reaches a
client as text of ours or of a library.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from vaxel_register.core.access import Action, Principal, Relation, Role, may, may_ever
from vaxel_register.core.limits import REFUSED_RATE_PER_S
from vaxel_register.core.ratelimit import RateLimit
from vaxel_register.core.requests import Request
from vaxel_register.core.routes import Route
from vaxel_register.shell.queries import Queries
from vaxel_register.shell.sessions import WHO_HEADER, Sessions
from vaxel_shared.clock import Clock
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.crypto.tokens import verify
from vaxel_shared.errors import Retryable, VaxelError
from vaxel_shared.http.app import REQUEST_BYTES_MAX
from vaxel_shared.http.problems import problem
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger

PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Answers hold personal text: no cache keeps them, no browser guesses what they are."""

Taken = TypeVar("Taken", bound=Request)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,80}")


class Refusal(VaxelError):
    """Why a request gets no answer: a status, a stable code, and what to do."""

    def __init__(
        self, status: int, code: str, detail: str, *, headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:  # fmt: skip
        super().__init__(detail)
        self.status = status
        self.code = code
        self.headers = headers or {}
        self.extra = extra

    def response(self) -> web.Response:
        """As ``application/problem+json``."""
        answer = problem(self.status, self.code, str(self), **self.extra)
        answer.headers.update(self.headers)
        return answer


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let in: by whom, and with what, checked."""

    request: web.Request
    route: Route
    principal: Principal
    taken: Request | None

    def name(self, part: str) -> str:
        """A part of the path. Raises Refusal (404) for what can't be a name of ours."""
        value = self.request.match_info[part]
        if not _NAME.fullmatch(value):
            raise Refusal(404, f"unknown_{part}", f"there is no such {part}; check how it's spelt")
        return value

    def took(self, kind: type[Taken]) -> Taken:
        """The checked body or query, which the table of routes says is a ``kind``."""
        if not isinstance(self.taken, kind):
            raise TypeError(f"{self.route.name} takes no {kind.__name__}")
        return self.taken

    @property
    def action(self) -> Action:
        """What the route asks for; only routes for everybody have none."""
        if self.route.action is None:
            raise TypeError(f"{self.route.name} is for everybody")
        return self.route.action

    def need(self, how: Relation) -> None:
        """Raises Refusal (403) where the table says no."""
        if not may(self.principal, self.action, how):
            raise Refusal(
                403,
                "forbidden",
                f"the role {self.principal.role} may not do {self.action} here; ask a supervisor",
            )


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


class Edge:
    """Turns routes and handlers into what aiohttp serves."""

    def __init__(
        self, *, keyring: Keyring, queries: Queries, sessions: Sessions, clock: Clock,
        rate_per_s: float, burst: int,
    ) -> None:  # fmt: skip
        self._keyring = keyring
        self._sessions = sessions
        self._queries = queries
        self._clock = clock
        self._rate = RateLimit(rate_per_s, burst)
        self._refused = RateLimit(REFUSED_RATE_PER_S, REFUSED_RATE_PER_S)

    def serve(self, route: Route, handler: Handler) -> web.RouteDef:
        """The route with all that stands around a handler."""

        async def answer(request: web.Request) -> web.StreamResponse:
            started = time.perf_counter()
            principal: Principal | None = None
            try:
                principal = await self._let_in(request, route)
                taken = await _take(request, route)
                response = await handler(Call(request, route, principal, taken))
            except Refusal as error:
                response = error.response()
            except web.HTTPRequestEntityTooLarge:
                response = problem(
                    413, "body_too_large", f"a body holds at most {REQUEST_BYTES_MAX} bytes"
                )
            except Retryable as error:
                response = problem(503, "unavailable", str(error))
                response.headers["Retry-After"] = "1"
            except Exception as error:  # noqa: BLE001 - the edge: a traceback can quote a person
                _log_fault(route, error)
                response = problem(
                    500, "internal", "this is our fault and is in our log; try again later"
                )
            if not response.prepared:
                response.headers.update(PRIVATE)
            _account(route, principal, response.status, time.perf_counter() - started)
            return response

        return web.route(route.method, route.path, answer)

    async def _let_in(self, request: web.Request, route: Route) -> Principal:
        """Who asks. Raises Refusal: 401, 403 where the role can't ever, 429."""
        if route.action is None:
            return Principal(Role.READONLY, "")
        principal = await self.principal(request)
        if principal is None:
            self._slow_down(self._refused, request.remote or "?")
            raise Refusal(
                401,
                "unauthorized",
                "send 'Authorization: Bearer <token>' with a token of this deployment (`vaxel up` "
                "writes some to run.json), or open the console by a link of `vaxel login`",
                headers={"WWW-Authenticate": "Bearer"},
            )
        self._slow_down(self._rate, f"{principal.role}:{principal.subject}")
        if not may_ever(principal, route.action):
            raise Refusal(
                403, "forbidden",
                f"the role {principal.role} may not do {route.action}; use another token",
            )  # fmt: skip
        return principal

    async def principal(self, request: web.Request) -> Principal | None:
        """Who asks: a bearer token says so, or the session that a browser names."""
        if "Authorization" in request.headers:
            found = self._bearer(request)
        else:
            found = await self._browser(request)
        if found is None:
            return None
        role, subject = found
        row = await self._queries.agent(subject)
        return Principal(role, subject, row["pool"] if row is not None else None)

    def _bearer(self, request: web.Request) -> tuple[Role, str] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        payload = verify(self._keyring, "api", token.strip())
        if payload is None:
            return None
        role, subject = payload.get("role"), payload.get("sub")
        if role not in set(Role) or not isinstance(subject, str) or not _NAME.fullmatch(subject):
            return None
        return Role(role), subject

    async def _browser(self, request: web.Request) -> tuple[Role, str] | None:
        """The session that the request names. Raises Refusal (403) for another site's request."""
        subject = request.headers.get(WHO_HEADER)
        if subject is None and request.method == "GET":
            subject = request.query.get("as")  # an EventSource can't send headers
        if subject is None:
            return None
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise Refusal(
                403, "foreign_site", "only the console's own pages may ask with a session"
            )
        session = await self._sessions.find(request, subject)
        return None if session is None else (session.role, session.subject)

    def _slow_down(self, limit: RateLimit, subject: str) -> None:
        wait_ms = limit.wait_ms(subject, self._clock.monotonic_ms())
        if wait_ms:
            raise Refusal(
                429,
                "too_many_requests",
                f"more requests than this token may make; wait {wait_ms} ms",
                headers={"Retry-After": str(-(-wait_ms // 1000))},
            )


async def _take(request: web.Request, route: Route) -> Request | None:
    """The body or query. Raises Refusal: 400 no JSON, 415 another type, 422 with the fields."""
    if route.takes is None:
        if request.query:
            _unknown_query(request)
        return None
    try:
        if not route.is_write:
            return route.takes.model_validate(dict(request.query))
        return route.takes.model_validate_json(await _body(request))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        if any(fault["type"] == "json_invalid" for fault in faults):
            raise Refusal(
                400, "not_json", "the body is no JSON; send an object in UTF-8"
            ) from error
        fields = [
            {"field": ".".join(map(str, fault["loc"])) or "body", "message": fault["msg"]}
            for fault in faults
        ]
        names = ", ".join(sorted({item["field"] for item in fields}))
        raise Refusal(
            422, "invalid_request", f"mend these fields: {names}", errors=fields
        ) from error


def _unknown_query(request: web.Request) -> None:
    fields = [{"field": name, "message": "unknown parameter"} for name in sorted(request.query)]
    raise Refusal(422, "invalid_request", "this takes no query; leave it out", errors=fields)


async def _body(request: web.Request) -> bytes:
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Refusal(415, "encoded_body", "send the body as it is, without Content-Encoding")
    raw = await request.read()
    if raw and request.content_type != "application/json":
        raise Refusal(415, "not_json", "send the body with 'Content-Type: application/json'")
    return raw or b"{}"


def answer_json(view: BaseModel, *, status: int = 200, **headers: str) -> web.Response:
    """A view as the response."""
    return web.Response(
        status=status,
        body=view.model_dump_json().encode(),
        content_type="application/json",
        headers=headers,
    )


def _account(route: Route, principal: Principal | None, status: int, seconds: float) -> None:
    """One line and two metrics for each request; the template of the path, never the path."""
    metrics.API_REQUESTS.labels(route.name, str(status)).inc()
    if not route.streams:
        metrics.API_SECONDS.labels(route.name).observe(seconds)
    is_agent = principal is not None and principal.role in (Role.AGENT, Role.SENIOR)
    get_logger().info(
        "request",
        method=route.method,
        route=route.path,
        status=status,
        duration_ms=round(seconds * 1000),
        **({"agent_id": principal.subject} if principal is not None and is_agent else {}),
    )


def _log_fault(route: Route, error: Exception) -> None:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = frame.tb_frame.f_code.co_filename.rpartition("/")[2] if frame is not None else "?"
    line = frame.tb_lineno if frame is not None else 0
    get_logger().error(
        "request_failed", route=route.path, exception_type=type(error).__name__,
        error=f"at {where}:{line}",
    )  # fmt: skip
