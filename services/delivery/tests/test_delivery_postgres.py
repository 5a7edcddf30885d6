"""Delivery on PostgreSQL: a schema of its own, one instance, text that the server would refuse."""

import asyncio
import uuid

import pytest
from delivery_kit import chat_message, interaction, make_box, make_settings_for
from sqlalchemy import inspect, text

from vaxel_delivery.bootstrap import MIGRATIONS, NAME
from vaxel_delivery.shell import lock as lock_module
from vaxel_delivery.shell.lock import only_one
from vaxel_delivery.shell.tables import METADATA
from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.sql import make_engine, migrate

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(postgres):
    name = f"delivery_{uuid.uuid4().hex[:12]}"
    yield postgres.create(name)
    postgres.drop(name)


async def test_the_migrations_make_the_tables_in_a_schema_of_their_own(tmp_path, url):
    settings = make_settings_for(tmp_path, database_url=url)
    await asyncio.gather(*(migrate(settings, NAME, MIGRATIONS) for _ in range(3)))
    engine = make_engine(settings, NAME)
    async with engine.connect() as connection:
        found = await connection.run_sync(
            lambda sync: {
                table: {column["name"] for column in inspect(sync).get_columns(table, "delivery")}
                for table in inspect(sync).get_table_names("delivery")
            }
        )
        elsewhere = await connection.run_sync(lambda sync: inspect(sync).get_table_names("public"))
    await engine.dispose()
    assert elsewhere == []
    assert set(found) == {*METADATA.tables, "alembic_version_delivery"}
    for name, table in METADATA.tables.items():
        assert found[name] == {column.name for column in table.columns}


async def test_one_delivery_a_database_and_the_next_when_it_is_gone(tmp_path, url, monkeypatch):
    monkeypatch.setattr(lock_module, "TRY_S", 1.0)
    settings = make_settings_for(tmp_path, database_url=url)
    engine = make_engine(settings, NAME)
    held = await only_one(settings, engine)
    with pytest.raises(Fatal, match="another delivery runs on this database"):
        await only_one(settings, engine)
    await held.close()
    again = await only_one(settings, engine)
    await again.close()
    await engine.dispose()


async def test_whoever_loses_the_lock_stops(tmp_path, url, monkeypatch):
    monkeypatch.setattr(lock_module, "CHECK_EVERY_S", 0.05)
    settings = make_settings_for(tmp_path, database_url=url)
    engine, other = make_engine(settings, NAME), make_engine(settings, NAME)
    held = await only_one(settings, engine)
    watching = asyncio.ensure_future(held.watch(asyncio.Event()))
    await asyncio.sleep(0.2)
    assert not watching.done()
    async with other.connect() as connection:
        await connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        )
    with pytest.raises(Fatal, match="lost its lock"):
        await asyncio.wait_for(watching, 10)
    await held.close()
    await engine.dispose()
    await other.dispose()


async def test_a_server_that_is_not_there_is_waited_for(tmp_path):
    settings = make_settings_for(tmp_path, database_url="postgresql+asyncpg://v@127.0.0.1:1/none")
    engine = make_engine(settings, NAME)
    with pytest.raises(Retryable, match="the database can't be used"):
        await only_one(settings, engine)
    await engine.dispose()


async def test_a_server_that_goes_away_ends_the_run_and_quotes_nobody(tmp_path, postgres, url):
    box = await make_box(tmp_path, database_url=url)
    postgres.drop(url.rpartition("/")[2])
    with pytest.raises(Fatal, match="delivery's database failed") as caught:
        await box.keep(interaction(subject="a private matter"))
    assert "private" not in str(caught.value)
    await box.store.close()


async def test_text_that_the_server_would_refuse_is_kept_readable(tmp_path, url):
    box = await make_box(tmp_path, database_url=url)
    odd = {"external_id": "vis\x00itor" + "x" * 2_000, "name": "An\x00na"}
    await box.keep(chat_message(sender=odd, text="a\x00b", subject="s\x00t"))
    kept = await box.store.kept("contact-1")
    assert kept.first_lines == "a\ufffdb"
    assert kept.sender_address.startswith("vis\ufffditor")
    await box.store.close()
