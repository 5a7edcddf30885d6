"""SQL for the services that keep state of their own: engine, migrations, readers' cursors.

PostgreSQL in production, where each service has a schema of its own in one database; one SQLite
file a service when local. A reader's cursor is stored in the transaction that stores its effects
(rule 17 of the commit protocol).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Dialect,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    event,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool
from sqlalchemy.types import TypeDecorator

from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.settings import Settings

BUSY_TIMEOUT_MS = 5_000
"""How long SQLite waits for another writer of the same file before it gives up."""
CONNECT_TIMEOUT_S = 5
"""How long PostgreSQL may take to let us in."""
STATEMENT_TIMEOUT_S = 30
"""No statement of ours takes so long unless the server is stuck."""
MIGRATION_LOCK = 0x7661_7865
"""The advisory lock under which schemas change: several processes may start at once."""
WRITE_LOCK = 0x7661_7866
"""The advisory lock of whoever folds rows: see :func:`one_writer`."""


RowId = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database gives; SQLite numbers only plain INTEGER keys."""


class Characters(TypeDecorator[str]):
    """Text as it comes from outside, of at most ``length`` characters.

    PostgreSQL refuses U+0000 and what is too long for its column, SQLite takes both. Neither may
    stop a reader, so they are made to fit: the one becomes U+FFFD, the other is cut.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """The value, made to fit."""
        del dialect
        if value is None:
            return None
        fitting = value.replace("\x00", "\ufffd")
        length: int | None = self.impl_instance.length  # type: ignore[attr-defined]
        return fitting if length is None else fitting[:length]


class Prose(Characters):
    """The same, of any length."""

    impl = Text
    cache_ok = True


def schema_of(service: str) -> str:
    """The PostgreSQL schema of a service; none reads another's."""
    return service.replace("-", "_")


def make_engine(settings: Settings, service: str) -> AsyncEngine:
    """The engine of a service's own database; SQLite in WAL mode, fsynced at every commit."""
    engine = _engine(settings, service, poolclass=None)
    if engine.dialect.name == "sqlite":
        durable_sqlite(engine.sync_engine)
    return engine


