"""Delivery's database: what the logs said, written together with how far they were read.

One writer at a time: SQLite refuses a transaction that read before somebody else wrote, and one
process owns this database anyway. Raises ``Fatal`` where the database fails: the readers' places
in memory are then ahead of what is stored, and only a restart from the stored ones is right.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, delete, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from vaxel_delivery.core.effects import Effect
from vaxel_delivery.core.kept import Kept
from vaxel_delivery.core.project import (
    CaseSeen,
    Change,
    NewEffect,
    OfferClosed,
    OfferOpened,
    Reported,
    RosterSeen,
)
from vaxel_delivery.shell.tables import (
    ANSWERS,
    AUTOMATIC,
    CASES,
    CURSORS,
    EFFECTS,
    INTERACTIONS,
    OFFERS,
    ROSTERS,
)
from vaxel_shared.errors import Fatal
from vaxel_shared.sql import load_cursors, save_cursor

KEEP_MS = 30 * 86_400_000
"""What is done with is kept as long as the topics keep it."""

KEEP_OPEN_MS = 400 * 86_400_000
"""What an open case was written about is kept until somebody answers, at most so long."""

Cursor = dict[str, object]


class Store:
    """Transactions, the folding of both logs, and what was folded."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writing = asyncio.Lock()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that writes; raises ``Fatal`` where the database fails."""
        try:
            async with self._writing, self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise _broken(error) from error

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection that only reads; raises ``Fatal`` where the database fails."""
        try:
            async with self._engine.connect() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise _broken(error) from error

    async def cursors(self, topic: str) -> dict[int, Cursor]:
        """Where the readers of a topic stand, by partition."""
        async with self.reading() as connection:
            return await load_cursors(connection, CURSORS, topic)

    async def fold(self, changes: Iterable[Change], cursors: Iterable[Cursor]) -> None:
        """Write what decisions changed and how far they are read, together or not at all."""
        async with self.writing() as connection:
            for change in changes:
                await _apply(connection, change)
            for row in cursors:
                await save_cursor(connection, CURSORS, row)

    async def keep(self, kept: Sequence[Kept], cursors: Iterable[Cursor], now_ms: int) -> None:
        """The same for interactions; the first of an id wins."""
        async with self.writing() as connection:
            for item in kept:
                values = {
                    **{name: getattr(item, name) for name in _KEPT},
                    "references": list(item.references),
                    "stored_ms": now_ms,
                }
                key = INTERACTIONS.c.contact_id == item.contact_id
                if not await _exists(connection, INTERACTIONS, key):
                    await connection.execute(INTERACTIONS.insert().values(values))
            for row in cursors:
                await save_cursor(connection, CURSORS, row)

    async def kept(self, contact_id: str | None) -> Kept | None:
        """An interaction, if it has been read and is still kept."""
        row = await self._one(INTERACTIONS, INTERACTIONS.c.contact_id == contact_id)
        if row is None:
            return None
        known = {name: row[name] for name in _KEPT}
        return Kept(**{**known, "references": tuple(row["references"])})

    async def case(self, case_id: str) -> Mapping[str, Any] | None:
        """What is known of a case: the columns of ``cases``."""
        return await self._one(CASES, CASES.c.case_id == case_id)

    async def offer(self, offer_id: str) -> Mapping[str, Any] | None:
        """What is known of an offer: the columns of ``offers``."""
        return await self._one(OFFERS, OFFERS.c.offer_id == offer_id)

    async def directory_ref(self, pool: str) -> str | None:
        """The blob with the names and addresses of a pool's agents."""
        row = await self._one(ROSTERS, ROSTERS.c.pool == pool)
        return None if row is None else str(row["directory_ref"])

    async def pools(self) -> list[str]:
        """The pools whose rosters were seen."""
        async with self.reading() as connection:
            rows = await connection.execute(select(ROSTERS.c.pool).order_by(ROSTERS.c.pool))
            return [str(pool) for pool in rows.scalars()]

    async def forget(self, now_ms: int) -> None:
        """Delete what nobody will need again."""
        old, oldest = now_ms - KEEP_MS, now_ms - KEEP_OPEN_MS
        needed = (
            select(CASES.c.case_id)
            .where(CASES.c.contact_id == INTERACTIONS.c.contact_id, CASES.c.closed.is_(False))
            .exists()
        )
        stored = INTERACTIONS.c.stored_ms
        async with self.writing() as connection:
            for statement in (
                delete(EFFECTS).where(EFFECTS.c.done, EFFECTS.c.made_ms < old),
                delete(OFFERS).where(OFFERS.c.state != "open", OFFERS.c.made_ms < old),
                delete(CASES).where(CASES.c.closed, CASES.c.updated_ms < old),
                delete(CASES).where(CASES.c.updated_ms < oldest),
                delete(INTERACTIONS).where((stored < oldest) | and_(stored < old, ~needed)),
                delete(AUTOMATIC).where(AUTOMATIC.c.at_ms < old),
                delete(ANSWERS).where(ANSWERS.c.received_ms < old),
            ):
                await connection.execute(statement)

    async def close(self) -> None:
        """Let go of the database."""
        await self._engine.dispose()

    async def _one(self, table: Table, where: ColumnElement[bool]) -> Mapping[str, Any] | None:
        async with self.reading() as connection:
            row = (await connection.execute(select(table).where(where))).mappings().first()
            return None if row is None else dict(row)


