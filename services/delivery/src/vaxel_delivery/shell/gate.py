"""Whether a target is worth trying: after trouble that everything would meet, all wait together.

While a gate is closed one effect at a time tries, after a pause that doubles to a limit and is
scattered, so that many instances don't return in step; nothing is given up because of it but by
the effects' own limits.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from vaxel_delivery.core.effects import Next, Outcome

PAUSE_MS_MIN = 500
PAUSE_MS_MAX = 30_000
ASKED_MS_MAX = 3_600_000
"""A target that asks to be left alone for longer is asked again after an hour all the same."""

SCATTER = 0.2
"""Up to so much of a pause is added to it."""

Told = Callable[[bool, Outcome | None, int], None]
"""Hears ``(open, outcome, failures in a row)`` when a gate closes or opens again."""


class Gate:
    """Open while effects get through to a target, else ajar: one probe a pause.

    ``threshold`` failures in a row close it.
    """

    def __init__(
        self, told: Told, *, threshold: int = 1, chance: Callable[[], float] = random.random
    ) -> None:
        self._told = told
        self._threshold = threshold
        self._chance = chance
        self._failures = 0
        self._again_ms = 0
        self._probing = False

    @property
    def _open(self) -> bool:
        return self._failures < self._threshold

    def admit(self, now_ms: int) -> bool:
        """Whether an effect may be tried now; if so, say :meth:`judge` or :meth:`release` after."""
        if self._open and now_ms >= self._again_ms:
            return True
        if self._probing or now_ms < self._again_ms:
            return False
        self._probing = True
        return True

    def release(self) -> None:
        """The effect that was admitted isn't tried after all."""
        self._probing = False

    def again_ms(self, now_ms: int) -> int:
        """When to ask again after a refusal."""
        return max(now_ms + PAUSE_MS_MIN, self._again_ms)

    def judge(self, outcome: Outcome, now_ms: int) -> None:
        """Learn from what an attempt came to."""
        self._probing = False
        was_open = self._open
        if not outcome.trouble:
            failures, self._failures = self._failures, 0
            if not was_open:
                self._told(True, None, failures)
            return
        self._failures += 1
        asked_ms = min(outcome.wait_ms or 0, ASKED_MS_MAX)
        if not self._open:
            pause_ms = PAUSE_MS_MIN << min(self._failures - self._threshold, 10)
            asked_ms = max(asked_ms, self._scattered(min(PAUSE_MS_MAX, pause_ms)))
        self._again_ms = max(self._again_ms, now_ms + asked_ms)
        if was_open and not self._open:
            self._told(False, outcome, self._failures)

    def adjust(self, following: Next, now_ms: int) -> Next:
        """After the target's own trouble the gate says when, not the effect's own growing pause."""
        if following.final:
            return following
        if self._open:
            return replace(following, at_ms=max(following.at_ms, self._again_ms))
        return replace(following, at_ms=min(following.at_ms, max(now_ms, self._again_ms)))

    def _scattered(self, pause_ms: int) -> int:
        return int(pause_ms * (1 + SCATTER * self._chance()))
