"""More than is sustained, for a moment: refused politely, nothing lost, nothing left behind."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from chaos.overload import Load, Overload, Plan, explain
from chaos.overload_watch import growth, total

PAGE = """
# HELP vaxel_lag_records Records not yet handled.
vaxel_lag_records{partition="0",topic="vaxel.work"} 3.0
vaxel_lag_records{partition="1",topic="vaxel.work"} 4.0
vaxel_ready 1.0
"""


@pytest.mark.e2e
def test_overload_is_refused_politely_and_leaves_nothing_behind(tmp_path: Path) -> None:
    plan = Plan(
        seconds=20,
        factor=10,
        rate=25,
        port_offset=18_000 + os.getpid() % 1_500,
        after_s=5,
        drain_s=90,
    )
    outcome = Overload(tmp_path, plan).whole()
    explain(outcome, plan, tmp_path)
    assert outcome.wrong == {}
    assert outcome.load is not None
    assert outcome.load.accepted > 200
    assert outcome.verdict.contacts >= outcome.load.accepted
    assert outcome.memory.keys() >= {"router", "triage", "ingest-email", "ingest-chat", "register"}


def test_memory_that_grows_is_seen_and_noise_is_not() -> None:
    mib = 1024
    leak = growth([(second, (100 + second) * mib) for second in range(60)])
    noise = growth([(second, (100 + 6 * (second % 2)) * mib) for second in range(60)])
    warm = growth([(second, min(200, 100 + 10 * second) * mib) for second in range(60)])
    assert leak is not None
    assert not leak.flat
    assert noise is not None
    assert noise.flat
    assert warm is not None
    assert warm.flat
    assert growth([(0, 1), (1, 1)]) is None


def test_an_answer_that_no_protocol_knows_is_impolite() -> None:
    load = Load(9, 0, 0, Counter())
    load.counts.update({"mail 250": 3, "mail 451": 2, "chat close 1013": 1, "hook 500": 1})
    load.counts.update({"mail hung up": 1, "hook 503 without Retry-After": 1})
    assert load.accepted == 3
    assert set(load.impolite) == {"hook 500", "mail hung up", "hook 503 without Retry-After"}


def test_a_page_of_metrics_is_summed_by_name_and_labels() -> None:
    assert total(PAGE, "vaxel_lag_records") == 7
    assert total(PAGE, "vaxel_lag_records", partition="1") == 4
    assert total(PAGE, "vaxel_lag") == 0
