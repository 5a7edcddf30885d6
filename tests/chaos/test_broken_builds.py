"""The harness proves that it can fail: a build that breaks one rule ends in a verdict that says so.

The rule is broken in real processes by ``broken/sitecustomize.py``, never in the product's code.
Not provoked, because it takes more than one broker: acks=1 loses nothing where there is one copy
anyway; its defect, an answer before the record is safe, is provoked at the edge instead.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from chaos.chaos import Plan, run

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not os.environ.get("VAXEL_BROKEN_BUILDS"),
        reason="provoking takes minutes: VAXEL_BROKEN_BUILDS=1 make test TESTS=tests/chaos",
    ),
]

BROKEN = Path(__file__).with_name("broken")


@pytest.mark.parametrize(
    ("rule", "faults", "found"),
    [
        ("answered_before_stored", "cut intake", {"lost"}),
        ("offset_ignored", "zombie router", {"lost", "broken_chain"}),
    ],
)
def test_a_broken_rule_is_found(tmp_path: Path, rule: str, faults: str, found: set[str]) -> None:
    environment = {"PYTHONPATH": str(BROKEN), "VAXEL_TEST_BROKEN": rule}
    offset = 9_000 + os.getpid() % 4_000
    plan = Plan(
        seconds=3, after_s=4, rate=10, port_offset=offset, only=faults, scale=0.4, network=False,
        environment=environment, judge_s=6, drain_s=6,
    )  # fmt: skip
    assert found & run(tmp_path, plan).wrong.keys()
