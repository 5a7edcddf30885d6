"""Who may still come in: connections, mails a minute, bytes in memory; all of it bounded."""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Callable

PEERS_MAX = 10_000
"""Networks remembered; the least recently seen is forgotten first, its bucket full again."""


def network(host: str) -> str | None:
    """The /24 or /64 that a peer belongs to; None for this machine, which isn't limited."""
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


class Connections:
    """How many there are, in all and by network."""

    def __init__(self, most: int, most_per_peer: int) -> None:
        self._most = most
        self._most_per_peer = most_per_peer
        self._by_peer: Counter[str] = Counter()
        self.count = 0

    def enter(self, peer: str | None) -> bool:
        """Whether one more fits; then it counts until :meth:`leave`."""
        if self.count >= self._most:
            return False
        if peer is not None:
            if self._by_peer[peer] >= self._most_per_peer:
                return False
            self._by_peer[peer] += 1
        self.count += 1
        return True

    def leave(self, peer: str | None) -> None:
        """One that had entered is gone."""
        self.count -= 1
        if peer is not None:
            self._by_peer[peer] -= 1
            if not self._by_peer[peer]:
                del self._by_peer[peer]


class Rate:
    """A token bucket for each network; ``now_s`` is a monotonic clock."""

    def __init__(self, per_minute: int, now_s: Callable[[], float]) -> None:
        self._size = float(per_minute)
        self._now_s = now_s
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allow(self, peer: str | None) -> bool:
        """Whether one more mail may come now."""
        if peer is None:
            return True
        now = self._now_s()
        tokens, seen = self._buckets.pop(peer, (self._size, now))
        tokens = min(self._size, tokens + (now - seen) * self._size / 60)
        allowed = tokens >= 1
        self._buckets[peer] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > PEERS_MAX:
            self._buckets.popitem(last=False)
        return allowed


class Budget:
    """Bytes of mail in memory."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.used = 0

    @property
    def room(self) -> int:
        """Bytes that still fit."""
        return self._most - self.used

    def hold(self, size: int) -> Hold | None:
        """Reserve; None where there is no room."""
        held = Hold(self)
        return held if held.grow(size) else None


class Hold:
    """A reservation that grows with its mail."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._size = 0

    def grow(self, size: int) -> bool:
        """Make it at least ``size`` bytes; False where there is no room for that."""
        more = size - self._size
        if more <= 0:
            return True
        if more > self._budget.room:
            return False
        self._budget.used += more
        self._size = size
        return True

    def release(self) -> None:
        """Give it all back."""
        self._budget.used -= self._size
        self._size = 0
