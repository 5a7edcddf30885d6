"""Every call of every service goes wrong once, one way each; and the harness shows what is broken."""

from __future__ import annotations

import pytest
from everycall.run import SCENARIOS, scenario
from everycall.sweep import sweep


@pytest.mark.parametrize("service", SCENARIOS)
def test_each_call_that_goes_wrong_costs_nothing(service: str) -> None:
    tally = sweep(scenario(service), thin=True)
    assert not tally.violations, "\n".join(tally.violations[:20])
    assert tally.calls > 15
    # A history that looks again and again makes some calls more or fewer each time.
    assert tally.faults >= 0.8 * tally.calls
