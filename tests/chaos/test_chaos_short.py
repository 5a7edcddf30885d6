"""A short run of chaos for every change: each process is killed once or twice under load."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from chaos.chaos import run

pytestmark = pytest.mark.e2e


def test_nothing_is_lost_or_done_twice_while_everything_is_killed(tmp_path: Path) -> None:
    seed = int(os.environ.get("VAXEL_CHAOS_SEED", "7"))
    offset = 18_000 + os.getpid() % 4_000
    verdict = run(tmp_path, seconds=30, rate=10, seed=seed, port_offset=offset)
    assert verdict.wrong == {}
    assert verdict.acknowledged > 50
    assert verdict.assigned > 0
