"""Waits until the router has let agents go from a pool, by its own live answer."""

from __future__ import annotations

import asyncio
import time

import aiohttp

from vaxel_shared.errors import Retryable
from vaxel_shared.settings import Settings

WAIT_MS_MAX = 5_000
POLL_MS = 100
ANSWER_MS_MAX = 2_000


async def until_left(settings: Settings, pool: str, agents: set[str]) -> None:
    """Return once none of ``agents`` is in ``pool``; raises Retryable if that takes too long."""
    deadline = time.monotonic() + WAIT_MS_MAX / 1000
    while (still := await _still_in(settings, pool, agents)) != set():
        if time.monotonic() > deadline:
            who = ", ".join(sorted(still)) if still else "an answer"
            raise Retryable(
                f"agents move from pool {pool}: waiting for the router to let go ({who})"
            )
        await asyncio.sleep(POLL_MS / 1000)


async def _still_in(settings: Settings, pool: str, agents: set[str]) -> set[str] | None:
    """Who of them the router has in the pool; None: it doesn't answer."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_MS_MAX / 1000)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{settings.url('router')}/v1/agents") as answer,
        ):
            if answer.status != 200:
                return None
            document = await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    listed = {item["id"] for item in document["agents"] if item["pool"] == pool}
    return listed & agents
