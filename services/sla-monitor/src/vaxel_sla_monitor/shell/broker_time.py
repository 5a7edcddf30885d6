"""The broker's clock, as far as we can be sure: never ahead of it.

Every acknowledgement on a topic with append time says what the broker's clock showed; since then at
least nearly as much has passed there as our monotonic clock has counted. Only the newest one
counts: of an older one, our own clock's error would be counted on and on, and a broker's clock that
was set back would never be believed.
"""

from __future__ import annotations

from vaxel_shared.clock import Clock

DRIFT_MAX = 0.1
"""By so much our clock may run too fast."""


class BrokerTime:
    """Unknown until something was heard."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard: tuple[int, int] | None = None

    def heard(self, append_ms: int) -> None:
        """An acknowledgement's append time, just received."""
        self._heard = (append_ms, self._clock.monotonic_ms())

    def now_ms(self) -> int | None:
        """What the broker's clock shows at least."""
        if self._heard is None:
            return None
        append_ms, at_ms = self._heard
        return append_ms + int((self._clock.monotonic_ms() - at_ms) * (1 - DRIFT_MAX))
