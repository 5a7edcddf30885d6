"""Units of work: many to a commit, in order, each with its own answer or its own error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, event, func, select
from sqlalchemy.exc import IntegrityError

from vaxel_shared.settings import Settings
from vaxel_shared.sql import insert_missing, make_engine
from vaxel_shared.transactions import UNITS_MAX, Transactions, Unit

METADATA = MetaData()
NOTES = Table(
    "notes",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("text", String(20)),
)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def notes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Transactions]:
    settings = Settings(data_dir=tmp_path)
    if request.param == "postgres":
        server = request.getfixturevalue("postgres")
        settings = Settings(data_dir=tmp_path, database_url=server.create("notes"))
    transactions = Transactions(make_engine(settings, "public"))
    await transactions.write(METADATA.create_all)
    yield transactions
    await transactions.write(METADATA.drop_all)
    await transactions.close()
    if request.param == "postgres":
        server.drop("notes")


def note(id_: int, text: str = "") -> Unit[int]:
    def unit(connection: Connection) -> int:
        connection.execute(NOTES.insert().values(id=id_, text=text))
        return id_

    return unit


async def ids(notes: Transactions) -> list[int]:
    query = select(NOTES.c.id).order_by(NOTES.c.id)
    return await notes.read(lambda connection: list(connection.execute(query).scalars()))


async def test_a_unit_is_answered_once_it_is_written(notes: Transactions) -> None:
    assert await notes.write(note(1)) == 1
    assert await ids(notes) == [1]


async def test_units_see_what_those_before_them_wrote(notes: Transactions) -> None:
    count = select(func.count()).select_from(NOTES)

    def counted(id_: int) -> Unit[int]:
        def unit(connection: Connection) -> int:
            note(id_)(connection)
            return int(connection.execute(count).scalar_one())

        return unit

    answers = await asyncio.gather(*(notes.write(counted(id_)) for id_ in range(100)))
    assert answers == list(range(1, 101))


async def test_a_unit_that_fails_of_itself_is_not_written_and_takes_no_other_with_it(
    notes: Transactions,
) -> None:
    def mistaken(connection: Connection) -> int:
        note(99)(connection)
        raise LookupError("a mistake of ours")

    units: list[Unit[int]] = [note(1), mistaken, note(2)]
    answers = await asyncio.gather(*map(notes.write, units), return_exceptions=True)
    assert [type(answer) for answer in answers] == [int, LookupError, int]
    assert await ids(notes) == [1, 2]


async def test_where_the_database_fails_nothing_of_the_commit_is_there_and_all_are_told(
    notes: Transactions,
) -> None:
    await notes.write(note(1))
    answers = await asyncio.gather(
        *map(notes.write, [note(2), note(1), note(3)]), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [IntegrityError] * 3
    assert await ids(notes) == [1]
    assert await notes.write(note(4)) == 4


async def test_who_gave_up_before_it_began_is_left_out(notes: Transactions) -> None:
    first = asyncio.create_task(notes.write(note(1)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # its commit is under way
    given_up, after = (
        asyncio.create_task(notes.write(note(2))),
        asyncio.create_task(notes.write(note(3))),
    )
    await asyncio.sleep(0)
    given_up.cancel()
    assert [await first, await after] == [1, 3]
    assert await ids(notes) == [1, 3]


async def test_closing_waits_for_what_is_being_written(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    before = Transactions(make_engine(settings, "one"))
    await before.write(METADATA.create_all)
    writing = asyncio.create_task(before.write(note(1)))
    await asyncio.sleep(0)
    await before.close()
    assert await writing == 1
    after = Transactions(make_engine(settings, "one"))
    assert await ids(after) == [1]
    await after.close()


async def test_waiting_units_share_commits_and_no_commit_has_too_many(tmp_path: Path) -> None:
    notes = Transactions(make_engine(Settings(data_dir=tmp_path), "one"))
    await notes.write(METADATA.create_all)
    commits: list[int] = []
    units = 0

    def counted(connection: Connection) -> None:
        nonlocal units
        units += 1

    assert notes._file is not None

    @event.listens_for(notes._file, "commit")
    def _committed(_connection: Any) -> None:
        nonlocal units
        commits.append(units)
        units = 0

    await asyncio.gather(*(notes.write(counted) for _ in range(100)))
    await notes.close()
    assert sum(commits) == 100
    assert max(commits) <= UNITS_MAX
    assert len(commits) <= 5


async def test_a_file_is_fsynced_at_every_commit(tmp_path: Path) -> None:
    notes = Transactions(make_engine(Settings(data_dir=tmp_path), "one"))
    pragma = "PRAGMA synchronous"
    full = await notes.read(lambda one: one.exec_driver_sql(pragma).scalar())
    mode = await notes.read(lambda one: one.exec_driver_sql("PRAGMA journal_mode").scalar())
    await notes.close()
    assert (full, mode) == (2, "wal")


async def test_what_is_there_is_left_as_it_is(notes: Transactions) -> None:
    await notes.write(note(1, "before"))
    rows = [{"id": 1, "text": "after"}, {"id": 2, "text": "first"}, {"id": 2, "text": "second"}]
    await notes.write(lambda connection: insert_missing(connection, NOTES, "id", rows))
    found = await notes.read(
        lambda connection: connection.execute(select(NOTES).order_by(NOTES.c.id)).all()
    )
    assert [tuple(row) for row in found] == [(1, "before"), (2, "first")]
