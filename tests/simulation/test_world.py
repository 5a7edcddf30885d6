"""The simulated world: a fixed set of histories, and broken builds that they must find."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import structlog
from simulation.simlog import Fate
from simulation.world import plan, powercut
from simulation.world.broken import BROKEN, build
from simulation.world.history import Failed, History

HISTORIES = int(os.environ.get("WORLD_HISTORIES", "80"))
FINDS_WITHIN = 30
"""Histories in which a broken build must be found."""
RICH = (
    "work.queued lease_lapsed", "work.stepped overflow", "case.opened review", "case.opened approve",
    "case.opened consult", "work.suspended requested", "agent.changed connection_lost",
    "agent.changed channels", "agent.changed cool_down", "agent.changed occupancy",
    "agent.changed share_renewed", "work.cancelled spam", "work.abandoned left",
    "agent.changed elsewhere", "agent.changed elsewhere_over", "tool.drifted None",
)  # fmt: skip
"""What the plainest pools know nothing of: decisions with their reasons."""
RUN = Path(__file__).with_name("world_run.py")


@pytest.fixture(autouse=True)
def quiet() -> object:
    """A process that says why it restarts is of no use ten thousand times."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.configure(**before)


def test_whatever_goes_wrong_nothing_is_lost_doubled_or_late() -> None:
    seen: Counter[str] = Counter()
    for seed in range(HISTORIES):
        one = History(seed).run()
        seen.update(one.faults.counts)
        seen.update({f"append {fate.name}": count for fate, count in one.broker.fates.items()})
        seen.update(one.plan.checks + one.plan.services)
        seen["void"] += one.checker.voids
        seen["timers"] += one.checker.facts.timers
        seen["displaced"] += one.ends["Displaced"]
        seen["copies"] += one.copies
        seen.update(one.checker.reasons)
    for kind in plan.KINDS:
        assert seen[kind], f"{kind} never happened: these histories show nothing of it"
    for fate in set(Fate) - {Fate.FINE}:
        assert seen[f"append {fate.name}"]
    for what in RICH:
        assert seen[what], f"{what}: these histories show nothing of it"
    for what in ("kill_at_call", "void", "displaced", "timers", "delivery", "clocks", "copies"):
        assert seen[what], what


def test_who_acted_on_what_a_power_cut_took_halts_and_says_what_to_do() -> None:
    halted: Counter[str] = Counter()
    for seed in range(20):
        halted.update(powercut.play(seed)["halted"].keys())
    assert halted["router-0"] > 3
    assert halted["register"] > 3


def test_a_seed_is_a_history_whatever_the_hash_seed() -> None:
    def digest(hash_seed: str) -> str:
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        command = [sys.executable, str(RUN), "--seeds", "0..6", "--digests"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    first, second = digest("1"), digest("2")
    assert len(first.strip()) == 64
    assert first == second


@pytest.mark.parametrize("rule", sorted(BROKEN))
def test_a_broken_rule_is_found(rule: str) -> None:
    with build(rule):
        for seed in range(FINDS_WITHIN):
            one = History(seed, services=("clocks",) if rule == "alarms_not_told" else None)
            try:
                one.run()
            except Failed as failed:
                said = str(failed)
                assert f"--seed {seed}" in said
                assert "the last 20 records" in said
                return
    pytest.fail(f"{FINDS_WITHIN} histories did not find it")
