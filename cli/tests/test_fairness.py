"""`vaxel fairness`: who got how much of what, and how even that is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_history import History
from policy_kit import deployment

from vaxel_cli.fairness.shares import HOUR_MS, Shares, gini, periods
from vaxel_cli.main import run
from vaxel_shared.contracts.wire import Batch, Decision

DAY_MS = 24 * HOUR_MS


def made(type_: str, at_ms: int, agent: str | None = None, work: str = "", **data: Any) -> Decision:
    about: dict[str, Any] = {"work_id": work, "agent_id": agent, "data": data}
    return Decision(type=type_, at_ms=at_ms, pool="support", cause="c", **about)


def folded(*decisions: Decision, until_ms: int, period_ms: int = 0) -> Shares:
    shares = Shares(hard_level=5, period_ms=period_ms)
    head: dict[str, Any] = {"engine": "e", "wall_ms": 0}
    shares.fold([Batch(**head, decisions=list(decisions)), Batch(**head, tick_ms=until_ms)])
    return shares


def assigned(at_ms: int, agent: str, work: str, level: int = 1, cost: int = 1) -> list[Decision]:
    return [
        made("work.queued", at_ms, work=work, asks={"skills": {"billing": level}}),
        made("offer.made", at_ms, agent, work),
        made("work.assigned", at_ms, agent, work, cost=cost, via="accept"),
    ]


def test_rates_count_the_hours_of_being_there_only() -> None:
    shares = folded(
        made("agent.changed", 0, "full", presence="available"),
        made("agent.changed", 0, "half", presence="available"),
        *assigned(0, "full", "w1", level=7),
        *assigned(0, "half", "w2", cost=3),
        made("agent.changed", HOUR_MS, "half", presence="away"),
        made("work.closed", HOUR_MS, "full", "w1"),
        until_ms=2 * HOUR_MS,
    )
    (period,) = periods(shares.rows, floor=0.5)
    full, half = period.shares["full"], period.shares["half"]
    assert (full.there_ms, half.there_ms) == (2 * HOUR_MS, HOUR_MS)
    assert (full.idle, half.idle) == (0.5, 0.0)
    assert (full.per_hour(full.works), half.per_hour(half.works)) == (0.5, 1.0)
    assert (full.hard, half.hard, half.load, half.offers) == (1, 0, 3, 1)
    assert period.below == ["full"], "0.5 is less than half of the mean of 0.5 and 3"


def test_time_is_cut_at_the_ends_of_periods() -> None:
    shares = folded(
        made("agent.changed", DAY_MS - HOUR_MS, "a", presence="available"),
        until_ms=2 * DAY_MS + HOUR_MS,
        period_ms=DAY_MS,
    )
    spent = {period.begin_ms: period.shares["a"].there_ms for period in periods(shares.rows)}
    assert spent == {0: HOUR_MS, DAY_MS: DAY_MS, 2 * DAY_MS: HOUR_MS}


def test_whoever_was_never_there_is_no_part_of_it() -> None:
    shares = folded(made("agent.changed", 0, "a", presence="away"), until_ms=HOUR_MS)
    assert periods(shares.rows) == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1, 1, 1], 0.0), ([0, 0, 0], 0.0), ([0, 0, 3], 2 / 3), ([1, 3], 0.25), ([5], 0.0)],
)
def test_gini_of_known_shares(values: list[float], expected: float) -> None:
    assert gini(values) == pytest.approx(expected)


@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=30), st.integers(1, 50))
def test_gini_is_the_mean_difference_whatever_the_unit(values: list[int], unit: int) -> None:
    n, total = len(values), sum(values)
    apart = sum(abs(a - b) for a in values for b in values)
    assert gini(values) == pytest.approx(apart / (2 * n * total) if total else 0.0)
    assert gini([value * unit for value in values]) == pytest.approx(gini(values))


def test_of_a_recorded_log_it_is_told_and_the_floor_is_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = History(deployment(tmp_path / "old"), tmp_path)
    history.contact("bill", subject="My bill")
    history.answer("accept")
    for number in range(65):  # a second each, and nobody is judged by less than a minute
        history.contact(f"more-{number}", subject="Another")
    log = str(history.write(tmp_path / "log"))
    assert run(["fairness", "--log", log]) == 0
    assert "Gini: works" in capsys.readouterr().out
    assert run(["fairness", "--log", log, "--by-day", "--json", "--floor", "50"]) == 1
    (period, *_) = json.loads(capsys.readouterr().out)["periods"]
    assert period["below"], "of some who were there one had the only work"
    assert sum(share["works"] for share in period["shares"].values()) == 1
    assert period["gini"]["works"] == 0.5, "all of it with one of two"
