"""Numbers the awaits of the router's commit path and ends the process at one of them: tests only.

With this folder in PYTHONPATH and ``VAXEL_TEST_WAITS=<folder>`` every place at which the commit path
of a real router waits for something (the whole chain of its own lines, down to the library's
function that it calls) is written down at its first time and at its eighth, as a line ``1 <place>``
or ``8 <place>`` of ``<folder>/<pid>``. With
``VAXEL_TEST_KILL=<place>`` the process ends there as a kill would end it, at the
``VAXEL_TEST_KILL_NTH`` time: at once, or ``VAXEL_TEST_KILL_AFTER_MS`` later while it waits. Python
imports this module at the start of every process; nothing of the product knows of it.
"""

# ruff: noqa: PLC0415 - imports only what the process to be watched has
from __future__ import annotations

import asyncio
import functools
import os
import sys
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

KILLED = 137
OFTEN = 8
OURS = "/vaxel_"


class Watched:
    """Drives a coroutine, and looks at each of its suspensions."""

    def __init__(self, inner: Any, watch: Watch) -> None:
        self._inner, self._watch = inner, watch

    def __await__(self) -> Generator[Any, Any, Any]:
        give: Callable[[], Any] = functools.partial(self._inner.send, None)
        while True:
            try:
                waits_for = give()
            except StopIteration as end:
                return end.value
            self._watch.suspended(self._inner)
            try:
                got = yield waits_for
            except GeneratorExit:
                self._inner.close()
                raise
            except BaseException as error:  # noqa: BLE001 - it is the inner coroutine's
                give = functools.partial(self._inner.throw, error)
            else:
                give = functools.partial(self._inner.send, got)


class Watch:
    """What was seen, and whether this is where to end. Read late: a nursery sets it after a fork."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()
        self._count = 0

    def suspended(self, coroutine: Any) -> None:
        """Take note of one suspension."""
        folder = os.environ.get("VAXEL_TEST_WAITS")
        if folder is None:
            return
        place = place_of(coroutine)
        self._seen[place] += 1
        if self._seen[place] in (1, OFTEN):
            with (Path(folder) / str(os.getpid())).open("a") as file:
                file.write(f"{self._seen[place]} {place}\n")
        if place != os.environ.get("VAXEL_TEST_KILL"):
            return
        self._count += 1
        if self._count == int(os.environ.get("VAXEL_TEST_KILL_NTH", "1")):
            after_ms = float(os.environ.get("VAXEL_TEST_KILL_AFTER_MS", "0"))
            if after_ms <= 0:
                os._exit(KILLED)
            asyncio.get_running_loop().call_later(after_ms / 1000, os._exit, KILLED)


def place_of(coroutine: Any) -> str:
    """Our own lines from the outermost coroutine to the innermost, then what the last one awaits."""
    parts: list[str] = []
    library = ""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is None:
            break
        code = frame.f_code
        if OURS in code.co_filename:
            name = Path(code.co_filename).stem
            parts.append(f"{name}.{code.co_name}:{frame.f_lineno}")
            library = ""
        elif not library:
            library = f"{Path(code.co_filename).stem}.{code.co_name}"
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return " > ".join([*parts, *([library] if library else [])])


def watch_router() -> None:
    """An owner's life, its snapshots, and what it does at the end."""
    from vaxel_router.shell.partition import Partition
    from vaxel_router.shell.snapshotting import Snapshots

    watch = Watch()

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def driven(*words: Any, **more: Any) -> Any:
            return await Watched(function(*words, **more), watch)

        return driven

    for owner, names in ((Partition, ("_own", "_close")), (Snapshots, ("_write",))):
        for name in names:
            setattr(owner, name, watched(getattr(owner, name)))


if sys.orig_argv[-1] == "vaxel_router":
    watch_router()
