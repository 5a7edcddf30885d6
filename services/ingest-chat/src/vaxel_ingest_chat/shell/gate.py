"""Whether a webhook may come in: not too many at once and over time, of one account and in all.

Asked before a body is read, because what is refused must cost nearly nothing. But whoever knows an
address can post to it, so two budgets of the same size belong to an account. The *read* budget pays
for a body until its signature is verified, and then gets it back: strangers empty this one only.
The *verified* budget is paid by what is signed: nobody but the account itself empties it, and once
it is empty nothing more is read until there is something in it again. What a network sends that is
refused again and again isn't even read.

Of the places of what is being kept, an account that has one gets another only while it holds fewer
than are free, those not counted that are kept for accounts that have none. So one that takes all it
can has nearly half of them, two a third each, and a quiet one still finds a place.
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
    """Why not now, how long to stay away, and whether it is the sender's own limit."""

    detail: str
    wait_s: int = 0
    own: bool = True


NEWCOMERS = 10
"""One of so many places is kept for accounts that have none."""

_FULL = Closed("too much at once, of all accounts: hook_inflight_max", own=False)
_SHARE = Closed("too much at once: hook_inflight_per_account_max, or as much as is left free")


class HookGate:
    """``now_s`` is a monotonic clock."""

    def __init__(self, settings: IngestChatSettings, now_s: Callable[[], float]) -> None:
        self._inflight_max = settings.hook_inflight_max
        self._kept_free = settings.hook_inflight_max // NEWCOMERS
        self._per_account_max = settings.hook_inflight_per_account_max
        size, rate = settings.hook_requests_burst_max, settings.hook_requests_per_second_max
        self._verified = Buckets(size, rate, now_s)
        self._read = Buckets(size, rate, now_s)
        per_minute = settings.hook_unverified_per_minute_max
        self._networks = Buckets(per_minute, per_minute / 60, now_s)
        self._inflight: Counter[str] = Counter()
        self._total = 0

    def closed(self, account: str, peer: str | None) -> Closed | None:
        """Asked before a body is read; None lets it be read, and counts it as not verified."""
        if peer is not None and (empty := self._networks.look(peer)) is not None:
            return _closed("too many refused: hook_unverified_per_minute_max", empty)
        if (closed := self.full(account)) is not None:
            return closed
        if (empty := self._read.take(account)) is not None:
            return _closed("too many without a signature: hook_requests_per_second_max", empty)
        return None

    def full(self, account: str) -> Closed | None:
        """Why nothing of this account can be kept now; counts nothing."""
        if (empty := self._verified.look(account)) is not None:
            return _closed("too many: hook_requests_per_second_max", empty)
        free = self._inflight_max - self._total
        if free <= 0:
            return _FULL
        held = self._inflight[account]
        most = min(self._per_account_max, free - self._kept_free)
        return _SHARE if held and held >= most else None

    def verified(self, account: str) -> None:
        """What was read is the account's own, and is paid by it."""
        self._read.give(account)
        self._verified.take(account)

    def refused(self, peer: str | None) -> None:
        """A request of this network was none of ours."""
        if peer is not None:
            self._networks.take(peer)

    def enter(self, account: str) -> None:
        """Take one of the account's places, which :meth:`full` has said there are."""
        self._inflight[account] += 1
        self._total += 1

    def leave(self, account: str) -> None:
        """Its place is free."""
        self._total -= 1
        self._inflight[account] -= 1
        if not self._inflight[account]:
            del self._inflight[account]


def _closed(detail: str, empty: Bucket) -> Closed:
    return Closed(detail, math.ceil(empty.wait_ms / 1000))
