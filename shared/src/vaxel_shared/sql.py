"""SQL for the services that keep state of their own: engine, migrations, readers' cursors.

PostgreSQL in production, one SQLite file a service when local. A reader's cursor is stored in the
transaction that stores its effects (rule 17 of the commit protocol).
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import command, context
from alembic.config import Config
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    select,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from vaxel_shared.settings import Settings

BUSY_TIMEOUT_MS = 5_000
"""How long SQLite waits for another writer of the same file before it gives up."""


def make_engine(settings: Settings, service: str) -> AsyncEngine:
    """The engine of a service's own database; SQLite in WAL mode, fsynced at every commit."""
    url = settings.sql_url(service)
    engine = create_async_engine(url, hide_parameters=True)  # errors must quote nobody
    if engine.dialect.name == "sqlite":
        settings.data_dir.mkdir(parents=True, exist_ok=True)

        @event.listens_for(engine.sync_engine, "connect")
        def _pragmas(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
            cursor = connection.cursor()
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            cursor.close()

    return engine


async def migrate(settings: Settings, service: str, scripts: Path) -> None:
    """Bring the database to the newest schema (Alembic scripts in ``scripts``)."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    config = Config()
    config.set_main_option("script_location", str(scripts))
    url = settings.sql_url(service).replace("+aiosqlite", "").replace("+asyncpg", "+psycopg")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    config.attributes["version_table"] = f"alembic_version_{service.replace('-', '_')}"
    await asyncio.to_thread(command.upgrade, config, "head")


def run_migrations(metadata: MetaData) -> None:
    """What a service's ``env.py`` does: run the scripts, all of them or none.

    SQLite's driver opens no transaction before DDL; without one, a process killed half-way would
    leave tables that the next start trips over.
    """
    config = context.config
    engine = create_engine(config.get_main_option("sqlalchemy.url") or "", poolclass=NullPool)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _by_hand(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
            connection.isolation_level = None
            connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=metadata,
            version_table=config.attributes["version_table"],
            transactional_ddl=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


def cursor_table(metadata: MetaData) -> Table:
    """The table of a service's cursors; declare it once beside the service's own tables.

    Of ``vaxel.decisions`` all columns are set, of other topics offset and sha256 only.
    """
    return Table(
        "cursors",
        metadata,
        Column("topic", String(120), primary_key=True),
        Column("partition", Integer, primary_key=True),
        Column("log_id", String(64)),
        Column("offset", BigInteger, nullable=False),
        Column("seq", BigInteger),
        Column("through", BigInteger),
        Column("sha256", String(64), nullable=False),
    )


async def load_cursors(
    connection: AsyncConnection, table: Table, topic: str
) -> dict[int, dict[str, object]]:
    """The stored cursors of a topic, by partition, as plain columns."""
    rows = await connection.execute(select(table).where(table.c.topic == topic))
    return {row["partition"]: dict(row) for row in rows.mappings()}


async def save_cursor(connection: AsyncConnection, table: Table, row: dict[str, object]) -> None:
    """Store a cursor within the caller's transaction; ``row`` has the table's columns."""
    keys = (table.c.topic == row["topic"]) & (table.c.partition == row["partition"])
    updated = await connection.execute(table.update().where(keys).values(row))
    if updated.rowcount == 0:
        await connection.execute(table.insert().values(row))
