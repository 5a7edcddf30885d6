"""Migrations make exactly the declared tables, from nothing, again and half-way."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from conversations_kit import check_brought_up, make_old
from register_kit import open_register
from sqlalchemy import create_engine

from vaxel_register.bootstrap import MIGRATIONS, NAME
from vaxel_register.shell.tables import METADATA
from vaxel_shared.errors import Retryable
from vaxel_shared.settings import Settings
from vaxel_shared.sql import migrate


async def test_migrations_make_the_declared_tables_and_may_run_again(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "made by it")
    await migrate(settings, NAME, MIGRATIONS)
    await migrate(settings, NAME, MIGRATIONS)
    engine = create_engine(settings.sql_url(NAME).replace("+aiosqlite", ""))
    with engine.connect() as connection:
        options = {"version_table": "alembic_version_register", "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


async def test_a_migration_that_fails_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    file = tmp_path / "register.db"
    with sqlite3.connect(file) as connection:
        connection.execute("create table works (id text)")  # stands in the way of a later step
    with pytest.raises(Retryable, match="table works already exists"):
        await migrate(settings, NAME, MIGRATIONS)
    with sqlite3.connect(file) as connection:
        tables = {row[0] for row in connection.execute("select name from sqlite_master")}
        assert "cases" not in tables
        connection.execute("drop table works")
    await migrate(settings, NAME, MIGRATIONS)


async def test_an_old_database_is_brought_up_in_place_with_its_conversations(
    tmp_path: Path,
) -> None:
    settings = Settings(data_dir=tmp_path)
    engine = create_engine(settings.sql_url(NAME).replace("+aiosqlite", ""))
    with engine.begin() as connection:
        make_old(connection)
    engine.dispose()
    await migrate(settings, NAME, MIGRATIONS)
    kit = await open_register(tmp_path)
    await check_brought_up(kit)
    await kit.close()
