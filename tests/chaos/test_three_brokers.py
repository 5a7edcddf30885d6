"""Three brokers, in a size for every change: most kinds of fault once, and one unclean election."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from chaos.three_brokers import SHORT, Plan, Run
from chaos.three_brokers_account import explain

pytestmark = pytest.mark.e2e


def test_leaders_die_and_nothing_is_lost_and_a_cut_log_halts(tmp_path: Path) -> None:
    offset = 17_000 + os.getpid() % 4_000
    outcome = Run(tmp_path, Plan(port_offset=offset)).whole()
    explain(outcome, tmp_path)
    assert outcome.broken == []
    assert outcome.done.total() == sum(SHORT.values()) + 2
    assert outcome.verdict.acknowledged > 50
    assert outcome.verdict.assigned > 0
    assert outcome.verdict.compared_cases > 0
