"""Which connection of a pool is taken: the one that was used last, so few caches are filled."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from vaxel_shared.settings import Settings
from vaxel_shared.sql import make_engine


async def test_whoever_asks_next_gets_the_connection_that_was_used_last(tmp_path: Path) -> None:
    engine = make_engine(Settings(data_dir=tmp_path), "one")

    async def driver(connection: AsyncConnection) -> object:
        return (await connection.get_raw_connection()).driver_connection

    async with AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(engine.connect())
    taken = set()
    for _ in range(8):
        async with engine.connect() as connection:
            taken.add(await driver(connection))
    await engine.dispose()
    assert len(taken) == 1
