"""Makes running services; see ``chat_kit``."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from chat_kit import Running


@pytest.fixture
def house(tmp_path: Path) -> Callable[..., Any]:
    @asynccontextmanager
    async def make(**overrides: Any) -> AsyncIterator[Running]:
        running = Running(tmp_path, **overrides)
        await running.start()
        try:
            yield running
        finally:
            await running.close()

    return make
