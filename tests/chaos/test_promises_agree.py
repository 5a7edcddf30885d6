"""The monitor and the checker work out the same of whatever the router decides, by different code."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest
from chaos.promises import Promise, Promises, Told

sys.path.append(str(Path(__file__).resolve().parents[2] / "services/router/tests"))

import whatif_history
from random_desk import Traffic

from vaxel_shared.config import source
from vaxel_shared.config.sla import checked
from vaxel_shared.contracts.sla import Due, SlaEvent
from vaxel_shared.contracts.wire import Decision
from vaxel_sla_monitor.core.moves import moves_of
from vaxel_sla_monitor.core.rules import Rules
from vaxel_sla_monitor.core.state import Case
from vaxel_sla_monitor.core.step import step

POLICY = """\
calendars: [{name: always, zone: UTC, hours: always}]
policies:
  - name: everything
    calendar: always
    first_response: 20m
    resolution: 3h
    warn_at: [50]
    reopen: ignore
"""
PROMISE = Promise(first_response_ms=1_200_000, resolution_ms=10_800_000, warn_share=0.5)


class Joining(Traffic):
    """Cases go into others and come out again all the time, and seldom does much time pass."""

    def next(self) -> bytes:
        if self.random.random() < 0.2:
            self.now_ms += self.random.choice((0, 1, 200_000))
            whole = [case for case in self.pool.cases.values() if case.merged]
            if whole and self.random.random() < 0.4:
                case = self.random.choice(whole)
                return self._act("case.split", case, {"target": self.random.choice(case.merged)})
            return self._join()
        return super().next()


def rules() -> Rules:
    return Rules(checked(source.parse("sla.yaml", POLICY.encode()), Path()))


def told_of(decisions: list[list[Decision]], known_ms: int) -> list[SlaEvent]:
    """All that the monitor says, had it looked as late as it may."""
    by, cases, events = rules(), dict[str, Case | None](), list[SlaEvent]()
    for seq, batch in enumerate(decisions):
        for index, decision in enumerate(batch):
            for move in moves_of(decision, partition=0, seq=seq, index=index):
                outcome = step(cases.get(move.case_id), move, by)
                cases[move.case_id] = outcome.case
                events += outcome.events
    for name, last in cases.items():
        case = last
        while case is not None and (found := case.next_stage()) is not None:
            clock, state, stage = found
            if stage.at_ms >= known_ms or case.ended_ms is not None:
                break
            due = Due(
                case_id=name, clock=clock, cycle=state.cycle, stage=stage.name,
                due_ms=stage.at_ms, known_ms=known_ms,
            )  # fmt: skip
            outcome = step(case, due, by)
            case, events = outcome.case, events + outcome.events
    return events


@pytest.mark.parametrize("seed", range(6))
def test_the_checker_expects_just_what_the_monitor_tells(seed: int) -> None:
    history = whatif_history.drawn(seed, 400, 6, kind=Joining)
    decisions = [list(body.decisions) for body in history.bodies]
    known_ms = max(made.at_ms for batch in decisions for made in batch)
    expected, told, kinds = Promises(PROMISE), Told(), Counter[str]()
    for made in (made for batch in decisions for made in batch):
        kinds[made.type] += 1
        expected.see({"type": made.type, "case_id": made.case_id, "at_ms": made.at_ms,
                      "data": made.data})  # fmt: skip
    for event in told_of(decisions, known_ms):
        told.see(event.to_dict(), event.at_ms)
    wrong, late_ms, count = expected.judge(told, known_ms)
    assert wrong == []
    assert set(late_ms) <= {0}
    assert count > 20
    assert min(kinds["case.merged"], kinds["case.split"]) > 5
