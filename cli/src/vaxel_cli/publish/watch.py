"""Notices within a second that a configuration file was saved, and that it stayed as it is.

Editors write in steps (truncate, write, rename): a change counts once two looks see the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

POLL_MS = 300
"""Two looks take 0.6 s, so that a change is published within two seconds with room to spare."""

State = dict[str, tuple[int, int, int]]


def look(folder: Path) -> State:
    """The YAML files of a folder: (mtime in ns, size in bytes, inode) by name."""
    state: State = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            found = path.stat()
        except OSError:
            continue  # being replaced at this moment: the next look sees it
        state[path.name] = (found.st_mtime_ns, found.st_size, found.st_ino)
    return state


def changed_names(before: State, after: State) -> set[str]:
    """The files that were added, removed or written."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


class Watcher:
    """Polls a folder; ``on_change`` is awaited with the names that changed, one call at a time."""

    def __init__(self, folder: Path, on_change: Callable[[set[str]], Awaitable[None]]) -> None:
        self._folder = folder
        self._on_change = on_change
        self._seen = look(folder)
        """From the moment this is made: a change before :meth:`run` counts too."""

    async def run(self, poll_ms: int = POLL_MS) -> None:
        """Watch until cancelled."""
        settled = self._seen
        while True:
            await asyncio.sleep(poll_ms / 1000)
            now = look(self._folder)
            names = changed_names(settled, now)
            if names and now == self._seen:
                settled = now
                await self._on_change(names)
            self._seen = now
