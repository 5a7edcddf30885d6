"""The console's pages: files of this package, and the one page that a one-time link answers.

Nothing comes from elsewhere, and nothing on the page may run or load that isn't a file of ours.
"""

from __future__ import annotations

import hashlib
import html
import json
from dataclasses import dataclass
from importlib import resources
from urllib.parse import quote

from aiohttp import web

from vaxel_register.core.words import Words
from vaxel_register.shell.sessions import LinkRefused, Sessions
from vaxel_shared.errors import Retryable

TYPES = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}
SAFE = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served."""

    body: bytes
    content_type: str
    etag: str


def load_assets() -> dict[str, Asset]:
    """The files of the console by name."""
    found: dict[str, Asset] = {}
    for file in (resources.files("vaxel_register") / "console").iterdir():
        kind = TYPES.get(file.name.rpartition(".")[2])
        if kind is not None:
            body = file.read_bytes()
            found[file.name] = Asset(body, kind, hashlib.sha256(body).hexdigest()[:32])
    return found


def load_words() -> Words:
    """The console's words in every language."""
    folder = resources.files("vaxel_register") / "console" / "words"
    tables = {
        file.name.removesuffix(".json"): json.loads(file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".json")
    }
    return Words(tables)


class Console:
    """What a browser is served besides the API."""

    def __init__(self, *, sessions: Sessions, words: Words) -> None:
        self._sessions = sessions
        self._words = words
        self._assets = load_assets()

    def routes(self) -> list[web.RouteDef]:
        """The page, its files, and the way in."""
        return [
            web.get("/", self._page),
            web.get(r"/console/{name:[a-z-]{1,40}\.(?:css|js|svg)}", self._file),
            web.get("/login", self._login),
        ]

    async def _page(self, request: web.Request) -> web.Response:
        return self._serve(request, "index.html")

    async def _file(self, request: web.Request) -> web.Response:
        return self._serve(request, request.match_info["name"])

    def _serve(self, request: web.Request, name: str) -> web.Response:
        asset = self._assets.get(name)
        if asset is None:
            return web.Response(status=404, text="there is no such file", headers=SAFE)
        headers = SAFE | {"ETag": f'"{asset.etag}"', "Cache-Control": "no-cache"}
        if f'"{asset.etag}"' in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        return web.Response(
            body=asset.body, content_type=asset.content_type, charset="utf-8", headers=headers
        )

    async def _login(self, request: web.Request) -> web.Response:
        """Let a browser in by its link.

        The answer is a page that goes on by itself, not a redirect: a browser doesn't send a
        SameSite=Strict cookie along a redirect that another site's link began.
        """
        language = self._words.best(request.headers.get("Accept-Language", ""))
        try:
            session = await self._sessions.open(request.query.get("k", ""), request)
        except LinkRefused as error:
            status = 403 if error.code == "invalid" else 410
            return _small_page(status, language, self._words.say(language, f"login.{error.code}"))
        except Retryable:
            return _small_page(503, language, self._words.say(language, "login.unavailable"))
        answer = _small_page(
            200,
            language,
            self._words.say(language, "login.open"),
            goes_to=f"/?as={quote(session.subject, safe='')}",
        )
        self._sessions.give(answer, session)
        return answer


def _small_page(status: int, language: str, text: str, goes_to: str | None = None) -> web.Response:
    said = html.escape(text)
    refresh, main = "", f"<p>{said}</p>"
    if goes_to is not None:
        address = html.escape(goes_to)
        refresh = f'<meta http-equiv="refresh" content="0;url={address}">'
        main = f'<p><a href="{address}">{said}</a></p>'
    body = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">{refresh}'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Vaxel</title>'
        '<link rel="icon" href="/console/icon.svg">'
        '<link rel="stylesheet" href="/console/style.css">'
        f'</head><body class="small"><main><h1>Vaxel</h1>{main}</main></body></html>'
    )
    headers = SAFE | {"Cache-Control": "no-store"}
    return web.Response(status=status, text=body, content_type="text/html", headers=headers)
