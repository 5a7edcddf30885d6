"""What the SLA monitor is told, and ``sla.yaml`` kept fresh.

A saved file holds within two seconds for whatever happens to a case from then on; one that is wrong
changes nothing, and the log names file, line and remedy.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pydantic import Field

from vaxel_shared.clock import Clock
from vaxel_shared.config import sla, source
from vaxel_shared.config.channels import Account, Channels
from vaxel_shared.config.connectors import Connectors
from vaxel_shared.config.document import ConfigError
from vaxel_shared.config.sla import Sla
from vaxel_shared.config.sla_lint import errors
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger
from vaxel_shared.settings import Settings
from vaxel_sla_monitor.core.rules import Rules

LOOK_MS = 1_000


class MonitorSettings(Settings):
    """Besides what every service is told."""

    mark_ms: int = Field(default=1_000, ge=100, le=60_000)
    """How often it is written down how far decisions are known."""
    tick_ms: int = Field(default=500, ge=50, le=10_000)
    """How often deadlines are looked at."""
    commit_ms: int = Field(default=1_000, ge=100, le=10_000)
    """How often the stream's place is committed: what a kill makes it read again."""
    stall_ms: int = Field(default=120_000, ge=5_000)
    """A stream that reads nothing for so long, though marks are written, is started anew."""


@dataclass(frozen=True, slots=True)
class Files:
    """What the monitor reads, at one moment."""

    sla: Sla
    channels: Channels
    connectors: Connectors

    def account(self, pool: str) -> Account | None:
        """Who alerts about a pool come from: its first mail account, else the first at all."""
        mail = [item for item in self.channels.accounts if item.channel == "email"]
        return next((item for item in mail if item.pool == pool), mail[0] if mail else None)


class LiveFiles:
    """What holds now. Raises :class:`ConfigError` where the files are wrong from the beginning."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._folder = settings.config_dir
        self._clock = clock
        self._said = ""
        self.now: Files
        self.rules: Rules
        self._adopt(self._read())

    async def watch(self, stop: asyncio.Event) -> None:
        """A task that reads the files again and again."""
        while not stop.is_set():
            await asyncio.to_thread(self.refresh)
            try:
                await asyncio.wait_for(stop.wait(), LOOK_MS / 1000)
            except TimeoutError:
                continue

    def refresh(self) -> bool:
        """Read again; says whether something new holds now."""
        log = get_logger()
        try:
            files = self._read()
        except ConfigError as error:
            problem = str(error.problems[0])
            if problem != self._said:
                log.warning("config_refused", error=problem, remedy="the old one goes on holding")
                self._said = problem
            return False
        self._said = ""
        if files == self.now:
            return False
        self._adopt(files)
        log.info("config_adopted", version=files.sla.version[:12])
        return True

    def _read(self) -> Files:
        path = self._folder / sla.FILE
        found = sla.load(path) if path.exists() else sla.EMPTY
        if problems := errors(found, self._clock.wall_ms()):
            raise ConfigError(problems)
        channels = source.read(self._folder / "channels.yaml")
        connectors = source.read(self._folder / "connectors.yaml")
        return Files(
            found,
            source.validate(Channels, channels),
            source.validate(Connectors, connectors),
        )

    def _adopt(self, files: Files) -> None:
        self.now, self.rules = files, Rules(files.sla)
        metrics.SLA_INFO.set(self._clock.wall_ms() / 1000)
