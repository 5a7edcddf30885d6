"""The configuration folder, checked whole and watched: an invalid change keeps what held before."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vaxel_shared.config import deployment
from vaxel_shared.config.source import ConfigError
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger
from vaxel_triage.core.view import View
from vaxel_triage.shell.detector import Detector

FILES = ("channels.yaml", "routing.yaml", "roster.yaml", "connectors.yaml")

PROBLEMS_LOGGED_MAX = 20
"""Of one change; whoever mends these sees the rest next time."""


def load_view(folder: Path) -> View:
    """The checked configuration with its rules. Raises ``ConfigError`` with file and line."""
    loaded = deployment.load(folder)
    return View.of(loaded.channels, loaded.routing)


@dataclass(frozen=True, slots=True)
class Current:
    """What holds now: exchanged whole, so that no contact sees half of a change."""

    view: View
    detector: Detector


class Watch:
    """Holds what holds, and looks for changes."""

    def __init__(self, folder: Path, model: Any) -> None:
        """Load for the first time. Raises ``ConfigError``."""
        self._folder = folder
        self._model = model
        self._seen = _signature(folder)
        self.current = self._load()

    async def run(self, stop: asyncio.Event, poll_ms: int) -> None:
        """Look every ``poll_ms`` until ``stop``."""
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), timeout=poll_ms / 1000)
            except TimeoutError:
                await self.look()

    async def look(self) -> None:
        """Read the folder again if it changed; what is invalid is logged, and the old holds."""
        signature = await asyncio.to_thread(_signature, self._folder)
        if signature == self._seen:
            return
        self._seen = signature
        log = get_logger()
        try:
            self.current = await asyncio.to_thread(self._load)
        except ConfigError as error:
            metrics.CONFIG_LOADS.labels("invalid").inc()
            metrics.CONFIG_VALID.set(0)
            for problem in error.problems[:PROBLEMS_LOGGED_MAX]:
                log.error("config_invalid", error=str(problem), remedy="the old configuration runs")
        else:
            log.info("config_loaded", count=len(self.current.view.pools))

    def _load(self) -> Current:
        view = load_view(self._folder)
        detector = Detector(self._model, view.channels.languages)
        if detector.unknown:
            get_logger().warning(
                "language_unknown", language=" ".join(detector.unknown), remedy="never detected"
            )
        metrics.CONFIG_LOADS.labels("valid").inc()
        metrics.CONFIG_VALID.set(1)
        return Current(view, detector)


def _signature(folder: Path) -> tuple[tuple[int, int, int] | None, ...]:
    """What changes when a file does: time, size and inode of each; None where there is none."""
    found: list[tuple[int, int, int] | None] = []
    for name in FILES:
        try:
            status = (folder / name).stat()
        except OSError:
            found.append(None)
        else:
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)
