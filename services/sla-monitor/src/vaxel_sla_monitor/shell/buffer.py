"""Faust's buffer of outgoing changelog records, mended: a flush waits for all that it was given.

Faust 0.15.3's ``ProducerBuffer.flush`` gives up when nothing was acknowledged for 0.1 s, and the
input's offset is committed all the same: a kill then loses changes of the table whose cause is
never read again. Here everything put before the flush must be acknowledged, or the commit fails.
"""

from __future__ import annotations

import asyncio
from typing import Any

import faust.transport.producer
from faust.transport.producer import ProducerBuffer
from faust.types.tuples import FutureMessage

FLUSH_S_MAX = 30.0
"""Longer than a broker takes to come back; then the process starts anew, which loses nothing."""


class SureBuffer(ProducerBuffer):
    """Knows what was put and isn't acknowledged."""

    def __post_init__(self) -> None:
        """As Faust's, with our own account."""
        super().__post_init__()
        self._waiting: set[asyncio.Future[Any]] = set()
        self._failure: BaseException | None = None

    def put(self, fut: FutureMessage) -> None:
        """Take a record on; ``fut`` is done once the broker has it."""
        self._waiting.add(fut)
        fut.add_done_callback(self._settled)
        super().put(fut)

    async def flush(self) -> None:
        """Return when all that was put before this call is acknowledged.

        Raises what kept one from it, ``TimeoutError`` after :data:`FLUSH_S_MAX`.
        """
        given = set(self._waiting)
        if given:
            _, late = await asyncio.wait(given, timeout=FLUSH_S_MAX)
            if late:
                raise TimeoutError(f"{len(late)} changelog records aren't acknowledged")
        if self._failure is not None:
            raise self._failure

    def _settled(self, fut: asyncio.Future[Any]) -> None:
        self._waiting.discard(fut)
        if not fut.cancelled() and (error := fut.exception()) is not None:
            self._failure = error


def install() -> None:
    """Make every producer of this process use it; call before the application is made."""
    faust.transport.producer.ProducerBuffer = SureBuffer  # type: ignore[misc] # on purpose
