"""One system for all chapters of the story: it is started by ``vaxel up`` on a copy of config/."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from e2e.house import House


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The example deployment, running."""
    house = House(tmp_path_factory.mktemp("house"), 14_000 + os.getpid() % 4_000)
    house.system.start()
    yield house
    house.system.end()
