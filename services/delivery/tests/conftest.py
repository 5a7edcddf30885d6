"""Lets delivery's tests share their kit, and runs those about stored state on PostgreSQL as well."""

import asyncio
import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import delivery_kit

from vaxel_delivery.bootstrap import MIGRATIONS, NAME
from vaxel_shared.settings import Settings
from vaxel_shared.sql import migrate

ON_BOTH = {
    "test_delivery_outbox", "test_delivery_killed", "test_delivery_chat", "test_delivery_defect",
    "test_delivery_answers",
}  # fmt: skip


def pytest_generate_tests(metafunc):
    if metafunc.module.__name__.rpartition(".")[2] in ON_BOTH:
        metafunc.fixturenames.insert(0, "database")
        kinds = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
        metafunc.parametrize("database", kinds, indirect=True)


@pytest.fixture
def database(request, monkeypatch):
    """Where the boxes of a test keep their state: a database for each folder."""
    if request.param == "sqlite":
        yield
        return
    server = request.getfixturevalue("postgres")
    template = request.getfixturevalue("delivery_template")
    made = {}

    def url(folder):
        if folder not in made:
            made[folder] = f"delivery_{uuid.uuid4().hex[:12]}"
            server.create(made[folder], template)
        return server.url(made[folder])

    monkeypatch.setattr(delivery_kit, "database_url", url)
    yield
    for name in made.values():
        server.drop(name)


@pytest.fixture(scope="session")
def delivery_template(postgres):
    """A database with delivery's tables, to be copied."""
    settings = Settings(database_url=postgres.create("delivery_template"))
    asyncio.run(migrate(settings, NAME, MIGRATIONS))
    return "delivery_template"
