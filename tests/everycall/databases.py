"""Databases with all their tables, made once and copied: migrations have tests of their own."""

from __future__ import annotations

import asyncio
import tempfile
from functools import cache
from pathlib import Path

from vaxel_shared.settings import Settings
from vaxel_shared.sql import migrate


@cache
def empty(service: str, scripts: Path) -> bytes:
    """The file's bytes; the first time it is made, by the real migrations."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        asyncio.run(migrate(settings, service, scripts))
        return (settings.data_dir / f"{service}.db").read_bytes()


def make(settings: Settings, service: str, scripts: Path) -> None:
    """An empty database where the service looks for it. See :func:`empty`."""
    (settings.data_dir / f"{service}.db").write_bytes(empty(service, scripts))


async def migrated(*_: object) -> None:
    """In place of :func:`vaxel_shared.sql.migrate`."""
