"""Server-sent events: what changed, to whoever may know it, for as long as they listen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from vaxel_register.core.access import Principal
from vaxel_register.core.changes import may_see, shown
from vaxel_register.core.limits import FEED_PAGE, STREAM_BEAT_MS, STREAM_WRITE_MS_MAX
from vaxel_register.core.requests import EventsQuery
from vaxel_register.shell.attendance import Attendance
from vaxel_register.shell.edge import PRIVATE, Call, Refusal
from vaxel_register.shell.feed import Feed, Listener, TooMany
from vaxel_register.shell.queries import Queries, Row
from vaxel_shared.clock import Clock
from vaxel_shared.errors import VaxelError

AGAIN_MS = 1_000
"""How long a browser waits before it comes back."""

Again = Callable[[web.Request], Awaitable[Principal | None]]
"""Who asks, looked up again: a session may have ended, a roster changed."""


class Streams:
    """The handler of ``/events``."""

    def __init__(
        self, *, feed: Feed, queries: Queries, again: Again, clock: Clock, attendance: Attendance
    ) -> None:
        self._feed = feed
        self._attendance = attendance
        self._queries = queries
        self._again = again
        self._clock = clock

    async def events(self, call: Call) -> web.StreamResponse:
        """Tell until they go, or are too slow, or may no longer know."""
        after, subject = _last_event_id(call), call.principal.subject
        console = self._attendance.at_console(subject, lambda: call.request.transport is not None)
        try:
            with self._feed.listening(subject) as listener, console:
                response = web.StreamResponse(
                    headers={**PRIVATE, "Content-Type": "text/event-stream"}
                )
                await response.prepare(call.request)
                try:
                    await self._stream(call, response, listener, after)
                except (ConnectionError, TimeoutError, VaxelError):
                    listener.end()  # they come back, and are told then what is wrong
                return response
        except TooMany as error:
            raise Refusal(
                429, "too_many_streams", str(error), headers={"Retry-After": "5"}
            ) from error

    async def _stream(
        self, call: Call, response: web.StreamResponse, listener: Listener, after: int | None
    ) -> None:
        principal = call.principal
        # The listener is there already: what is stored from now on reaches it.
        oldest, told = await self._queries.feed_span()
        if after is None:
            await _write(response, f"retry: {AGAIN_MS}\n" + _event("hello", told, "{}"))
        elif after > told or after + 1 < oldest:
            # Trimmed meanwhile, or from another database: what they have may be anything.
            await _write(response, f"retry: {AGAIN_MS}\n" + _event("reset", told, "{}"))
        else:
            await self._catch_up(call.principal, response, after, told)
        checked_ms = self._clock.monotonic_ms()
        while not listener.cut:
            row = await listener.next(STREAM_BEAT_MS)
            if row is not None and row["id"] > told and may_see(principal, row):
                await _write(response, _change(row))
            now_ms = self._clock.monotonic_ms()
            if row is None or now_ms - checked_ms >= STREAM_BEAT_MS:
                checked_ms = now_ms
                found = await self._again(call.request)
                if found is None:
                    return
                principal = found
                await _write(response, ": still here\n\n")

    async def _catch_up(
        self, principal: Principal, response: web.StreamResponse, after: int, told: int
    ) -> None:
        """Everything after ``after`` up to ``told``."""
        await _write(response, f"retry: {AGAIN_MS}\n\n")
        while after < told:
            rows = await self._queries.feed(after, FEED_PAGE)
            if not rows:
                break
            seen = [row for row in rows if row["id"] <= told and may_see(principal, row)]
            if seen:
                await _write(response, "".join(map(_change, seen)))
            after = rows[-1]["id"]


def _last_event_id(call: Call) -> int | None:
    given = call.request.headers.get("Last-Event-ID", "")
    if given.isascii() and given.isdigit() and len(given) < 19:
        return int(given)
    return call.took(EventsQuery).last_event_id


def _change(row: Row) -> str:
    return _event("change", row["id"], shown(row).model_dump_json())


def _event(name: str, id_: int, data: str) -> str:
    return f"event: {name}\nid: {id_}\ndata: {data}\n\n"


async def _write(response: web.StreamResponse, text: str) -> None:
    await asyncio.wait_for(response.write(text.encode()), STREAM_WRITE_MS_MAX / 1000)
