"""Lets the register's tests share their kit, and opens registers for them."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres_server import PostgresServer

sys.path.insert(0, str(Path(__file__).parent))

from register_kit import Register, open_register

from vaxel_register.bootstrap import MIGRATIONS, NAME
from vaxel_register.config import RegisterSettings
from vaxel_shared.sql import migrate


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], ids=str)
def database_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """An empty database with all its tables: a PostgreSQL one, or None for a SQLite file."""
    if request.param == "sqlite":
        yield None
        return
    server = request.getfixturevalue("postgres")
    name = f"register_{uuid.uuid4().hex[:12]}"
    yield server.create(name, request.getfixturevalue("postgres_template"))
    server.drop(name)


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    """The name of a database that others are copied from: migrated once."""
    settings = RegisterSettings(database_url=postgres.create("register_template"))
    asyncio.run(migrate(settings, NAME, MIGRATIONS))
    return "register_template"


@pytest.fixture
async def register(tmp_path: Path, database_url: str | None) -> AsyncIterator[Register]:
    """A register on an empty database; its log is a list."""
    kit = await open_register(tmp_path, database_url=database_url)
    yield kit
    await kit.close()


@pytest.fixture
async def reopen(
    tmp_path: Path, database_url: str | None
) -> AsyncIterator[Callable[..., Awaitable[Register]]]:
    """Opens registers on one database, as after a restart; closes them in the end."""
    kits: list[Register] = []

    async def make(**settings: Any) -> Register:
        kits.append(await open_register(tmp_path, database_url=database_url, **settings))
        return kits[-1]

    yield make
    for kit in kits:
        await kit.close()
