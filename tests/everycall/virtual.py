"""An event loop whose time passes only when nobody has anything to do.

A deadline of thirty seconds costs nothing to wait out, and a run is the same every time: there are
no threads, what would run in one runs at once, and every clock that Vaxel reads is the loop's.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

WALL_MS = 1_800_000_000_000
"""What the wall clock says at the loop's beginning."""


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type] # chosen at run time
    """Where a real selector would sleep, the clock moves on."""

    moved_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if not found:
            assert timeout is not None, "everybody waits, and nobody for a deadline"
            self.moved_s += max(0.0, timeout)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """``time()`` is virtual; servers aren't opened, executors run in place."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)
        self.set_exception_handler(lambda *_: None)  # what a dead process leaves behind

    def time(self) -> float:
        return self._clock.moved_s

    def wall_ms(self) -> int:
        return WALL_MS + int(self.time() * 1000)

    async def create_server(self, *_args: Any, **_named: Any) -> Any:
        return _Server()


class _Server:
    """Listens to nobody."""

    def close(self) -> None:
        return


@contextmanager
def virtual_time() -> Iterator[VirtualLoop]:
    """A loop, and all clocks set by it."""
    loop = VirtualLoop()
    clock = "vaxel_shared.clock.SystemClock"
    with (
        patch("time.monotonic", loop.time),
        patch(f"{clock}.wall_ms", lambda _: loop.wall_ms()),
        patch(f"{clock}.monotonic_ms", lambda _: int(loop.time() * 1000)),
    ):
        try:
            yield loop
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()
