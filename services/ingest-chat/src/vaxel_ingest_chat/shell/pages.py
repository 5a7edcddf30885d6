"""What browsers load: the widget, one script without dependencies, and a page to try it on."""

from __future__ import annotations

from importlib import resources

from aiohttp import web

from vaxel_ingest_chat.shell.accounts import Accounts

_STATIC = resources.files("vaxel_ingest_chat") / "static"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


class Pages:
    """Static files, read once."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._widget = (_STATIC / "widget.js").read_bytes()
        self._style = (_STATIC / "demo.css").read_bytes()
        self._demo = (_STATIC / "demo.html").read_text(encoding="utf-8")

    def routes(self) -> list[web.RouteDef]:
        """To add to the service's port."""
        return [
            web.get("/", self._show_demo),
            web.get("/demo.css", self._show_style),
            web.get("/widget.js", self._show_widget),
        ]

    async def _show_widget(self, _request: web.Request) -> web.Response:
        headers = {
            # Any page may load it; which pages may chat is decided where they do.
            "Access-Control-Allow-Origin": "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Cache-Control": "public, max-age=300",
        }
        return _file(self._widget, "text/javascript", headers)

    async def _show_style(self, _request: web.Request) -> web.Response:
        return _file(self._style, "text/css", {"Cache-Control": "public, max-age=300"})

    async def _show_demo(self, request: web.Request) -> web.Response:
        asked = request.query.get("account", "")
        chat = self._accounts.chat(asked)
        account = chat.id if chat is not None else self._accounts.first_chat
        if account is None:
            return web.Response(status=404, text="channels.yaml has no account with channel: chat")
        # An account's id is letters, digits and hyphens: config checks it.
        page = self._demo.replace("{{account}}", account)
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
        return _file(page.encode(), "text/html", headers)


def _file(body: bytes, kind: str, headers: dict[str, str]) -> web.Response:
    more = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers | more)