def durable_sqlite(engine: Engine) -> None:
    """Every connection of this engine: write-ahead log, fsync at every commit."""

    @event.listens_for(engine, "connect")
    def _pragmas(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.close()


def _engine(settings: Settings, service: str, poolclass: type[NullPool] | None) -> AsyncEngine:
    url = settings.sql_url(service)
    if url.startswith("postgresql://"):
        url = url.replace("postgresql://", "postgresql+asyncpg://", 1)
    if url.startswith("postgresql+asyncpg://"):
        return create_async_engine(
            url,
            hide_parameters=True,  # errors must quote nobody
            poolclass=poolclass,
            connect_args={
                "timeout": CONNECT_TIMEOUT_S,
                "command_timeout": STATEMENT_TIMEOUT_S,
                "server_settings": {
                    "search_path": schema_of(service),
                    "application_name": f"vaxel-{service}",
                },
            },
            **({} if poolclass is not None else {"pool_pre_ping": True}),
        )
    if not url.startswith("sqlite+aiosqlite://"):
        scheme = url.partition(":")[0]
        raise Fatal(
            f"VAXEL_DATABASE_URL begins with {scheme}:; use postgresql+asyncpg:// or leave it out"
        )
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    # Each connection has a page cache of its own: whoever asks next gets the one that is warm.
    pooled: dict[str, Any] = {} if poolclass is not None else {"pool_use_lifo": True}
    return create_async_engine(url, hide_parameters=True, poolclass=poolclass, **pooled)


async def migrate(settings: Settings, service: str, scripts: Path) -> None:
    """Bring the database to the newest schema (Alembic scripts in ``scripts``), all or nothing.

    Raises Retryable where the database doesn't answer.
    """
    engine = _engine(settings, service, NullPool)
    if engine.dialect.name == "sqlite":
        _begin_by_hand(engine)

    def upgrade(connection: Connection) -> None:
        table = f"alembic_version_{schema_of(service)}"
        if _versions(connection, table) != _newest(scripts):
            _upgrade(connection, table, scripts)

    try:
        with answering():
            async with engine.begin() as connection:
                if engine.dialect.name == "postgresql":
                    await _lock(connection, MIGRATION_LOCK)
                    schema = schema_of(service)
                    await connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
                await connection.run_sync(upgrade)
    finally:
        await engine.dispose()


_REVISION = re.compile(r'^(revision|down_revision) = "([^"]+)"$', re.MULTILINE)


def _newest(scripts: Path) -> set[str]:
    """The revision that no script goes on from."""
    made: set[str] = set()
    left: set[str] = set()
    for path in (scripts / "versions").glob("*.py"):
        for name, revision in _REVISION.findall(path.read_text(encoding="utf-8")):
            (made if name == "revision" else left).add(revision)
    return made - left


def _versions(connection: Connection, table: str) -> set[str]:
    """What the database says that it is at."""
    if not inspect(connection).has_table(table):
        return set()
    return set(connection.execute(text(f'SELECT version_num FROM "{table}"')).scalars())  # noqa: S608 - our own name


def _upgrade(connection: Connection, table: str, scripts: Path) -> None:
    # Alembic takes half a second to be loaded: not at every start after a kill.
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.attributes |= {"version_table": table, "connection": connection}
    command.upgrade(config, "head")


def _begin_by_hand(engine: AsyncEngine) -> None:
    """Let DDL be part of the transaction.

    SQLite's driver opens no transaction before DDL; without one, a process killed half-way would
    leave tables that the next start trips over.
    """

    @event.listens_for(engine.sync_engine, "connect")
    def _by_hand(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def run_migrations(metadata: MetaData) -> None:
    """What a service's ``env.py`` does: run the scripts in the transaction of :func:`migrate`."""
    from alembic import context  # noqa: PLC0415 - slow to load, and loaded where this is called

    attributes = context.config.attributes
    context.configure(
        connection=attributes["connection"],
        target_metadata=metadata,
        version_table=attributes["version_table"],
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


PASSING_STATES = ("08", "53", "55", "57", "58")
"""Classes of SQLSTATE that pass: connections, resources such as the disk, a server that isn't in
the right state or is being stopped, trouble of its machine."""


@contextmanager
def answering() -> Iterator[None]:
    """Turns a database that doesn't answer, or can't write, into Retryable."""
    try:
        yield
    except DBAPIError as error:
        if not _passes(error):
            raise
        raise _away(error.orig or error) from error
    except (PoolTimeoutError, OSError) as error:
        raise _away(error) from error


def _passes(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None) or ""
    return (
        isinstance(error, OperationalError | InterfaceError)
        or error.connection_invalidated
        or state.startswith(PASSING_STATES)
    )


def _away(error: BaseException) -> Retryable:
    # The driver's own words are about files, sockets and tables; a statement's values stand in
    # other classes of errors than these.
    said = str(error).partition("\n")[0][:200] or type(error).__name__
    return Retryable(
        f"the database can't be used ({said}); is it up, and is there room on its disk?"
    )


async def one_writer(connection: AsyncConnection) -> None:
    """Let only this transaction fold rows until it ends, whatever process it belongs to.

    What is read, changed and written back must not be overtaken. On SQLite the service holds a
    lock of its own, since a file has one service.
    """
    if connection.dialect.name == "postgresql":
        await _lock(connection, WRITE_LOCK)


async def _lock(connection: AsyncConnection, number: int) -> None:
    # Locks are the database's, not the schema's: services that share one must not wait in line.
    statement = text(
        "SELECT pg_advisory_xact_lock(:number, hashtext(current_setting('search_path')))"
    )
    await connection.execute(statement, {"number": number})


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


def load_cursors(connection: Connection, table: Table, topic: str) -> dict[int, dict[str, object]]:
    """The stored cursors of a topic, by partition, as plain columns."""
    rows = connection.execute(select(table).where(table.c.topic == topic))
    return {row["partition"]: dict(row) for row in rows.mappings()}


def save_cursor(connection: Connection, table: Table, row: dict[str, object]) -> None:
    """Store a cursor within the caller's transaction; ``row`` has the table's columns."""
    keys = (table.c.topic == row["topic"]) & (table.c.partition == row["partition"])
    updated = connection.execute(table.update().where(keys).values(row))
    if updated.rowcount == 0:
        connection.execute(table.insert().values(row))


def insert_missing(connection: Connection, table: Table, key: str, rows: list[Any]) -> None:
    """Make rows, except those whose ``key`` is there already; of the same key the first."""
    if rows:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        statement = insert(table).on_conflict_do_nothing(index_elements=[key])
        connection.execute(statement, rows)
