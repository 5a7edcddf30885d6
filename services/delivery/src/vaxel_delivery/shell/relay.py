"""Whether the relay is worth trying: after trouble that every mail would meet, all wait together.

While it is closed one mail at a time tries, after a pause that doubles to a limit; nothing is
given up because of it but by the effects' own limits.
"""

from __future__ import annotations

from dataclasses import replace

from vaxel_delivery.core.effects import Next, Outcome
from vaxel_delivery.shell.smtp import RELAY_TROUBLE
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger

PAUSE_MS_MIN = 500
PAUSE_MS_MAX = 30_000


class RelayGate:
    """Open while mails get through to the relay, else ajar: one probe a pause."""

    def __init__(self) -> None:
        self._failures = 0
        self._again_ms = 0
        self._probing = False
        metrics.RELAY_UP.set(1)

    def admit(self, now_ms: int) -> bool:
        """Whether a mail may be tried now; if so, say :meth:`judge` or :meth:`release` after."""
        if self._failures == 0:
            return True
        if self._probing or now_ms < self._again_ms:
            return False
        self._probing = True
        return True

    def release(self) -> None:
        """The mail that was admitted isn't tried after all."""
        self._probing = False

    def again_ms(self, now_ms: int) -> int:
        """When to ask again after a refusal."""
        return max(now_ms + PAUSE_MS_MIN, self._again_ms)

    def judge(self, outcome: Outcome, now_ms: int) -> None:
        """Learn from what an attempt came to."""
        self._probing = False
        if outcome.code not in RELAY_TROUBLE:
            if self._failures:
                get_logger().info("relay_back", attempt=self._failures)
            self._failures = 0
            metrics.RELAY_UP.set(1)
            return
        if self._failures == 0:
            get_logger().warning(
                "relay_down",
                code=outcome.code,
                remedy="check mail.relay in connectors.yaml; mails wait",
            )
        self._failures += 1
        pause_ms = min(PAUSE_MS_MAX, PAUSE_MS_MIN << min(self._failures - 1, 10))
        self._again_ms = now_ms + pause_ms
        metrics.RELAY_UP.set(0)

    def adjust(self, following: Next, now_ms: int) -> Next:
        """After the relay's own trouble the gate says when, not the mail's own growing pause."""
        if following.final or self._failures == 0:
            return following
        return replace(following, at_ms=min(following.at_ms, max(now_ms, self._again_ms)))
