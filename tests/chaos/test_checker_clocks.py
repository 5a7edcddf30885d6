"""The checker's own clocks, timers, commands and order: each planted fault is found, nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chaos.checker import CLOCK_GRACE_MS, check
from chaos.fold import Ownership, Timers
from chaos.promises import Promise, Promises, Told
from chaos.test_checker import decision, history, write

Json = dict[str, Any]
PROMISE = Promise(first_response_ms=100, resolution_ms=1_000, warn_share=0.5)


def told(*stages: tuple[str, str], at_ms: int = 0) -> Told:
    found = Told()
    for number, (clock, stage) in enumerate(stages):
        found.see({"id": str(number), "case_id": "k", "clock": clock, "type": stage}, at_ms)
    return found


def opened(*later: Json) -> Promises:
    """A case opened at 1,000 and what happened to it."""
    found = Promises(PROMISE)
    found.see(decision("case.opened", at_ms=1_000, case_id="k", received_at_ms=990))
    for one in later:
        found.see(one)
    return found


FIRST, WHOLE = "first_response", "resolution"


@pytest.mark.parametrize(
    ("happened", "known_ms", "expected"),
    [
        ([], 1_040, []),
        ([], 1_041, [(FIRST, "warned")]),
        ([], 1_091, [(FIRST, "warned"), (FIRST, "breached")]),
        ([decision("case.replied", at_ms=1_090, case_id="k")], 1_400, [(FIRST, "warned")]),
        ([decision("case.replied", at_ms=1_091, case_id="k")], 1_400,
         [(FIRST, "warned"), (FIRST, "breached")]),
        ([decision("case.resolved", at_ms=1_010, case_id="k")], 9_000, []),
        ([decision("case.replied", at_ms=1_000, case_id="k"),
          decision("case.waiting", at_ms=1_100, case_id="k", waits_for="customer")], 9_000, []),
        ([decision("case.replied", at_ms=1_000, case_id="k"),
          decision("case.waiting", at_ms=1_100, case_id="k", waits_for="customer"),
          decision("case.joined", at_ms=5_000, case_id="k")], 5_500, [(WHOLE, "warned")]),
        ([decision("case.replied", at_ms=1_000, case_id="k"),
          decision("case.waiting", at_ms=1_100, case_id="k", waits_for="internal")], 1_491,
         [(WHOLE, "warned")]),
    ],
)  # fmt: skip
def test_what_should_have_been_told_is_worked_out_from_the_decisions(
    happened: list[Json], known_ms: int, expected: list[tuple[str, str]]
) -> None:
    wrong, late, count = opened(*happened).judge(told(*expected, at_ms=known_ms), known_ms)
    assert (wrong, count) == ([], len(expected))
    assert len(late) == len(expected)


@pytest.mark.parametrize(
    "said",
    [
        told(),
        told((FIRST, "warned")),
        told((FIRST, "warned"), (FIRST, "breached"), (FIRST, "breached")),
        told((FIRST, "warned"), (FIRST, "breached"), (FIRST, "warned")),
    ],
)
def test_what_was_not_told_or_told_twice_is_found(said: Told) -> None:
    wrong, _, _ = opened(decision("case.replied", at_ms=1_200, case_id="k")).judge(said, 1_250)
    assert wrong


def test_what_was_told_and_was_not_due_is_found() -> None:
    replied = decision("case.replied", at_ms=1_010, case_id="k")
    wrong, _, _ = opened(replied).judge(told((FIRST, "breached")), 1_200)
    assert len(wrong) == 1


def test_a_repeat_of_the_same_event_is_no_second_one() -> None:
    found = told((FIRST, "warned"))
    found.see({"id": "0", "case_id": "k", "clock": FIRST, "type": "warned"}, 7)
    assert (found.ids, found.repeats) == (1, 1)
    wrong, _, _ = opened(decision("case.resolved", at_ms=1_050, case_id="k")).judge(found, 1_060)
    assert wrong == []


def fold(*decisions: Json) -> Timers:
    timers = Timers()
    for one in decisions:
        timers.see(one, 0, one["at_ms"])
    return timers


def by(timer: str, made: Json) -> Json:
    return made | {"cause": f"timer:{timer}"}


QUEUED = decision("work.queued", at_ms=10, case_id="k", work_id="w", next_ms=50)
OFFERED = decision("offer.made", at_ms=20, work_id="w", offer_id="o", agent_id="a", expires_ms=90)


def test_timers_of_every_kind_are_set_and_fire() -> None:
    timers = fold(
        QUEUED,
        by("step:w", decision("work.stepped", at_ms=50, work_id="w", next_ms=80)),
        OFFERED | {"at_ms": 60},
        by("offer:o", decision("offer.ended", at_ms=90, work_id="w", offer_id="o", agent_id="a",
                               outcome="expired", bar_until_ms=120)),
        by("free:w", decision("work.stepped", at_ms=120, work_id="w")),
        decision("work.assigned", at_ms=130, work_id="w"),
        decision("case.waiting", at_ms=140, case_id="k", wake_ms=200),
        decision("work.wrapping", at_ms=140, work_id="w", until_ms=150),
        by("wrap:w", decision("work.closed", at_ms=150, work_id="w")),
        by("wake:k", decision("case.reopened", at_ms=200, case_id="k")),
        decision("case.resolved", at_ms=210, case_id="k", close_ms=300),
        by("close:k", decision("case.closed", at_ms=300, case_id="k")),
        decision("agent.changed", at_ms=300, agent_id="a", presence="away", until_ms=400),
        by("back:a", decision("agent.changed", at_ms=400, agent_id="a", presence="available")),
    )  # fmt: skip
    assert (timers.early, timers.ended_twice, timers.due_ms) == ([], [], {})
    assert dict(timers.fired) == dict.fromkeys(
        ("step", "offer", "free", "wrap", "wake", "close", "back"), 1
    )
    assert set(timers.late_ms) == {0}


@pytest.mark.parametrize(
    "decisions",
    [
        [QUEUED],
        [QUEUED, OFFERED],
        [decision("case.waiting", at_ms=1, case_id="k", wake_ms=50)],
        [decision("case.resolved", at_ms=1, case_id="k", close_ms=50)],
        [decision("work.wrapping", at_ms=1, work_id="w", until_ms=50)],
        [decision("agent.changed", at_ms=1, agent_id="a", presence="away", until_ms=50)],
    ],
)
def test_a_timer_that_never_fires_is_missed(decisions: list[Json]) -> None:
    timers = fold(*decisions)
    assert timers.missed(1_000, 500)
    assert not timers.missed(100, 500)


@pytest.mark.parametrize(
    "decisions",
    [
        [QUEUED, by("step:w", decision("work.stepped", at_ms=49, work_id="w"))],
        [by("close:k", decision("case.closed", at_ms=49, case_id="k"))],
        [QUEUED, OFFERED, by("step:w", decision("work.stepped", at_ms=50, work_id="w"))],
    ],
)
def test_a_timer_before_its_time_or_that_nobody_set_is_found(decisions: list[Json]) -> None:
    assert fold(*decisions).early


def test_too_many_of_a_channel_are_over_capacity() -> None:
    profile = {"capacity": 9, "channels": {"chat": {"cost": 1, "max": 1}}}
    owners = Ownership()
    owners.see(decision("agent.changed", agent_id="a", profile=profile))
    for case in ("k", "l"):
        owners.see(decision("case.opened", case_id=case, channel="chat"))
        offer = {"case_id": case, "work_id": f"{case}.1", "offer_id": f"o{case}", "agent_id": "a"}
        owners.see(decision("offer.made", **offer, cost=1))
    assert len(owners.over) == 1


def line(offset: int, value: Json, source: str = "vaxel/triage") -> str:
    headers = {"ce_source": source}
    return json.dumps({"offset": offset, "timestamp_ms": 1, "headers": headers, "value": value})


def test_a_command_that_no_decision_answers_is_found(tmp_path: Path) -> None:
    journal = write(tmp_path / "log", history())
    path = tmp_path / "log" / "vaxel.work-0.jsonl"
    path.write_text(f"{line(0, {'id': 'c case.opened'})}\n{line(1, {'id': 'nobody'})}\n")
    verdict = check(tmp_path / "log", journal)
    assert verdict.wrong.keys() == {"unhandled"}
    assert verdict.commands == 2


def test_an_acknowledged_write_that_no_decision_answers_is_found(tmp_path: Path) -> None:
    journal, commands = write(tmp_path / "log", history()), tmp_path / "commands.jsonl"
    commands.write_text('{"command_id": "c case.replied"}\n{"command_id": "gone"}\n')
    verdict = check(tmp_path / "log", journal, commands=commands)
    assert verdict.wrong == {"unanswered": ["gone"]}


def _two(made: list[Json]) -> None:
    made.insert(2, decision("case.joined", case_id="k", contact_id="i2", number="S1"))


def _two_turned(made: list[Json]) -> None:
    _two(made)
    made[1]["data"]["contact_id"], made[2]["data"]["contact_id"] = "i2", "i1"


@pytest.mark.parametrize(("change", "found"), [(_two, set()), (_two_turned, {"disordered"})])
def test_messages_of_a_conversation_are_decided_in_their_order(
    tmp_path: Path, change: Callable[[list[Json]], None], found: set[str]
) -> None:
    made = history()[:-1]
    made.append(decision("effect.reported", effect_id="x", state="sent"))
    change(made)
    made[-1]["data"]["effect_id"] = "0123456789abcdef0123456789abcdef:0:7:0"
    journal = write(tmp_path / "log", made)
    mails = [
        {"value": {"id": f"i{n}", "direction": "inbound", "provider": {"message_id": f"m{n}"}}}
        for n in (1, 2)
    ]
    path = tmp_path / "log" / "vaxel.interactions-0.jsonl"
    path.write_text("\n".join(map(json.dumps, mails)))
    sent = [
        {"message_id": f"m{n}", "conversation": "c", "number": n - 1, "acknowledged": True}
        for n in (1, 2)
    ]
    journal.write_text("\n".join(map(json.dumps, sent)))
    assert check(tmp_path / "log", journal).wrong.keys() == found


def test_clocks_that_nobody_told_of_are_found(tmp_path: Path) -> None:
    journal = write(tmp_path / "log", history())
    verdict = check(tmp_path / "log", journal, promise=PROMISE, now_ms=CLOCK_GRACE_MS + 10_000)
    assert "missed_clocks" in verdict.wrong
