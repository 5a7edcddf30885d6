"""Virtual time: one heap of events for the world, one small event loop for each process in it.

A process is asyncio code, the services' own, that runs on a loop of its own. So killing it is never
running its loop again, pausing it is holding back what would run, and its clock may run fast, slow
or be moved. Nothing here looks at the machine's time: the same seed gives the same history.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from heapq import heappop, heappush
from typing import Any

WALL_MS = 1_700_000_000_000
"""The world's wall clock at its start."""
MS, SECOND = 1_000, 1_000_000
"""In microseconds, the unit of the world's time."""


class Stuck(AssertionError):
    """The world does more and more without its time going on."""


class Timeline:
    """What happens when; ``now`` in microseconds since the world began."""

    def __init__(self) -> None:
        self.now = 0
        self._heap: list[tuple[int, int, Callable[..., object], tuple[Any, ...]]] = []
        self._serial = 0
        self._until = 0

    @property
    def wall_ms(self) -> int:
        """The true time, which no process knows."""
        return WALL_MS + self.now // MS

    def at(self, when: int, call: Callable[..., object], *args: Any) -> None:
        """Have ``call`` happen at ``when``, after what was asked for then before."""
        self._serial += 1
        heappush(self._heap, (max(when, self.now), self._serial, call, args))

    def after(self, delay: int, call: Callable[..., object], *args: Any) -> None:
        """Have ``call`` happen in ``delay``."""
        self.at(self.now + delay, call, *args)

    def skip(self, duration: int) -> None:
        """So much time goes by in which nothing happens: whatever was to come, comes later."""
        self.now += duration
        self._until += duration
        # In place: whoever runs holds the list. Their order stays what it was.
        self._heap[:] = [(when + duration, *rest) for when, *rest in self._heap]

    def stop(self) -> None:
        """Let :meth:`run` return after this event."""
        self._until = self.now - 1

    def run(self, until: int) -> None:
        """Let things happen up to ``until``."""
        self._until = until
        heap, same, before = self._heap, 0, self.now
        while heap and heap[0][0] <= self._until:
            self.now, _, call, args = heappop(heap)
            same = same + 1 if self.now == before else 0
            if same > 100_000:
                raise Stuck(f"{same} events at one instant; the last: {call}")
            before = self.now
            call(*args)
        self.now = max(self.now, self._until)


class _Handle:
    """What a loop will call; as little of ``asyncio.Handle`` as its users look at."""

    __slots__ = ("_args", "_call", "_cancelled", "_context", "_when")

    def __init__(
        self, call: Callable[..., object], args: tuple[Any, ...], context: Any, when: float = 0.0
    ) -> None:
        self._call, self._args, self._when = call, args, when
        self._context = context if context is not None else contextvars.copy_context()
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True

    def cancelled(self) -> bool:
        return self._cancelled

    def when(self) -> float:
        return self._when

    def run(self) -> None:
        if not self._cancelled:
            self._context.run(self._call, *self._args)


class Loop(asyncio.AbstractEventLoop):
    """An event loop in virtual time, of one process; see :class:`Process`."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._ready: deque[_Handle] = deque()
        self._asked = False
        self._held: list[_Handle] | None = None
        self._since, self._local = timeline.now, timeline.now / SECOND
        self.rate = 1.0
        self.dead = False
        self.tasks: list[asyncio.Task[Any]] = []

    def time(self) -> float:
        """Seconds of this process's own monotonic clock."""
        return self._local + (self._timeline.now - self._since) * self.rate / SECOND

    def drift(self, rate: float) -> None:
        """Have the process's clocks run at another rate from now on."""
        self._local, self._since, self.rate = self.time(), self._timeline.now, rate

    def pause(self) -> None:
        """As by SIGSTOP: nothing runs; what would have is held back, in order."""
        if self._held is None:
            self._held = []

    def resume(self) -> None:
        """As by SIGCONT."""
        held, self._held = self._held, None
        for handle in held or ():
            self._soon(handle)
        if self._ready:
            self._ask()

    @property
    def paused(self) -> bool:
        return self._held is not None

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = _Handle(callback, args, context)
        self._soon(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = _Handle(callback, args, context, self.time() + delay)
        self._timeline.after(max(0, round(delay / self.rate * SECOND)), self._soon, handle)
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_later(when - self.time(), callback, *args, context=context)

    def _soon(self, handle: _Handle) -> None:
        if self.dead or handle._cancelled:
            return
        if self._held is not None:
            self._held.append(handle)
            return
        self._ready.append(handle)
        if not self._asked:
            self._ask()

    def _ask(self) -> None:
        self._asked = True
        self._timeline.after(0, self._run)

    def _run(self) -> None:
        self._asked = False
        ready = self._ready
        events._set_running_loop(self)
        try:
            while ready and not self.dead and self._held is None:
                ready.popleft().run()
        finally:
            events._set_running_loop(None)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None) -> Any:
        task = asyncio.Task(coro, loop=self, name=name or "task", context=context)
        self.tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A killed process says nothing; a live one's error must not pass unseen."""
        error = context.get("exception")
        if not self.dead and error is not None:
            self._timeline.after(0, _raise, error)


def _raise(error: BaseException) -> None:
    raise error


class Process:
    """A process of the world: a coroutine on a loop of its own, with clocks of its own.

    ``ended`` is called with its error, or None, when it ends by itself.
    """

    def __init__(
        self,
        name: str,
        timeline: Timeline,
        main: Callable[[Process], Coroutine[Any, Any, None]],
        ended: Callable[[Process, BaseException | None], None],
        *,
        rate: float = 1.0,
        wall_offset_ms: int = 0,
    ) -> None:
        self.name = name
        self.loop = Loop(timeline)
        self.wall_offset_ms = wall_offset_ms
        self._timeline = timeline
        self._ended = ended
        self.loop.drift(rate)
        self._task = self.loop.create_task(main(self))
        self._task.add_done_callback(self._done)

    @property
    def alive(self) -> bool:
        """Whether it could still do something."""
        return not self.loop.dead

    def kill(self) -> None:
        """As by SIGKILL: not another step, at whatever await it stands."""
        self.loop.dead = True
        graveyard.extend(task for task in self.loop.tasks if not task.done())

    def _done(self, task: asyncio.Task[None]) -> None:
        if self.loop.dead:
            return
        error = None if task.cancelled() else task.exception()
        self.kill()
        self._ended(self, error)

    def wall_ms(self) -> int:
        """What its machine's clock shows."""
        return WALL_MS + self.wall_offset_ms + int(self.loop.time() * 1000)

    def monotonic_ms(self) -> int:
        """Its machine's monotonic clock."""
        return int(self.loop.time() * 1000)


graveyard: list[asyncio.Task[Any]] = []
"""Tasks of killed processes: kept, so that no ``finally`` of theirs runs while the world does."""


def bury() -> None:
    """Let go of what was killed, without letting it say anything."""
    while graveyard:
        task = graveyard.pop()
        task._log_destroy_pending = False
        for _ in range(10):
            with contextlib.suppress(RuntimeError, ValueError):
                task.get_coro().close()
                break
