"""Live reads: what only the router's memory knows, passed on with the offset that it saw."""

from __future__ import annotations

from typing import Any

import aiohttp

from vaxel_register.core.limits import LIVE_TIMEOUT_MS
from vaxel_shared.errors import Retryable


class RouterLive:
    """Asks the router. One session for the life of the process."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url
        self._session: aiohttp.ClientSession | None = None

    async def get(self, path: str) -> dict[str, Any] | None:
        """The answer to ``/v1/<path>``; None where the router doesn't know such a thing.

        Raises Retryable where it doesn't answer, says it isn't ready, or answers nonsense.
        """
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=LIVE_TIMEOUT_MS / 1000)
            self._session = aiohttp.ClientSession(timeout=timeout)
        try:
            async with self._session.get(f"{self._base}/v1/{path}") as response:
                if response.status == 404:
                    return None
                body = await response.json() if response.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Retryable(
                "the router doesn't answer; its live view is gone until it is back"
            ) from error
        if not isinstance(body, dict):
            raise Retryable("the router isn't ready; ask again in a moment")
        return body

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()
