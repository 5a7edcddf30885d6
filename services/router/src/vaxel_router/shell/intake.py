"""What must be done before an input may be folded: policies at hand, dead letters parked.

A policy whose blob is missing holds up its own command and those behind it, never those before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from vaxel_router.core.engine import Input
from vaxel_router.shell.library import PolicyLibrary
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.topic_reader import Record

Park = Callable[[Record, str], Awaitable[None]]
"""Writes a dead letter with this reason and waits for its acknowledgement."""


@dataclass(frozen=True, slots=True)
class Item:
    """A record of ``vaxel.work`` and what was read from it."""

    record: Record
    input: Input


class Intake:
    """Prepares inputs; ``poison`` holds those that the engine could not fold, by offset."""

    def __init__(self, library: PolicyLibrary, park: Park) -> None:
        self._library = library
        self._park = park
        self._parked: set[int] = set()
        self.poison: dict[int, str] = {}
        self.trouble: str | None = None

    async def prepare(self, items: Sequence[Item]) -> int:
        """How many of ``items`` may be folded now; 0: see ``trouble``.

        Raises Retryable where a dead letter can't be written.
        """
        self.trouble = None
        for count, item in enumerate(items):
            command = item.input.command
            if command is None or item.input.offset in self.poison:
                await self._set_aside(item)
            elif command.type == "policy.publish":
                try:
                    await self._library.fetch(str(command.data.get("version", "")))
                except Retryable as error:
                    self.trouble = str(error)
                    return count
        return len(items)

    async def _set_aside(self, item: Item) -> None:
        """Park it once, however often its batch is begun again."""
        offset = item.input.offset
        if offset not in self._parked:
            reason = self.poison.get(offset) or item.input.error or "undecodable"
            await self._park(item.record, reason)
            self._parked.add(offset)

    def folded(self, through: int) -> None:
        """Inputs up to ``through`` are confirmed: what was known of them is of no use any more."""
        self._parked = {offset for offset in self._parked if offset > through}
        self.poison = {offset: why for offset, why in self.poison.items() if offset > through}
