"""Whole units of work on a service's database: as many to a commit as wait for one.

A unit is a plain function of a connection; it does nothing but ask and write there, so it may be
done again from its beginning. Those that are waiting are written together: one commit, one fsync.
On SQLite a transaction runs in one thread from its beginning to its end, because handing each
statement to a thread and back costs six times what the statement does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from vaxel_shared.sql import durable_sqlite

UNITS_MAX = 32
"""Units a commit: whoever comes later waits for two commits at most."""

THREADS_MAX = 4
"""One writes and some read; threads of our own, so that a hung disk of blobs doesn't take them."""

T = TypeVar("T")
Unit = Callable[[Connection], T]


@dataclass(slots=True)
class _Waiting:
    """A unit that is to be written, and what whoever waits for it is told."""

    unit: Unit[Any]
    told: asyncio.Future[Any] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def tell(self, result: Any) -> None:
        if not self.told.done():
            self.told.set_result(result)

    def fail(self, error: BaseException) -> None:
        if not self.told.done():
            self.told.set_exception(error)


class Transactions:
    """Reads beside each other, writes one after the other."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._file: Engine | None = None
        if engine.dialect.name == "sqlite":
            self._file = create_engine(
                engine.url.set(drivername="sqlite"), hide_parameters=True, pool_use_lifo=True
            )
            durable_sqlite(self._file)
        self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="sql")
        self._waiting: deque[_Waiting] = deque()
        self._writer: asyncio.Task[None] | None = None

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    async def read(self, unit: Unit[T]) -> T:
        """What a unit that only reads answers. Raises what the driver raises."""
        if self._file is not None:
            return await in_thread(self._threads, _look, self._file, unit)
        async with self._engine.connect() as connection:
            return await connection.run_sync(unit)

    async def write(self, unit: Unit[T]) -> T:
        """What a unit answers, once all that it wrote is durable.

        Raises what the driver raises, and then nothing may be assumed of what was written; what
        the unit itself raises is its own, nothing of it was written, and no other unit suffers.
        Whoever gives up waiting may find it written or not.
        """
        waiting = _Waiting(unit)
        self._waiting.append(waiting)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        result: T = await waiting.told
        return result

    async def close(self) -> None:
        """Let what is being written end, and let go of the database."""
        if self._writer is not None:
            await asyncio.wait({self._writer})
        if self._file is not None:
            self._file.dispose()
        self._threads.shutdown(wait=False)
        await self._engine.dispose()

    async def _write_all(self) -> None:
        try:
            while batch := self._next():
                await self._commit(batch)
        finally:
            self._writer = None

    def _next(self) -> list[_Waiting]:
        """Who is written next; who has given up meanwhile isn't."""
        batch: list[_Waiting] = []
        while self._waiting and len(batch) < UNITS_MAX:
            one = self._waiting.popleft()
            if not one.told.done():
                batch.append(one)
        return batch

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        try:
            results = await self._transact([one.unit for one in batch])
        except (SQLAlchemyError, OSError) as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001 - a unit's own: it is found, and told to whoever asked for it
            if len(batch) == 1:
                _fail(batch, error)
            for one in batch if len(batch) > 1 else ():
                await self._commit([one])
        except BaseException as error:
            _fail([*batch, *self._waiting], error)
            self._waiting.clear()
            raise
        else:
            for one, result in zip(batch, results, strict=True):
                one.tell(result)

    async def _transact(self, units: Sequence[Unit[Any]]) -> list[Any]:
        if self._file is not None:
            return await in_thread(self._threads, _transact, self._file, units)
        async with self._engine.begin() as connection:
            return await connection.run_sync(_each, units)


async def in_thread(threads: ThreadPoolExecutor, call: Callable[..., T], *args: Any) -> T:
    """What ``call`` answers, from one of the threads."""
    return await asyncio.get_running_loop().run_in_executor(threads, call, *args)


def _look(engine: Engine, unit: Unit[T]) -> T:
    with engine.connect() as connection:
        return unit(connection)


def _transact(engine: Engine, units: Sequence[Unit[Any]]) -> list[Any]:
    with engine.begin() as connection:
        return _each(connection, units)


def _each(connection: Connection, units: Sequence[Unit[Any]]) -> list[Any]:
    return [unit(connection) for unit in units]


def _fail(batch: Sequence[_Waiting], error: BaseException) -> None:
    for one in batch:
        one.fail(error)
