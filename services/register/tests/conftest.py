"""Lets the register's tests share their kit, and opens registers for them."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from register_kit import Register, open_register


@pytest.fixture
async def register(tmp_path: Path) -> AsyncIterator[Register]:
    """A register on an empty database; its log is a list."""
    kit = await open_register(tmp_path)
    yield kit
    await kit.close()


@pytest.fixture
async def reopen(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Register]]]:
    """Opens registers on one data dir, as after a restart; closes them in the end."""
    kits: list[Register] = []

    async def make(**settings: Any) -> Register:
        kits.append(await open_register(tmp_path, **settings))
        return kits[-1]

    yield make
    for kit in kits:
        await kit.close()
