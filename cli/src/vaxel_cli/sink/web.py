"""What the mailbox shows: a JSON API for scripts and a plain page for people.

The page has no script and shows no HTML of anybody's: everything from a mail is escaped, and only
http and https addresses in its text become links.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any

from aiohttp import web

from vaxel_cli.sink import page
from vaxel_cli.sink.mailbox import Entry, Mailbox
from vaxel_cli.sink.parse import Mail, parse
from vaxel_shared.contracts.cloudevents import iso_ms

LIST_MAX = 500
"""Mails in one answer; ``since`` goes on from there."""
PAGE_MAX = 200
CACHE_MAX = 1_000
SAFE = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{page.STYLE_SHA256}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def routes(mailbox: Mailbox) -> list[web.RouteDef]:
    """The mailbox's routes."""
    show = _Show(mailbox)
    return [
        web.get("/", show.index),
        web.get(r"/mails/{id:\d{1,9}}", show.mail),
        web.get("/api/mails", show.api_list),
        web.get(r"/api/mails/{id:\d{1,9}}", show.api_mail),
        web.get(r"/api/mails/{id:\d{1,9}}/raw", show.api_raw),
    ]


async def newest(mailbox: Mailbox, address: str) -> dict[str, Any] | None:
    """The newest mail to an address, as the API shows it."""
    for entry in reversed(mailbox.entries):
        if address.lower() in (name.lower() for name in entry.envelope_to):
            raw = await asyncio.to_thread(mailbox.raw, entry.id)
            return _document(entry, await asyncio.to_thread(parse, raw or b""))
    return None


class _Show:
    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._parsed: OrderedDict[int, Mail] = OrderedDict()

    async def index(self, request: web.Request) -> web.Response:
        address = request.query.get("to", "")
        counts: dict[str, int] = {}
        for entry in self._mailbox.entries:
            for recipient in entry.envelope_to:
                counts[recipient.lower()] = counts.get(recipient.lower(), 0) + 1
        entries = self._select(address, 0)[-PAGE_MAX:]
        rows = [(entry, await self._parse(entry)) for entry in reversed(entries)]
        return _html(page.index(sorted(counts.items()), address, rows))

    async def mail(self, request: web.Request) -> web.Response:
        entry = self._entry(request)
        return _html(page.mail(entry, await self._parse(entry)))

    async def api_list(self, request: web.Request) -> web.Response:
        try:
            since = int(request.query.get("since", "0"))
            limit = max(1, min(int(request.query.get("limit", str(LIST_MAX))), LIST_MAX))
        except ValueError:
            raise web.HTTPBadRequest(text="since and limit are numbers") from None
        found = self._select(request.query.get("to", ""), since)
        # From a place on: the next ones; without a place: the newest. Oldest first, always.
        entries = found[:limit] if since else found[-limit:]
        mails = [_document(entry, await self._parse(entry)) for entry in entries]
        return web.json_response({"mails": mails})

    async def api_mail(self, request: web.Request) -> web.Response:
        entry = self._entry(request)
        return web.json_response(_document(entry, await self._parse(entry)))

    async def api_raw(self, request: web.Request) -> web.Response:
        raw = await asyncio.to_thread(self._mailbox.raw, self._entry(request).id)
        if raw is None:
            raise web.HTTPNotFound(text="no such mail")
        headers = SAFE | {"Content-Disposition": "attachment; filename=mail.eml"}
        return web.Response(body=raw, content_type="message/rfc822", headers=headers)

    def _select(self, address: str, since: int) -> list[Entry]:
        wanted = address.strip().lower()
        return [
            entry
            for entry in self._mailbox.entries
            if entry.id > since
            and (not wanted or wanted in (name.lower() for name in entry.envelope_to))
        ]

    def _entry(self, request: web.Request) -> Entry:
        entry = self._mailbox.entry(int(request.match_info["id"]))
        if entry is None:
            raise web.HTTPNotFound(text="no such mail")
        return entry

    async def _parse(self, entry: Entry) -> Mail:
        found = self._parsed.get(entry.id)
        if found is None:
            raw = await asyncio.to_thread(self._mailbox.raw, entry.id)
            found = await asyncio.to_thread(parse, raw or b"")
            self._parsed[entry.id] = found
            while len(self._parsed) > CACHE_MAX:
                self._parsed.popitem(last=False)
        return found


def _document(entry: Entry, mail: Mail) -> dict[str, Any]:
    return {
        "id": entry.id,
        "from": mail.sender,
        "to": entry.envelope_to,
        "envelope_from": entry.envelope_from,
        "subject": mail.subject,
        "headers": mail.headers,
        "text": mail.text,
        "html": mail.html,
        "received_at": iso_ms(entry.received_ms),
    }


def _html(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html", headers=SAFE)
