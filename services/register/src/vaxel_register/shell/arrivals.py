"""Who waits for which decision: readers say what arrived, writes are told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Arrivals:
    """Events by the command that caused them."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def expect(self, command_id: str) -> Iterator[asyncio.Event]:
        """An event that is set once a decision of this cause stands in the database.

        Begin before looking for it there: what arrives in between sets the event.
        """
        event = asyncio.Event()
        self._waiting.setdefault(command_id, set()).add(event)
        try:
            yield event
        finally:
            events = self._waiting[command_id]
            events.discard(event)
            if not events:
                del self._waiting[command_id]

    def arrived(self, causes: Iterable[str]) -> None:
        """Decisions of these causes stand in the database."""
        for cause in causes:
            for event in self._waiting.get(cause, ()):
                event.set()
