"""One delivery a database: two would send everything twice.

On SQLite a lock on a file beside it, which the kernel lets go of however the process ends; on
PostgreSQL an advisory lock of a connection that is held for it, which the server lets go of when
the connection ends. Whoever loses that connection stops: somebody else may have begun.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from vaxel_shared.errors import Fatal
from vaxel_shared.settings import Settings
from vaxel_shared.sql import answering

INSTANCE_LOCK = 0x7661_7867
"""The advisory lock of the one delivery of a schema."""

TRY_S = 15.0
"""How long a predecessor's connection may linger after its process is gone."""

TRY_EVERY_S = 0.5
CHECK_EVERY_S = 2.0
CHECK_TIMEOUT_S = 10.0

_TAKE = text("SELECT pg_try_advisory_lock(:number, hashtext(current_setting('search_path')))")
_KEEPALIVES = (
    "tcp_keepalives_idle = 10",
    "tcp_keepalives_interval = 5",
    "tcp_keepalives_count = 3",
)
"""The server notices within half a minute that a holder's machine is gone."""


class Lock:
    """Held from :func:`only_one` until it is closed or the process ends."""

    def __init__(self, connection: AsyncConnection | None = None) -> None:
        self._connection = connection

    async def watch(self, stop: asyncio.Event) -> None:
        """A task: raises Fatal when the connection that holds the lock is gone."""
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), CHECK_EVERY_S)
            except TimeoutError:
                await self._check()

    async def _check(self) -> None:
        if self._connection is None:
            return
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await self._connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError) as error:
            raise Fatal(
                f"delivery lost its lock on the database ({type(error).__name__}); it starts again"
            ) from error

    async def close(self) -> None:
        """Let go."""
        if self._connection is not None:
            await self._connection.invalidate()
            await self._connection.close()


async def only_one(settings: Settings, engine: AsyncEngine) -> Lock:
    """Hold the lock.

    Raises Fatal where another process holds it, or where several instances are configured;
    Retryable where the database doesn't answer.
    """
    if settings.instances > 1:
        raise Fatal(
            f"delivery is set up as {settings.instances} instances; it runs as one (instances: 1)"
        )
    if engine.dialect.name == "postgresql":
        with answering():
            return Lock(await _hold(engine))
    _hold_file(settings)
    return Lock()


async def _hold(engine: AsyncEngine) -> AsyncConnection:
    connection = await engine.connect()
    await connection.execution_options(isolation_level="AUTOCOMMIT")
    for setting in _KEEPALIVES:
        await connection.execute(text(f"SET {setting}"))
    tries = int(TRY_S / TRY_EVERY_S)
    for _ in range(tries):
        if (await connection.execute(_TAKE, {"number": INSTANCE_LOCK})).scalar_one():
            return connection
        await asyncio.sleep(TRY_EVERY_S)
    await connection.close()
    raise Fatal("another delivery runs on this database; stop it, or give this one its own")


def _hold_file(settings: Settings) -> int:
    """The lock file's descriptor, which stays open until the process ends."""
    path: Path = settings.data_dir / "delivery.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise Fatal(
            "another delivery runs on this data dir; stop it, or name another VAXEL_DATA_DIR"
        ) from error
    return descriptor
