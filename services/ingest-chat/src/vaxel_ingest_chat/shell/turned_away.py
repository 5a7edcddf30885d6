"""What is refused for its number: answered from what is prepared, and told once a minute.

Somebody who is refused comes a thousand times a second, so an answer is put together once and a log
line counts many.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from aiohttp import web
from multidict import CIMultiDict

from vaxel_ingest_chat.shell.gate import Closed
from vaxel_shared.channels.platform import Manifest
from vaxel_shared.channels.receive import refuse
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger

TELL_EVERY_S = 60.0
"""Between two log lines about one account."""
ANSWERS_MAX = 1_000
"""Kept: for a handful of reasons, each with some waits in whole seconds."""


class TurnedAway:
    """Answers and counts; ``now_s`` is a monotonic clock."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._tell_at: dict[str, float] = {}
        self._untold: dict[str, int] = {}
        # Looked up once: a series is found by its labels' texts.
        self._limited = metrics.WEBHOOKS.labels("limited")
        self._busy = metrics.WEBHOOKS.labels("busy")

    def answer(self, account: str, manifest: Manifest, closed: Closed) -> web.Response:
        """The platform's "too many" or "later", not before there is a place."""
        (self._limited if closed.own else self._busy).inc()
        self._tell(account, closed)
        answers = manifest.answers
        status = answers.limited if closed.own else answers.later
        wait_s = max(answers.retry_after_s, closed.wait_s)
        headers, body = _prepared(status, closed.own, closed.detail, wait_s)
        return web.Response(status=status, headers=headers.copy(), body=body)

    def _tell(self, account: str, closed: Closed) -> None:
        """``account`` is one of ours, so there are few."""
        count = self._untold.get(account, 0) + 1
        now_s = self._now_s()
        if now_s < self._tell_at.get(account, now_s):
            self._untold[account] = count
            return
        self._tell_at[account] = now_s + TELL_EVERY_S
        self._untold[account] = 0
        get_logger().warning("webhooks_refused", name=account, reason=closed.detail, count=count)


@lru_cache(ANSWERS_MAX)
def _prepared(status: int, own: bool, detail: str, wait_s: int) -> tuple[CIMultiDict[str], bytes]:
    answer = refuse(status, "too_many" if own else "busy", detail)
    headers = {"Cache-Control": "no-store", "Retry-After": str(wait_s), **answer.headers}
    return CIMultiDict(headers), answer.body.encode()
