"""Our addresses, from ``channels.yaml``; a change takes effect, a broken file keeps the old."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from vaxel_ingest_email.core.normalize import AccountRef
from vaxel_shared.config import source
from vaxel_shared.config.channels import Channels
from vaxel_shared.config.source import ConfigError
from vaxel_shared.obs.logging import get_logger

FILE = "channels.yaml"


@dataclass(frozen=True, slots=True)
class _Stamp:
    mtime_ns: int
    size: int


class Accounts:
    """Which addresses are ours right now."""

    def __init__(self, folder: Path) -> None:
        """Reads the file; raises :class:`ConfigError` where it is missing or wrong."""
        self._path = folder / FILE
        self._stamp = self._look()
        self._by_address = _read(self._path)

    def find(self, address: str) -> AccountRef | None:
        """The account of an address: case and what follows a plus sign don't matter."""
        local, _, domain = address.lower().rpartition("@")
        found = self._by_address.get(f"{local}@{domain}")
        return found or self._by_address.get(f"{local.partition('+')[0]}@{domain}")

    def reload(self) -> bool:
        """Read the file again if it changed; says whether the accounts are new."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self._by_address = _read(self._path)
        except ConfigError as error:
            first = error.problems[0]
            get_logger().error(
                "config_kept", path=f"{first.file}:{first.line}", error=first.message
            )
            return False
        get_logger().info("config_adopted", path=FILE, account_count=len(self._by_address))
        return True

    async def watch(self, stop: asyncio.Event, poll_ms: int) -> None:
        """Reload until asked to stop."""
        while not stop.is_set():
            await asyncio.to_thread(self.reload)
            try:
                await asyncio.wait_for(stop.wait(), poll_ms / 1000)
            except TimeoutError:
                continue

    def _look(self) -> _Stamp | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return _Stamp(found.st_mtime_ns, found.st_size)


def _read(path: Path) -> dict[str, AccountRef]:
    channels = source.validate(Channels, source.read(path))
    return {
        account.address.lower(): AccountRef(account.id, account.address, account.pool)
        for account in channels.accounts
        if account.channel == "email"
    }
