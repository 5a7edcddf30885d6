"""Errors over HTTP as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web


def problem(status: int, code: str, detail: str, **extra: Any) -> web.Response:
    """A response that names what is wrong (``code``, stable) and what to do (``detail``)."""
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, **extra}
    return web.Response(
        status=status, body=json.dumps(body), content_type="application/problem+json"
    )
