"""What can go wrong with one call, and counting calls so that each of them goes wrong once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

T = TypeVar("T")

BOUND_S = 30.0
"""No call of a service may keep it waiting for longer."""


class Kind(Enum):
    """What becomes of one call."""

    RAISES = "raises, nothing done"
    RAISES_AFTER = "done, and raises"
    HANGS = "hangs, nothing done"
    HANGS_AFTER = "done, and hangs"
    DIES = "the process dies, nothing done"
    DIES_AFTER = "done, and the process dies"


AFTER = {Kind.RAISES_AFTER, Kind.HANGS_AFTER, Kind.DIES_AFTER}


class Killed(BaseException):
    """The process is gone; nothing catches it."""


@dataclass(eq=False)
class Process:
    """One life of a service. What a dead one still asks of the world isn't done."""

    alive: bool = True


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)
"""Whose task this is; None: the surroundings, whose calls are neither counted nor harmed."""


@dataclass
class Plan:
    """The ``at``-th call meets ``kind``; every other does as it should."""

    kind: Kind | None = None
    at: int = 0
    count: int = 0
    ports: list[str] = field(default_factory=list)
    """The port of each call, in order."""
    fired: str | None = None
    """The port of the call that went wrong."""
    hung_s: float | None = None
    bound_s: float = BOUND_S
    _hanging_since_s: float | None = None

    async def call(
        self,
        port: str,
        do: Callable[[], T],
        fail: Callable[[], Exception],
        *,
        patience_s: float | None = None,
        bound_s: float = BOUND_S,
        late: Callable[[], Exception] | None = None,
    ) -> T:
        """Do it, or what the plan says.

        ``patience_s``: the driver below has a deadline of its own, after which it raises ``late``,
        or what it raises anyway.
        """
        process = PROCESS.get()
        if process is None:
            return do()
        if not process.alive:
            raise Killed
        await asyncio.sleep(0)
        self.count += 1
        self.ports.append(port)
        if self.kind is None or self.count != self.at:
            return do()
        self.fired = port
        self.bound_s = bound_s
        done = do() if self.kind in AFTER else None
        if self.kind in {Kind.DIES, Kind.DIES_AFTER}:
            process.alive = False
            raise Killed
        if self.kind in {Kind.HANGS, Kind.HANGS_AFTER}:
            await self._hang(patience_s)
            fail = late or fail
        del done
        raise fail()

    async def _hang(self, patience_s: float | None) -> None:
        loop = asyncio.get_running_loop()
        self._hanging_since_s = loop.time()
        try:
            async with asyncio.timeout(patience_s):
                await loop.create_future()
        except TimeoutError:
            return
        finally:
            self.over()

    def over(self) -> None:
        """Nobody waits for the hanging call any more."""
        if self._hanging_since_s is not None:
            now_s = asyncio.get_running_loop().time()
            self.hung_s = now_s - self._hanging_since_s
            self._hanging_since_s = None

    @property
    def hanging(self) -> bool:
        """Whether somebody still waits for the hanging call."""
        return self._hanging_since_s is not None