_KEPT = tuple(Kept.__dataclass_fields__)


def _broken(error: Exception) -> Fatal:
    # The driver's text can quote a row; its class can't.
    return Fatal(
        f"delivery's database failed ({type(error).__name__}); is it up, and is there room?"
    )


async def _exists(connection: AsyncConnection, table: Table, key: ColumnElement[bool]) -> bool:
    column = next(iter(table.primary_key.columns))
    return (await connection.execute(select(column).where(key))).first() is not None


async def _apply(connection: AsyncConnection, change: Change) -> None:
    match change:
        case NewEffect():
            await _add_effect(connection, change)
        case OfferOpened():
            await _open_offer(connection, change)
        case OfferClosed():
            await _close_offer(connection, change)
        case Reported():
            await _report(connection, change)
        case CaseSeen():
            await _see_case(connection, change)
        case RosterSeen():
            values = {"pool": change.pool, "directory_ref": change.directory_ref}
            await _upsert(connection, ROSTERS, ROSTERS.c.pool == change.pool, values)
        case _:
            pass  # what can't be read is parked; nothing is stored


async def _upsert(
    connection: AsyncConnection, table: Table, key: ColumnElement[bool], values: dict[str, Any]
) -> None:
    updated = await connection.execute(table.update().where(key).values(values))
    if updated.rowcount == 0:
        await connection.execute(table.insert().values(values))


async def _add_effect(connection: AsyncConnection, change: NewEffect) -> None:
    effect = change.effect
    if await _exists(connection, EFFECTS, EFFECTS.c.effect_id == effect.effect_id):
        return
    log_id, partition, seq, index = change.place
    await connection.execute(
        EFFECTS.insert().values(
            log_id=log_id,
            partition=partition,
            seq=seq,
            index=index,
            done=False,
            next_ms=0,
            **{name: getattr(effect, name) for name in _EFFECT},
        )
    )


_EFFECT = tuple(Effect.__dataclass_fields__)


async def _open_offer(connection: AsyncConnection, change: OfferOpened) -> None:
    if await _exists(connection, OFFERS, OFFERS.c.offer_id == change.offer_id):
        return
    values = {name: getattr(change, name) for name in OfferOpened.__dataclass_fields__}
    await connection.execute(OFFERS.insert().values(state="open", **values))


async def _close_offer(connection: AsyncConnection, change: OfferClosed) -> None:
    """The offer ends, and with it the mail that was to announce it, unless that is under way."""
    await connection.execute(
        OFFERS.update()
        .where(OFFERS.c.offer_id == change.offer_id, OFFERS.c.state == "open")
        .values(state=change.outcome, ended_ms=change.at_ms)
    )
    waiting = EFFECTS.c.state.in_(("pending", "unknown")) & EFFECTS.c.final.is_(False)
    await connection.execute(
        EFFECTS.update()
        .where(EFFECTS.c.offer_id == change.offer_id, EFFECTS.c.kind == "offer", waiting)
        .values(state="dropped", final=True, done=True, code=f"offer_{change.outcome}")
    )


async def _report(connection: AsyncConnection, change: Reported) -> None:
    """The router knows the outcome: whatever this database thought, there is nothing left to do."""
    named = EFFECTS.c.effect_id == change.effect_id
    await connection.execute(
        EFFECTS.update().where(named, EFFECTS.c.final).values(done=True, outbound=None)
    )
    waiting = EFFECTS.c.final.is_(False) & EFFECTS.c.state.in_(("pending", "unknown"))
    await connection.execute(
        EFFECTS.update()
        .where(named, waiting)
        .values(state=change.state, code=change.code, final=True, done=True, outbound=None)
    )
    if change.offer_id is not None and change.expires_ms is not None:
        await connection.execute(
            OFFERS.update()
            .where(OFFERS.c.offer_id == change.offer_id)
            .values(expires_ms=change.expires_ms)
        )


async def _see_case(connection: AsyncConnection, change: CaseSeen) -> None:
    key = CASES.c.case_id == change.case_id
    values = {**change.fields, "pool": change.pool, "updated_ms": change.at_ms}
    updated = await connection.execute(CASES.update().where(key).values(values))
    if updated.rowcount == 0:
        row = {"case_id": change.case_id, "closed": False, **values}
        await connection.execute(CASES.insert().values(row))
