"""Fixtures for every test of the repository: a broker, a prefix of one's own, settings.

One Apache Kafka serves a whole run; topics of different tests don't meet because of their prefix.
``VAXEL_TEST_BROKER=host:port`` uses one that runs already.
"""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from postgres_server import NoPostgres, PostgresServer

from vaxel_cli.broker import LocalBroker, prepare
from vaxel_shared.errors import VaxelError
from vaxel_shared.settings import Settings


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A test that sets up logging, as a process does, leaves it as it was."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on right now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an Apache Kafka.

    Where none can be had (no network at the first run), tests that need one are skipped with the
    reason; in CI that is an error.
    """
    running = os.environ.get("VAXEL_TEST_BROKER")
    if running:
        yield running
        return
    try:
        started = asyncio.run(_start(tmp_path_factory.mktemp("broker")))
    except VaxelError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no broker: {error}")
    yield started.address
    asyncio.run(started.stop())


async def _start(folder: Path) -> LocalBroker:
    port, controller_port = free_ports(2)
    started = LocalBroker(await prepare(), folder, port=port, controller_port=controller_port)
    await started.start()
    await started.wait_ready()
    return started


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topic names that no other test has."""
    return f"t{uuid.uuid4().hex[:10]}."


@pytest.fixture
def make_settings(broker: str, topic_prefix: str, tmp_path: Path) -> Callable[..., Settings]:
    """Makes settings for the run's broker, this test's prefix and a data dir of its own."""

    def make(**overrides: Any) -> Settings:
        defaults = {
            "broker": broker,
            "security_protocol": "PLAINTEXT",
            "topic_prefix": topic_prefix,
            "data_dir": tmp_path,
        }
        return Settings(**(defaults | overrides))

    return make


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """What :func:`make_settings` makes by itself."""
    return make_settings()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server. Where there is none, tests that need it are skipped with the reason.

    With ``VAXEL_REQUIRE_POSTGRES=1``, as in CI, that is an error.
    """
    try:
        server = PostgresServer(free_ports(1)[0])
    except NoPostgres as error:
        if os.environ.get("VAXEL_REQUIRE_POSTGRES") == "1":
            raise
        pytest.skip(str(error))
    yield server
    server.stop()
