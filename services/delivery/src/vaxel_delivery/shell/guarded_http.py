"""HTTP to addresses that a configuration names: only where it may go, and never for long.

A name is resolved for every connection, all its addresses are judged, and what was judged is what
is connected to: nobody looks the name up again in between. No redirects, cookies, proxies or
decompression; an answer's body is read within a limit and thrown away.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from vaxel_shared.connectors.targets import may_call

CONNECT_TIMEOUT_S = 5.0
TOTAL_TIMEOUT_S = 15.0
"""As the Standard Webhooks specification advises: a receiver stores first and works later."""

ANSWER_BYTES_MAX = 64 * 1024
CONNECTIONS_PER_HOST = 4


class ForbiddenAddressError(OSError):
    """A name leads, by one of its addresses at least, where we don't call."""


class GuardedResolver(AbstractResolver):
    """Resolves names, and refuses those that lead to a forbidden address."""

    def __init__(self, inner: AbstractResolver, *, allow_private: bool) -> None:
        self._inner = inner
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """See aiohttp. Raises :class:`ForbiddenAddressError`, or ``OSError`` for an unknown name.

        One bad address among good ones refuses them all: nobody can tell which would be taken.
        """
        found = await self._inner.resolve(host, port, family)
        if not all(may_call(item["host"], allow_private=self._allow_private) for item in found):
            raise ForbiddenAddressError("an address of this name may not be called")
        return found

    async def close(self) -> None:
        """See aiohttp."""
        await self._inner.close()


class GuardedHttp:
    """Two clients: for public addresses alone, and for those and our own network's."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, allow_private: bool
    ) -> tuple[int, str | None]:
        """Status and ``Retry-After`` of one POST; raises what aiohttp raises."""
        session = self._session(allow_private)
        async with session.post(
            url, data=body, headers=dict(headers), allow_redirects=False
        ) as response:
            await response.content.read(ANSWER_BYTES_MAX)
            return response.status, response.headers.get("Retry-After")

    def _session(self, allow_private: bool) -> aiohttp.ClientSession:
        session = self._sessions.get(allow_private)
        if session is None:
            inner = self._resolver or ThreadedResolver()
            session = self._sessions[allow_private] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=GuardedResolver(inner, allow_private=allow_private),
                    use_dns_cache=False,
                    limit_per_host=CONNECTIONS_PER_HOST,
                ),
                timeout=aiohttp.ClientTimeout(
                    total=TOTAL_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return session

    async def close(self) -> None:
        """Let go of all connections."""
        for session in self._sessions.values():
            await session.close()
