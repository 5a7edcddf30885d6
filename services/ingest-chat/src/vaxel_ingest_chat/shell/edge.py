"""Who may come in: origins of pages, sockets in all and by network, new conversations a minute."""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import urlsplit

from aiohttp import web

from vaxel_ingest_chat.config import IngestChatSettings
from vaxel_ingest_chat.core.bucket import Bucket
from vaxel_ingest_chat.core.protocol import Refused
from vaxel_ingest_chat.shell.accounts import Chat
from vaxel_shared.obs import metrics

BUCKETS_MAX = 10_000
"""Networks or conversations remembered; the least recently seen is forgotten, its bucket full."""

NETWORKS_MAX = 4_096
"""Addresses whose network is remembered."""


class Buckets:
    """A bucket for each name; of too many, the one not used for longest goes."""

    def __init__(self, size: float, per_second: float, now_s: Callable[[], float]) -> None:
        self._size = size
        self._per_second = per_second
        self._now_s = now_s
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def look(self, name: str) -> Bucket | None:
        """The bucket if it is empty; nothing is taken."""
        found = self._buckets.get(name)
        return None if found is None or found.has(self._now_s()) else found

    def take(self, name: str) -> Bucket | None:
        """None if there was one to take; else the empty bucket."""
        now_s = self._now_s()
        bucket = self._buckets.pop(name, None) or Bucket(self._size, self._per_second, now_s)
        self._buckets[name] = bucket
        if len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        return None if bucket.take(now_s) else bucket

    def give(self, name: str) -> None:
        """Put back one that was taken; a bucket that was forgotten is full."""
        if (found := self._buckets.get(name)) is not None:
            found.give()


class Edge:
    """Judges requests before anything else looks at them."""

    def __init__(self, settings: IngestChatSettings, now_s: Callable[[], float]) -> None:
        self._settings = settings
        self._by_peer: Counter[str] = Counter()
        self._count = 0
        per_minute = settings.chat_conversations_per_ip_per_minute_max
        self._conversations = Buckets(per_minute, per_minute / 60, now_s)
        self.messages = Buckets(
            settings.chat_messages_burst_max, settings.chat_messages_per_second_max, now_s
        )
        port = settings.port("ingest-chat")
        own = {f"http://{host}:{port}" for host in ("127.0.0.1", "localhost", settings.bind)}
        if settings.chat_public_url is not None:
            parts = urlsplit(settings.chat_public_url)
            own.add(f"{parts.scheme}://{parts.netloc}")
        self._own = frozenset(own)

    def origin(self, request: web.Request, chat: Chat, *, upgrade: bool = False) -> str | None:
        """The origin of the page that asks, if it may; None for a program or our own page.

        Raises :class:`Refused`: browsers always send an origin on upgrades and across sites.
        """
        found = request.headers.get("Origin")
        if found is None:
            same_site = request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"
            if same_site and not upgrade:
                return None
        elif found in chat.origins or found in self._own:
            return found
        metrics.CHAT_REFUSED.labels("origin").inc()
        raise Refused("origin_refused", "add the page's origin to origins in channels.yaml")

    def peer(self, request: web.Request) -> str | None:
        """The network of whoever asks; None for this machine."""
        hops = self._settings.chat_proxy_hops
        host = request.remote or ""
        if hops:
            passed = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
            host = passed[-hops].strip() if len(passed) >= hops else host
        return network(host)

    def enter(self, peer: str | None) -> None:
        """Count a socket in. Raises :class:`Refused` where there are enough."""
        if self._count >= self._settings.chat_sockets_max:
            metrics.CHAT_REFUSED.labels("sockets").inc()
            raise Refused("too_many_sockets", "chat_sockets_max is reached; try again later")
        if peer is not None:
            if self._by_peer[peer] >= self._settings.chat_sockets_per_ip_max:
                metrics.CHAT_REFUSED.labels("sockets_per_ip").inc()
                raise Refused("too_many_sockets_per_ip", "close some: chat_sockets_per_ip_max")
            self._by_peer[peer] += 1
        self._count += 1
        metrics.CHAT_SOCKETS.set(self._count)

    def leave(self, peer: str | None) -> None:
        """Count a socket out."""
        self._count -= 1
        metrics.CHAT_SOCKETS.set(self._count)
        if peer is not None:
            self._by_peer[peer] -= 1
            if not self._by_peer[peer]:
                del self._by_peer[peer]

    def begin(self, peer: str | None) -> None:
        """A new conversation. Raises :class:`Refused` where one network begins too many."""
        if peer is not None and self._conversations.take(peer) is not None:
            metrics.CHAT_REFUSED.labels("conversations").inc()
            raise Refused(
                "too_many_conversations", "wait: chat_conversations_per_ip_per_minute_max"
            )


@lru_cache(NETWORKS_MAX)  # those who come again and again mustn't cost much
def network(host: str) -> str | None:
    """The /24 or /64 that an address belongs to; None for this machine, which isn't limited."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return None
    prefix = 24 if address.version == 4 else 64
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))
