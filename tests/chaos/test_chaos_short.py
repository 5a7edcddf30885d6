"""Short runs of chaos for every change: as many kinds of fault as fit, on a network that fails too,
and a burst of kill -9 over all services.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from chaos.chaos import Plan, run
from chaos.system import SERVICES

pytestmark = pytest.mark.e2e


def test_nothing_is_lost_or_done_twice_whatever_is_done_to_the_system(tmp_path: Path) -> None:
    seed = int(os.environ.get("VAXEL_CHAOS_SEED", "7"))
    offset = 13_000 + os.getpid() % 4_000
    verdict = run(
        tmp_path, Plan(seconds=35, rate=8, seed=seed, port_offset=offset, scale=0.4, drain_s=30)
    )
    assert verdict.wrong == {}
    assert verdict.acknowledged > 50
    assert verdict.assigned > 0
    assert verdict.compared_cases > 0
    assert verdict.mails > 0


def test_nothing_is_lost_or_done_twice_however_fast_processes_are_killed(tmp_path: Path) -> None:
    seed = int(os.environ.get("VAXEL_CHAOS_SEED", "7"))
    offset = 17_000 + os.getpid() % 4_000
    plan = Plan(
        kills=45, pace_s=1.0, rate=5, seed=seed, port_offset=offset, network=False, drain_s=30
    )
    verdict = run(tmp_path, plan)
    assert verdict.wrong == {}
    assert {f"kill {name}" for name in (*SERVICES, "broker")} <= verdict.faults.keys()
    assert verdict.acknowledged > 50
    assert verdict.answered > 0
    assert verdict.timers > 0
    assert verdict.clocks > 0
