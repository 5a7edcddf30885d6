"""SQLite and blobs without threads: every statement, commit, read and write can go wrong.

A statement that hangs fails after thirty seconds, as the PostgreSQL driver's deadline has it; a
file that hangs never answers, as a network file system does.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiosqlite
from everycall.faults import PROCESS, Plan, Process
from sqlalchemy import create_engine
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import LRUCache, await_only, greenlet_spawn

from vaxel_shared.errors import Retryable
from vaxel_shared.sql import CONNECT_TIMEOUT_S, STATEMENT_TIMEOUT_S

FILES = {
    "put_now": "blobs.put", "get_now": "blobs.get",
    "_write": "spool.write", "read_bytes": "spool.read", "_done_with": "spool.drop",
}  # fmt: skip
"""What runs in a thread, by the function's name; what isn't here reads configuration."""


def _database() -> Exception:
    return sqlite3.OperationalError("disk I/O error")


def _no_database() -> Exception:
    return ConnectionRefusedError("nobody listens")


def _full() -> Exception:
    return Retryable("blob store: No space left on device; free space or fix rights")


def _no_space() -> Exception:
    return OSError(errno.ENOSPC, "No space left on device")


def _close(connection: Any) -> None:
    """A cursor that somebody still holds would keep a closed connection's transaction open."""
    inner, connection._connection = connection._connection, None
    if inner is not None:
        inner.rollback()
        inner.close()


def _close_file(connection: Any) -> None:
    """The same without aiosqlite around it; may have been closed before."""
    with suppress(sqlite3.ProgrammingError):
        connection.rollback()
        connection.close()


class Connections:
    """Those that were opened, and by which process: a dead one's are rolled back."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._open: list[tuple[Process | None, Any]] = []
        self._files: list[tuple[Process | None, Any]] = []
        self._locks: dict[str, Process] = {}

    def lock(self, descriptor: int, _operation: int) -> None:
        """In place of ``flock``: a file is held by whoever lives."""
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        mine, holder = PROCESS.get(), self._locks.get(path)
        if holder is not None and holder is not mine and holder.alive:
            raise BlockingIOError("held")
        if mine is not None:
            self._locks[path] = mine

    def bury(self, process: Process) -> None:
        """What the kernel does with a dead process's files."""
        for owner, connection in self._open:
            if owner is process:
                _close(connection)
        self._open = [item for item in self._open if item[0] is not process]
        for owner, connection in self._files:
            if owner is process:
                _close_file(connection)
        self._files = [item for item in self._files if item[0] is not process]

    async def connect(self, connection: Any) -> Any:
        def open_it() -> Any:
            connection._connection = connection._connector()
            self._open.append((PROCESS.get(), connection))
            return connection

        return await self._plan.call(
            "sql.connect", open_it, _no_database, patience_s=CONNECT_TIMEOUT_S
        )

    async def connect_file(self, open_it: Callable[[], Any]) -> Any:
        """The same for a connection without aiosqlite around it."""

        def opened() -> Any:
            connection = open_it()
            # Power isn't cut here, processes end: what was written stays.
            connection.execute("PRAGMA synchronous=OFF")
            self._files.append((PROCESS.get(), connection))
            return connection

        return await self._plan.call(
            "sql.connect", opened, _no_database, patience_s=CONNECT_TIMEOUT_S
        )

    async def statement(self, do: Callable[[], Any]) -> Any:
        return await self._watched("sql.execute", do)

    async def commit(self, connection: Any) -> Any:
        return await self._watched("sql.commit", connection.commit)

    async def execute(self, connection: Any, call: Callable[..., Any], *args: Any) -> Any:
        name = call.__name__
        if connection._connection is None:
            raise ValueError("Connection closed")
        if name == "commit":
            return await self._watched("sql.commit", lambda: call(*args))
        if name == "close" and call == connection._connection.close:
            connection._connection.rollback()
        if name not in {"execute", "executemany"}:
            return call(*args)
        if args[0].startswith("PRAGMA"):
            # Power isn't cut here, processes end: what was written stays.
            return call(args[0].replace("synchronous=FULL", "synchronous=OFF"), *args[1:])
        return await self._watched("sql.execute", lambda: call(*args))

    async def _watched(self, port: str, do: Callable[[], Any]) -> Any:
        return await self._plan.call(
            port, do, _database, patience_s=STATEMENT_TIMEOUT_S, late=TimeoutError
        )


_COMPILED = LRUCache(2_000)
"""Statements compiled once for all runs, which differ in nothing but the database's file."""


def _engine(*args: Any, **named: Any) -> Any:
    engine = create_async_engine(*args, **named)
    engine.sync_engine._compiled_cache = _COMPILED
    return engine


def _file_engine(held: Connections, *args: Any, **named: Any) -> Any:
    """An engine whose transactions run in greenlets: each of its calls waits as an async one."""
    engine = create_engine(*args, **named)
    engine._compiled_cache = _COMPILED
    dialect: Any = engine.dialect
    dialect.connect = lambda *args, **named: await_only(
        held.connect_file(lambda: dialect.loaded_dbapi.connect(*args, **named))
    )
    for name in ("execute", "executemany"):
        setattr(dialect, f"do_{name}", partial(_statement, held, name))
    dialect.do_close = dialect.do_terminate = _close_file
    dialect.do_commit = lambda connection: await_only(held.commit(connection))
    return engine


def _statement(
    held: Connections, name: str, cursor: Any, statement: str, parameters: Any, _context: Any = None
) -> None:
    await_only(held.statement(lambda: getattr(cursor, name)(statement, parameters)))


async def _in_greenlet(_threads: object, call: Callable[..., Any], *args: Any) -> Any:
    return await greenlet_spawn(call, *args)


@contextmanager
def installed(plan: Plan) -> Iterator[Connections]:
    """In place of aiosqlite's threads and of ``asyncio.to_thread``."""
    held = Connections(plan)

    def await_(connection: Any) -> Any:
        return held.connect(connection).__await__()

    async def execute(connection: Any, call: Callable[..., Any], *args: Any, **_: Any) -> Any:
        return await held.execute(connection, call, *args)

    def stop(connection: Any) -> None:
        connection._running = False
        _close(connection)

    async def to_thread(call: Callable[..., Any], *args: Any, **named: Any) -> Any:
        port = FILES.get(getattr(call, "__name__", ""))
        if port is None:
            return call(*args, **named)
        fail = _full if port.startswith("blobs") else _no_space
        return await plan.call(port, lambda: call(*args, **named), fail)

    with ExitStack() as stack:
        one = aiosqlite.core.Connection
        stack.enter_context(patch.object(one, "__await__", await_))
        stack.enter_context(patch.object(one, "_execute", execute))
        stack.enter_context(patch.object(one, "stop", stop))
        stack.enter_context(patch("asyncio.to_thread", to_thread))
        stack.enter_context(patch("vaxel_shared.sql.create_async_engine", _engine))
        stack.enter_context(
            patch("vaxel_shared.transactions.create_engine", partial(_file_engine, held))
        )
        stack.enter_context(patch("vaxel_shared.transactions.in_thread", _in_greenlet))
        dialect = SQLiteDialect_pysqlite
        stack.enter_context(patch.object(dialect, "__eq__", lambda a, b: type(a) is type(b)))
        stack.enter_context(patch.object(dialect, "__hash__", lambda a: hash(type(a))))
        stack.enter_context(patch("fcntl.flock", held.lock))
        yield held
