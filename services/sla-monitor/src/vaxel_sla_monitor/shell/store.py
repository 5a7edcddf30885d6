"""The monitor's database. ``Fatal`` where it fails: a restart goes on from what is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, delete, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from vaxel_shared.contracts.sla import SlaEvent
from vaxel_shared.errors import Fatal
from vaxel_shared.kafka.records import ChainCursor
from vaxel_shared.kafka.topics import DECISIONS
from vaxel_shared.sql import load_cursors, save_cursor
from vaxel_sla_monitor.shell.tables import CHECKPOINTS, CURSORS, NOTICES

KEEP_MS = 31 * 86_400_000
"""A little longer than the topics."""
CHECKPOINT_MS = 3_600_000

Cursor = dict[str, object]


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert for one webhook or mailbox; ``id`` is the same however often it is made."""

    id: str
    kind: str
    target: str
    event: SlaEvent
    attempts: int = 0


class Store:
    """Cursors, and the outbox of notices."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writing = asyncio.Lock()

    async def close(self) -> None:
        """Let go of the database."""
        await self._engine.dispose()

    async def cursors(self, topic: str) -> dict[int, Cursor]:
        """Where the readers of a topic stand, by partition."""
        async with self._reading() as connection:
            return await connection.run_sync(load_cursors, CURSORS, topic)

    async def advance(self, cursors: Iterable[ChainCursor], now_ms: int) -> None:
        """How far decisions were projected; now and then kept as a place to begin again from."""
        async with self._write() as connection:
            for cursor in cursors:
                await connection.run_sync(save_cursor, CURSORS, cursor.row())
                if cursor.offset < 0:
                    continue
                newest = await connection.scalar(
                    select(func.max(CHECKPOINTS.c.at_ms)).where(
                        CHECKPOINTS.c.partition == cursor.partition
                    )
                )
                if newest is None or now_ms - newest >= CHECKPOINT_MS:
                    row = {key: value for key, value in cursor.row().items() if key != "topic"}
                    same = and_(
                        CHECKPOINTS.c.partition == cursor.partition,
                        CHECKPOINTS.c.offset == cursor.offset,
                    )
                    await connection.execute(delete(CHECKPOINTS).where(same))
                    await connection.execute(CHECKPOINTS.insert().values(at_ms=now_ms, **row))

    async def set_back(self, begins: Mapping[int, int]) -> None:
        """Begin again as far back as the decisions go: ``begins`` are their first offsets.

        A partition that still has its first record is read from its beginning.
        """
        async with self._write() as connection:
            await connection.execute(delete(CURSORS).where(CURSORS.c.topic == DECISIONS))
            for partition, begin in begins.items():
                if begin == 0:
                    continue
                rows = await connection.execute(
                    select(CHECKPOINTS)
                    .where(CHECKPOINTS.c.partition == partition, CHECKPOINTS.c.offset >= begin - 1)
                    .order_by(CHECKPOINTS.c.offset)
                    .limit(1)
                )
                found = rows.mappings().first()
                if found is None:
                    raise Fatal(
                        f"decisions partition {partition} begins at {begin}, and no earlier place "
                        "is known: restore the SLA monitor's database from a backup"
                    )
                row = {key: value for key, value in found.items() if key != "at_ms"}
                await connection.run_sync(save_cursor, CURSORS, row | {"topic": DECISIONS})

    async def file(self, notices: Sequence[Notice], cursors: Iterable[Cursor], now_ms: int) -> None:
        """Put notices into the outbox, with how far events were read; the first of an id stays."""
        async with self._write() as connection:
            for notice in notices:
                there = await connection.scalar(
                    select(NOTICES.c.id).where(NOTICES.c.id == notice.id)
                )
                if there is None:
                    await connection.execute(NOTICES.insert().values(_row(notice, now_ms)))
            for row in cursors:
                await connection.run_sync(save_cursor, CURSORS, row)

    async def due(self, now_ms: int, limit: int) -> list[Notice]:
        """Notices whose turn it is, the oldest first."""
        async with self._reading() as connection:
            rows = await connection.execute(
                select(NOTICES)
                .where(NOTICES.c.state == "pending", NOTICES.c.next_ms <= now_ms)
                .order_by(NOTICES.c.next_ms, NOTICES.c.created_ms, NOTICES.c.id)
                .limit(limit)
            )
            return [_notice(row) for row in rows.mappings()]

    async def settle(self, notice: Notice, state: str, code: str | None, next_ms: int = 0) -> None:
        """What came of an attempt: sent, failed, or pending until ``next_ms``."""
        async with self._write() as connection:
            await connection.execute(
                NOTICES.update()
                .where(NOTICES.c.id == notice.id)
                .values(state=state, code=code, attempts=notice.attempts + 1, next_ms=next_ms)
            )

    async def pending(self) -> int:
        """How many notices aren't done with."""
        async with self._reading() as connection:
            found = await connection.scalar(
                select(func.count()).select_from(NOTICES).where(NOTICES.c.state == "pending")
            )
            return int(found or 0)

    async def forget(self, now_ms: int) -> None:
        """Delete what no repeat can ask for any more."""
        async with self._write() as connection:
            old = and_(NOTICES.c.state != "pending", NOTICES.c.created_ms < now_ms - KEEP_MS)
            await connection.execute(delete(NOTICES).where(old))
            await connection.execute(
                delete(CHECKPOINTS).where(CHECKPOINTS.c.at_ms < now_ms - KEEP_MS)
            )

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._writing, self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:  # a driver's deadline is an OSError
            raise _broken(error) from error

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.connect() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:  # a driver's deadline is an OSError
            raise _broken(error) from error


def _broken(error: Exception) -> Fatal:
    return Fatal(
        f"the SLA monitor's database fails ({type(error).__name__}): "
        "is there space, and may we write?"
    )


def _row(notice: Notice, now_ms: int) -> dict[str, Any]:
    return {
        "id": notice.id, "kind": notice.kind, "target": notice.target,
        "event": notice.event.to_json().decode(), "state": "pending", "attempts": 0,
        "next_ms": now_ms, "created_ms": now_ms,
    }  # fmt: skip


def _notice(row: Mapping[Any, Any]) -> Notice:
    return Notice(
        id=row["id"], kind=row["kind"], target=row["target"],
        event=SlaEvent.model_validate_json(row["event"]), attempts=row["attempts"],
    )  # fmt: skip
