"""Whether agents are at their consoles, where the deployment says that this is how they work.

Whose last console closed, without another within a moment, has lost the connection: the policy's
grace begins, and nothing is decided here. Whoever is there again within the grace, at this instance
or another, is reported back. Nobody is made available who wasn't: only what was lost comes back. An
instance that goes down reports nothing, its consoles come back to another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from vaxel_register.shell.commander import Asked, Commander
from vaxel_register.shell.queries import Queries, Row
from vaxel_shared import ids
from vaxel_shared.clock import Clock
from vaxel_shared.contracts.commands import Actor, Command
from vaxel_shared.errors import Retryable
from vaxel_shared.obs.logging import get_logger

CLOSED_MS = 10_000
"""A page that is loaded again, or a line that breaks, opens another console sooner."""
LOOK_S = 2.0
AT_ONCE = 20
"""Commands that wait for their answers together: a proxy that restarts closes every console."""
LOST: dict[str, Any] = {"presence": "offline", "lost": True, "reason": "console_closed"}
BACK: dict[str, Any] = {"presence": "available", "reason": "console_open"}


@dataclass(frozen=True, slots=True, eq=False)
class _Console:
    subject: str
    is_open: Callable[[], bool]


class Attendance:
    """Counts open consoles by agent; ``enabled`` False: and never does anything about it."""

    def __init__(
        self, *, commander: Commander, queries: Queries, clock: Clock, enabled: bool
    ) -> None:
        self._commander = commander
        self._queries = queries
        self._clock = clock
        self._enabled = enabled
        self._consoles: set[_Console] = set()
        self._closed_ms: dict[str, int] = {}

    @property
    def here(self) -> frozenset[str]:
        """Who has a console open at this instance."""
        return frozenset(one.subject for one in self._consoles)

    @contextmanager
    def at_console(self, subject: str, is_open: Callable[[], bool]) -> Iterator[None]:
        """One console of somebody, as long as it is open.

        Whoever writes to a line hears late that it is closed, so ``is_open`` is asked as well.
        """
        console = _Console(subject, is_open)
        self._consoles.add(console)
        self._closed_ms.pop(subject, None)
        try:
            yield
        finally:
            self._close(console)

    def _close(self, console: _Console) -> None:
        if console in self._consoles:
            self._consoles.discard(console)
            if self._enabled and console.subject not in self.here:
                self._closed_ms[console.subject] = self._clock.monotonic_ms()

    async def run(self, stop: asyncio.Event) -> None:
        """Look again and again until ``stop``."""
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_S)
            if self._enabled and not stop.is_set():
                try:
                    await self.look()
                except Retryable as error:
                    get_logger().warning("attendance_unknown", error=str(error))

    async def look(self) -> None:
        """Report who is gone, and who is there although the router lost them. Raises Retryable."""
        for console in [one for one in self._consoles if not one.is_open()]:
            self._close(console)
        now_ms = self._clock.monotonic_ms()
        gone = [one for one, at_ms in self._closed_ms.items() if now_ms - at_ms >= CLOSED_MS]
        present = sorted(self.here)
        if not gone and not present:
            return
        agents = {row["id"]: row for row in await self._queries.agents(None)}
        here = (agents[one] for one in present if one in agents)
        away = (agents[one] for one in gone if one in agents)
        told = [(row, LOST) for row in away if row["presence"] == "available"]
        told += [(row, BACK) for row in here if row["grace_ms"] is not None]
        for first in range(0, len(told), AT_ONCE):
            some = told[first : first + AT_ONCE]
            await asyncio.gather(*(self._report(row, data) for row, data in some))
        for subject in gone:
            self._closed_ms.pop(subject, None)

    async def _report(self, row: Row, data: dict[str, Any]) -> None:
        """Once for each time that it is so: by the agent's row, which the answer changes."""
        at = [str(row[name]) for name in ("presence", "grace_ms", "presence_ms")]
        command = Command(
            id=ids.event_id("attendance", row["id"], str(data["reason"]), *at),
            type="agent.presence",
            pool=row["pool"],
            actor=Actor(kind="system", id="register"),
            via="console",
            agent_id=row["id"],
            data=data,
        )
        await self._commander.submit(command, Asked(command.id, ""))
        get_logger().info("attendance", agent_id=row["id"], reason=data["reason"])
