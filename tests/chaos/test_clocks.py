"""Clocks at the size of a moment; and builds that are broken on purpose, which must be caught."""

from __future__ import annotations

import dataclasses

import pytest
from chaos import clocks_timers, clocks_world
from chaos.clocks_timers import Monitor, play

from vaxel_router.core import offers
from vaxel_sla_monitor.core import deadlines


def test_no_timer_is_missed_early_twice_or_out_of_order():
    whole = clocks_timers.Result()
    for seed in range(3):
        whole.add(play(seed, 600))
    assert whole.violations == 0, dataclasses.replace(whole, late_ms=None)
    assert whole.told == whole.armed > 7_000
    assert whole.overdue > 400
    assert max(whole.late_ms) <= clocks_timers.MARK_MS


def test_a_monitor_that_forgets_what_was_due_at_a_kill_is_caught():
    class Forgetful(Monitor):
        def die(self):
            super().die()
            self._deadlines = deadlines.Deadlines()

    assert sum(play(seed, 500, Forgetful).missed for seed in range(3)) > 0


def test_a_monitor_that_commits_before_it_writes_is_caught():
    class Hasty(Monitor):
        def die(self):
            self._committed = list(self._places)
            super().die()

    assert sum(play(seed, 500, Hasty).violations for seed in range(4)) > 0


def test_a_mark_that_runs_ahead_is_caught():
    class Ahead(Monitor):
        def tick(self, known_ms):
            super().tick(known_ms + 60_000)

    assert play(1, 500, Ahead).violations > 0


def test_telling_each_case_on_its_own_is_out_of_order(monkeypatch):
    """As it was: what is due next of a case came out only when the one before it was judged."""
    real = deadlines.Deadlines.set

    def late(self, partition, case_id, case):
        if case_id in self._out:
            return
        real(self, partition, case_id, case)

    monkeypatch.setattr(deadlines.Deadlines, "set", late)
    assert sum(play(seed, 800).disordered for seed in range(2)) > 0


@pytest.mark.parametrize("kind", [clocks_world.wrong_clocks, clocks_world.outage])
def test_wrong_clocks_and_outages_break_no_promise(kind):
    result = clocks_world.play(range(3), kind, lambda: None)
    assert result.failed == []
    assert result.histories == 3
    assert result.timers > 50
    assert sum(result.faults.values()) >= 6


def test_blaming_people_for_an_outage_is_caught(monkeypatch):
    monkeypatch.setattr(offers, "AWAY_MS_MIN", 10**12)
    result = clocks_world.play(range(2, 10), clocks_world.outage, lambda: None)
    assert any("counts as missed in an outage" in line for line in result.failed)
