"""`vaxel status --at`: how it stood at a past instant of a log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from whatif_history import BEGIN_MS, Days, drawn

from vaxel_cli.main import run
from vaxel_cli.policy import past as pasts
from vaxel_router.core.apply import apply_batch
from vaxel_router.core.state import State, World, encode, work_key
from vaxel_shared.calendars.instants import show_instant

MINUTE_MS = 60_000


@pytest.fixture
def asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Twelve mails, one every four minutes from the first instant on, ten minutes' work each."""
    folder = Days(tmp_path).morning(12).write()

    def ask(minutes: float, *options: str, code: int = 0) -> Any:
        at = show_instant(BEGIN_MS + round(minutes * MINUTE_MS))
        argv = ["status", "--at", at, "--from", str(folder), "--json", *options]
        assert run(argv) == code
        said = capsys.readouterr()
        return json.loads(said.out) if code == 0 else said.err

    return ask


def test_a_queue_of_then_says_what_waited_in_which_order_and_why_nobody_had_it(asked: Any) -> None:
    then = asked(9, "--queue", "general")
    assert [row["position"] for row in then["waiting"]] == [1, 2]
    assert [row["waited_ms"] // MINUTE_MS for row in then["waiting"]] == [5, 1]
    first = then["waiting"][0]
    assert first["why_not_yet"]["by_code"] == {"not_in_tier": 1, "capacity_full": 1}
    assert first["step"]["id"] == "general[0]"
    assert first["next_ms"] == BEGIN_MS + 14 * MINUTE_MS
    (busy,) = then["on_their_way"]
    assert (busy["state"], busy["agent_id"]) == ("assigned", "a01")
    assert busy["since_ms"] == BEGIN_MS + 5_000


def test_who_was_there_and_what_each_was_doing(asked: Any) -> None:
    rows = {row["agent_id"]: row for row in asked(9)["agents"]["support"]}
    assert [(one["state"], one["since_ms"]) for one in rows["a01"]["doing"]] == [
        ("assigned", BEGIN_MS + 5_000)
    ]
    assert (rows["a01"]["used"], rows["a02"]["doing"]) == (1, [])
    assert rows["a02"]["standing"] == "available"
    asked_later = {row["agent_id"]: row for row in asked(18.05)["agents"]["support"]}
    assert [one["state"] for one in asked_later["a02"]["doing"]] == ["offered"]


def test_an_instant_holds_what_was_decided_at_it_and_nothing_later(asked: Any) -> None:
    counts = [
        sum(row["waiting"] + row["offered"] + row["assigned"] for row in asked(minutes)["queues"])
        for minutes in (3.9999, 4, 4.0001)
    ]
    assert counts == [1, 2, 2]


def test_after_the_log_it_is_as_at_its_end_and_that_is_said(asked: Any) -> None:
    then = asked(100_000)
    assert then["log_end_ms"] < BEGIN_MS + 100_000 * MINUTE_MS
    assert sum(row["assigned"] for row in then["queues"]) == 0


@pytest.mark.parametrize(
    ("options", "minutes", "code", "says"),
    [
        ((), -1, 1, "the log begins after"),
        (("--queue", "genral"), 9, 1, "did you mean"),
        (("--queue", "sales/general"), 9, 1, "no queue 'sales/general'"),
    ],
)
def test_what_cannot_be_told_says_why(
    asked: Any, options: tuple[str, ...], minutes: float, code: int, says: str
) -> None:
    assert says in asked(minutes, *options, code=code)


def test_an_instant_without_an_offset_is_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Days(tmp_path).write()
    assert run(["status", "--at", "2026-01-01T10:00", "--from", str(folder)]) == 2
    assert "has no offset" in capsys.readouterr().err
    assert run(["status", "--queue", "general"]) == 2


def test_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Days(tmp_path).morning(4).write()
    at = show_instant(BEGIN_MS + 9 * MINUTE_MS)
    assert run(["status", "--at", at, "--from", str(folder), "--queue", "general"]) == 0
    said = capsys.readouterr().out
    assert "support/general, in line" in said
    assert "waited 5 min" in said
    assert "no capacity left" in said
    assert "for 8 min 55 s" in said


class Log:
    """A history as the code that folds reads it."""

    log_id = ""
    partitions = [0]

    def __init__(self, history: Any) -> None:
        self.history = history


@pytest.mark.parametrize("seed", range(4))
def test_at_any_instant_of_any_history_it_is_the_state_of_then(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the plain fold of the records up to the instant, each of which is one instant."""
    history = drawn(seed, 90, 5)
    monkeypatch.setattr(pasts, "fold", lambda recorded, _: recorded.history.moments())
    world = World(State(history.log_id, 0))
    ends = {max(one.at_ms for one in body.decisions): seq
            for seq, body in enumerate(history.bodies) if body.decisions}  # fmt: skip
    for seq, body in enumerate(history.bodies):
        apply_batch(world, body, seq)
        at_ms = max((one.at_ms for one in body.decisions), default=-1)
        if ends.get(at_ms) != seq or seq % 5:
            continue
        found = pasts.at(Log(history), 0, at_ms)  # type: ignore[arg-type]
        assert found is not None
        mine, theirs = (
            {name: (p.works, p.offers, p.agents) for name, p in one.state.pools.items()}
            for one in (found.world, world)
        )
        assert mine == theirs
        for pool in found.world.state.pools.values():
            for queue in {work.queue for work in pool.works.values()}:
                line = pasts.line(found, pool, queue, 100)
                keys = [work_key(pool.works[row["work_id"]]) for row in line]
                assert keys == sorted(keys)
        assert encode(found.world.state)
