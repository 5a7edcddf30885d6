"""What PostgreSQL does that SQLite doesn't: schemas, strict types, several writers, being away."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from conversations_kit import check_brought_up, make_old
from postgres_server import PostgresServer
from register_kit import CASE, KEY, NUMBER, START_MS, Register, decision, interaction, open_register
from sqlalchemy import Connection, text

from vaxel_register.bootstrap import MIGRATIONS, NAME
from vaxel_register.core.projection import project
from vaxel_register.shell.store import Store
from vaxel_register.shell.tables import METADATA
from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.settings import Settings
from vaxel_shared.sql import make_engine, migrate

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """An empty database."""
    name = f"empty_{uuid.uuid4().hex[:12]}"
    yield postgres.create(name)
    postgres.drop(name)


@pytest.fixture
async def kit(tmp_path: Path, url: str) -> AsyncIterator[Register]:
    await migrate(Settings(database_url=url), NAME, MIGRATIONS)
    kit = await open_register(tmp_path, database_url=url)
    yield kit
    await kit.close()


async def test_migrations_make_the_declared_tables_in_a_schema_of_the_services_own(
    url: str,
) -> None:
    settings = Settings(database_url=url)
    await migrate(settings, NAME, MIGRATIONS)
    await migrate(settings, NAME, MIGRATIONS)
    engine = make_engine(settings, NAME)

    def differences(connection: Connection) -> object:
        options = {"version_table": "alembic_version_register", "compare_type": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
        schemas = "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename IN ('cases', 'feed')"
        assert (await connection.execute(text(schemas))).scalars().all() == ["register"]
    await engine.dispose()


async def test_an_old_database_is_brought_up_in_place_with_its_conversations(
    tmp_path: Path, url: str
) -> None:
    settings = Settings(database_url=url)
    engine = make_engine(settings, NAME)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE SCHEMA register"))
        await connection.run_sync(make_old)
    await engine.dispose()
    await migrate(settings, NAME, MIGRATIONS)
    kit = await open_register(tmp_path, database_url=url)
    await check_brought_up(kit)
    await kit.close()


async def test_instances_that_start_together_migrate_one_after_the_other(url: str) -> None:
    settings = Settings(database_url=url)
    await asyncio.gather(*(migrate(settings, NAME, MIGRATIONS) for _ in range(4)))


async def test_services_that_share_a_database_dont_see_each_others_tables(url: str) -> None:
    settings = Settings(database_url=url)
    await migrate(settings, NAME, MIGRATIONS)
    other = make_engine(settings, "some-other")
    async with other.begin() as connection:
        await connection.execute(text("CREATE SCHEMA some_other"))
        await connection.execute(text("CREATE TABLE cases (id text)"))
        columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'cases'"
        assert (await connection.execute(text(columns))).scalar_one() > 20
        assert (await connection.execute(text("SELECT * FROM cases"))).keys() == {"id"}
    await other.dispose()


async def test_what_doesnt_fit_a_column_is_made_to_fit_and_stops_no_reader(kit: Register) -> None:
    odd = interaction(
        text="one\x00two", subject="\x00", language="x" * 99, reply_text=None,
        sender={"external_id": "a\x00b", "name": "n" * 5000},
    )  # fmt: skip
    await kit.receive(odd)
    await kit.with_case()
    await kit.receive(interaction("ours\x00", direction="outbound", conversation_key=KEY))
    status, case = await kit.get(f"/cases/{NUMBER}")
    message = next(entry["message"] for entry in case["timeline"] if entry["kind"] == "interaction")
    assert (status, message["text"]) == (200, "one\ufffdtwo")
    assert message["language"] == "x" * 35


@pytest.mark.parametrize(
    "query", [{"q": "\x00"}, {"queue": "\x00"}, {"status": "open", "q": "%_\\"}]
)
async def test_no_query_breaks_it(kit: Register, query: dict[str, str]) -> None:
    await kit.with_case()
    assert (await kit.get("/cases", **query))[0] == 200


async def test_a_page_goes_on_after_its_cursor(kit: Register) -> None:
    await kit.with_case()
    await kit.decide(decision("case.opened", START_MS + 9, case_id="two", number="S-2"))
    _, first = await kit.get("/cases", limit="1")
    _, second = await kit.get("/cases", limit="1", cursor=first["next"])
    assert [page["items"][0]["number"] for page in (first, second)] == ["S-2", NUMBER]


async def test_instances_that_fold_the_same_log_lose_nothing_to_each_other(
    kit: Register, url: str
) -> None:
    await kit.with_case()
    engines = [make_engine(Settings(database_url=url), NAME) for _ in range(3)]
    stores = [Store(engine) for engine in engines]

    async def follow(store: Store) -> None:
        for seq in range(10, 60):
            type_ = "case.resolved" if seq % 2 else "case.waiting"
            said = decision(type_, START_MS + seq, case_id=CASE, waits_for="customer")
            await store.apply(project(said, partition=0, offset=seq, seq=seq, index=0), [])

    await asyncio.gather(*(follow(store) for store in stores))
    row = await kit.queries.case(NUMBER)
    assert row is not None
    assert (row["status"], row["log_place"] >> 16) == ("resolved", 59)
    ids = [change["id"] for change in await kit.queries.feed(0, 1000)]
    assert ids == sorted(ids)
    for engine in engines:
        await engine.dispose()


async def test_a_database_that_is_away_is_a_503_and_is_used_again_when_it_is_back(
    tmp_path: Path, url: str, postgres: PostgresServer
) -> None:
    await migrate(Settings(database_url=url), NAME, MIGRATIONS)
    kit = await open_register(tmp_path, database_url=url)
    await kit.with_case()
    name = url.rpartition("/")[2]
    postgres.sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    status, body = await kit.get("/cases")
    assert (status, body["title"]) == (503, "unavailable")
    assert NUMBER not in body["detail"]
    with pytest.raises(Retryable, match="is it up"):
        await kit.decide(decision("case.resolved", case_id=CASE))
    postgres.sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert (await kit.get("/cases"))[0] == 200
    await kit.close()


async def test_a_server_that_isnt_there_is_said_with_a_remedy() -> None:
    settings = Settings(database_url="postgresql+asyncpg://nobody@127.0.0.1:9/none")
    with pytest.raises(Retryable, match="is it up"):
        await migrate(settings, NAME, MIGRATIONS)


def test_another_kind_of_database_is_refused_at_once() -> None:
    with pytest.raises(Fatal, match="postgresql"):
        make_engine(Settings(database_url="mysql://x/y"), NAME)
