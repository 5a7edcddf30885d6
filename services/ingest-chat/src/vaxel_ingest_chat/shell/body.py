"""A request's body, bounded in bytes and in time."""

from __future__ import annotations

import asyncio

from aiohttp import web


async def read_body(request: web.Request, bytes_max: int, timeout_ms: int) -> bytes:
    """The body as it came; one byte more than ``bytes_max`` shows that it is too large.

    Raises ``TimeoutError`` where it doesn't come in time.
    """
    raw = b""
    async with asyncio.timeout(timeout_ms / 1000):
        while len(raw) <= bytes_max and not request.content.at_eof():
            raw += await request.content.read(bytes_max + 1 - len(raw))
    return raw
