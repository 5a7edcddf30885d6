"""Whether a webhook may come in: not too many at once and over time, of one account and in all.

What comes from a network whose requests are refused again and again isn't even read. An account
that sends too much meets its own limit, so that nobody else waits for it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from vaxel_ingest_chat.config import IngestChatSettings
from vaxel_ingest_chat.core.bucket import Bucket
from vaxel_ingest_chat.shell.edge import Buckets


@dataclass(frozen=True, slots=True)
class Closed:
    """Why not now, and how long to stay away."""

    detail: str
    wait_s: int = 0


class HookGate:
    """``now_s`` is a monotonic clock."""

    def __init__(self, settings: IngestChatSettings, now_s: Callable[[], float]) -> None:
        self._settings = settings
        self._accounts = Buckets(
            settings.hook_requests_burst_max, settings.hook_requests_per_second_max, now_s
        )
        per_minute = settings.hook_unverified_per_minute_max
        self._networks = Buckets(per_minute, per_minute / 60, now_s)
        self._inflight: Counter[str] = Counter()

    def closed(self, account: str, peer: str | None) -> Closed | None:
        """Asked before a body is read; None lets it in, and counts it."""
        if peer is not None and (empty := self._networks.look(peer)) is not None:
            return _closed("too many refused: hook_unverified_per_minute_max", empty)
        if (empty := self._accounts.take(account)) is not None:
            return _closed("too many: hook_requests_per_second_max", empty)
        return None

    def refused(self, peer: str | None) -> None:
        """A request of this network was none of ours."""
        if peer is not None:
            self._networks.take(peer)

    def enter(self, account: str) -> Closed | None:
        """None where there is a place; then it is taken until :meth:`leave`."""
        if self._inflight[account] >= self._settings.hook_inflight_per_account_max:
            return Closed("too much at once: hook_inflight_per_account_max")
        if self._inflight.total() >= self._settings.hook_inflight_max:
            return Closed("too much at once: hook_inflight_max")
        self._inflight[account] += 1
        return None

    def leave(self, account: str) -> None:
        """Its place is free."""
        self._inflight[account] -= 1
        if not self._inflight[account]:
            del self._inflight[account]


def _closed(detail: str, empty: Bucket) -> Closed:
    return Closed(detail, math.ceil(empty.wait_ms / 1000))
