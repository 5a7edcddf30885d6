"""Writing to the register's database: changes and cursors of a batch in one transaction.

SQLite has one writer at a time, so the process has one too: a lock costs less than a busy file. On
PostgreSQL a lock of the database holds other instances off: a row that is read, folded and written
back must not be overtaken.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from vaxel_register.core.conversations import changed_hands, place_of, went_with
from vaxel_register.core.rows import Change, Key, Rows, fold
from vaxel_register.shell.tables import COMMANDS, CONVERSATIONS, CURSORS, PROJECTED, TIMELINE
from vaxel_shared.sql import answering, load_cursors, one_writer, save_cursor

KEYS_PER_QUERY = 500
"""SQLite takes at most 999 parameters where it is old; PostgreSQL plans long lists slowly."""

CursorRow = dict[str, object]


class Store:
    """The one way to write."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writing = asyncio.Lock()
        self.upsert: Any = (
            postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
        )

    async def cursors(self, topic: str) -> dict[int, CursorRow]:
        """The stored cursors of a topic, by partition."""
        with answering():
            async with self._engine.connect() as connection:
                return await connection.run_sync(load_cursors, CURSORS, topic)

    async def apply(self, changes: Sequence[Change], cursors: Iterable[CursorRow]) -> None:
        """Store what a batch changed, and how far it was read: both or neither."""
        made: dict[str, dict[Key, dict[str, Any]]] = defaultdict(dict)
        for change in changes:
            if change.how == "insert":
                made[change.table].setdefault(change.key, dict(change.values))
        folded = [change for change in changes if change.how in ("put", "set")]
        async with self.writing() as connection:
            for name, rows in made.items():
                await self._insert(connection, PROJECTED[name], list(rows.values()))
            await self._fold(connection, folded)
            for change in changes:
                if change.how == "own":
                    await self._own(connection, change)
                if change.how == "drop":
                    await _drop(connection, change)
            for cursor in cursors:
                await connection.run_sync(save_cursor, CURSORS, cursor)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction of the one writer. Raises Retryable where the database can't write."""
        with answering():
            async with self._writing, self._engine.begin() as connection:
                await one_writer(connection)
                yield connection

    async def begin_command(self, row: dict[str, Any]) -> dict[str, Any]:
        """Remember a command before it is sent; answers the first row of its id."""
        async with self.writing() as connection:
            await self._insert(connection, COMMANDS, [row])
            found = await connection.execute(select(COMMANDS).where(COMMANDS.c.id == row["id"]))
            return dict(found.mappings().one())

    async def acknowledge_command(self, id_: str) -> None:
        """The broker has it: a repeat needs no second record."""
        async with self.writing() as connection:
            await connection.execute(
                COMMANDS.update().where(COMMANDS.c.id == id_).values(acknowledged=True)
            )

    async def _insert(
        self, connection: AsyncConnection, table: Table, rows: list[dict[str, Any]]
    ) -> None:
        """Make rows unless they are there."""
        if rows:
            await connection.execute(self.upsert(table).on_conflict_do_nothing(), rows)

    async def _own(self, connection: AsyncConnection, change: Change) -> None:
        """Conversations change hands. One by one: each sees what those before it did."""
        keys = change.values["keys"]
        if keys is None:
            merges = select(TIMELINE).where(
                TIMELINE.c.case_id == change.values["case_id"], TIMELINE.c.type == "case.merged"
            )
            entries = (await connection.execute(merges)).mappings()
            keys = went_with([dict(entry) for entry in entries], change)
        present: dict[Key, dict[str, Any]] = {}
        for chunk in _chunks(keys):
            rows = select(CONVERSATIONS).where(CONVERSATIONS.c.conversation_key.in_(chunk))
            for found in (await connection.execute(rows)).mappings():
                row = dict(found)
                present[(row["conversation_key"], *place_of(row))] = row
        made = changed_hands(present, change, keys)
        await self._insert(connection, CONVERSATIONS, list(made.values()))

    async def _fold(self, connection: AsyncConnection, changes: list[Change]) -> None:
        rows = await self._present(connection, changes)
        touched = fold(rows, changes)
        by_table: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for name, key in sorted(touched):
            by_table[name].append(rows[name][key])
        for name, after in by_table.items():
            table = PROJECTED[name]
            whole = [{column.name: row.get(column.name) for column in table.c} for row in after]
            statement = self.upsert(table)
            keys = [column.name for column in table.primary_key]
            update = {
                column.name: statement.excluded[column.name]
                for column in table.c
                if column.name not in keys
            }
            await connection.execute(
                statement.on_conflict_do_update(index_elements=keys, set_=update), whole
            )

    async def _present(self, connection: AsyncConnection, changes: list[Change]) -> Rows:
        """The rows that the changes speak of, as far as they are there."""
        wanted: dict[str, dict[Key, None]] = defaultdict(dict)
        for change in changes:
            wanted[change.table][change.key] = None
        rows: Rows = {}
        for name, keys in wanted.items():
            table = PROJECTED[name]
            (column,) = table.primary_key
            found = rows.setdefault(name, {})
            for chunk in _chunks([key[0] for key in keys]):
                answer = await connection.execute(select(table).where(column.in_(chunk)))
                for row in answer.mappings():
                    found[(row[column.name],)] = dict(row)
        return rows


async def _drop(connection: AsyncConnection, change: Change) -> None:
    table = PROJECTED[change.table]
    (column,) = table.primary_key
    same = [table.c[name] == value for name, value in change.values.items()]
    await connection.execute(table.delete().where(column == change.key[0], *same))


def _chunks(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Few at a time, filled up with the last to a power of two.

    Databases and drivers keep a prepared statement for each number of parameters that they see.
    """
    for start in range(0, len(keys), KEYS_PER_QUERY):
        some = keys[start : start + KEYS_PER_QUERY]
        room = min(KEYS_PER_QUERY, 1 << (len(some) - 1).bit_length())
        yield [*some, *[some[-1]] * (room - len(some))]
