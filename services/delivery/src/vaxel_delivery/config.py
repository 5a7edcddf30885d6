"""The two files that delivery reads, kept fresh: a saved change holds within two seconds.

A file that stops being right changes nothing: what held before goes on holding, and the log names
file, line and remedy.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from vaxel_delivery.core.addresses import bare
from vaxel_delivery.core.routes import Routes
from vaxel_shared.config import source
from vaxel_shared.config.channels import Account, Channels
from vaxel_shared.config.connectors import Connectors
from vaxel_shared.config.source import ConfigError
from vaxel_shared.obs.logging import get_logger

LOOK_MS = 1_000


@dataclass(frozen=True, slots=True)
class Files:
    """Both files at one moment."""

    channels: Channels
    connectors: Connectors

    def account_by_id(self, account_id: str) -> Account | None:
        """The account that decisions call by this id."""
        found = (item for item in self.channels.accounts if item.id == account_id)
        return next(found, None)

    def account_of_pool(self, pool: str) -> Account | None:
        """The first mail account of a pool: it writes to agents where no other is at hand."""
        found = (item for item in self.channels.accounts if item.pool == pool and item.address)
        return next(found, None)

    def routes(self) -> Routes:
        """Which way things go to agents."""
        return Routes(tuple(self.connectors.webhooks))

    def our_addresses(self) -> frozenset[str]:
        """All our own addresses, for comparison."""
        return frozenset(bare(address) for address in self.channels.addresses)


def read(folder: Path) -> tuple[Files, bytes]:
    """Both files, and their bytes; raises :class:`ConfigError`."""
    channels = source.read(folder / "channels.yaml")
    connectors = source.read(folder / "connectors.yaml")
    files = Files(source.validate(Channels, channels), source.validate(Connectors, connectors))
    return files, channels.raw + b"\x00" + connectors.raw


class LiveFiles:
    """What holds now. Raises :class:`ConfigError` where the files are wrong from the beginning."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.now, self._raw = read(folder)
        self._said = ""

    def routes(self) -> Routes:
        """Which way things go to agents, now."""
        return self.now.routes()

    async def watch(self, stop: asyncio.Event) -> None:
        """A task that reads the files again whenever they changed."""
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
            files, raw = read(self._folder)
        except ConfigError as error:
            problem = str(error.problems[0])
            if problem != self._said:
                log.warning("config_refused", error=problem, remedy="the old one goes on holding")
                self._said = problem
            return False
        self._said = ""
        if raw == self._raw:
            return False
        self.now, self._raw = files, raw
        log.info("config_adopted")
        return True
