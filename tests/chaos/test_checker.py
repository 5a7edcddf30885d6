"""The checker proves that it can fail: each planted fault is found, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chaos.checker import HEADER, LATE_MS_MAX, Verdict, check
from chaos.recovery import Recovery
from chaos.shown import Shown

from vaxel_shared.ids import effect_id, event_id

LOG_ID = "0123456789abcdef0123456789abcdef"
Json = dict[str, Any]


def decision(kind: str, at_ms: int = 1, **more: Any) -> Json:
    ids = {
        key: more.pop(key) for key in ("case_id", "work_id", "offer_id", "agent_id") if key in more
    }
    return {"type": kind, "at_ms": at_ms, "pool": "p", "cause": f"c {kind}", **ids, "data": more}


def history() -> list[Json]:
    """One mail, offered, accepted, answered and reported."""
    return [
        decision("agent.changed", agent_id="a", profile={"capacity": 1}),
        decision("case.opened", case_id="k", contact_id="i1", number="S1"),
        decision("work.queued", case_id="k", work_id="k.1"),
        decision("offer.made", case_id="k", work_id="k.1", offer_id="o", agent_id="a", cost=1, expires_ms=9),
        decision("offer.ended", case_id="k", work_id="k.1", offer_id="o", agent_id="a", outcome="accepted"),
        decision("work.assigned", case_id="k", work_id="k.1", agent_id="a", cost=1, via="accept"),
        decision("case.replied", case_id="k", agent_id="a"),
        decision("work.closed", case_id="k", work_id="k.1", agent_id="a"),
        decision("effect.reported", effect_id=f"{LOG_ID}:0:6:0", state="sent"),
    ]  # fmt: skip


def ended_at(made: list[Json], at_ms: int) -> None:
    """The offer expires so late, and everything after it is as late."""
    made[4]["data"].update(outcome="expired")
    made[4]["cause"] = "timer:offer:o"
    for later in made[4:]:
        later["at_ms"] = at_ms


def write(folder: Path, decisions: list[Json], *, break_at: int | None = None) -> Path:
    """An export with one decision a record, and a journal beside it."""
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"log_id": LOG_ID}))
    tip, lines = hashlib.sha256(f"{LOG_ID}:0".encode()).digest(), []
    for seq, made in enumerate(decisions):
        first = seq + (5 if seq == break_at else 0)
        head = HEADER.pack(b"VXLC", 1, bytes.fromhex(LOG_ID), seq, tip, first, seq, bytes(32))
        raw = head + json.dumps({"decisions": [made]}).encode()
        tip = hashlib.sha256(raw).digest()
        lines.append(json.dumps({"offset": seq, "value_b64": base64.b64encode(raw).decode()}))
    (folder / "vaxel.decisions-0.jsonl").write_text("\n".join(lines))
    mail = {"id": "i1", "direction": "inbound", "provider": {"message_id": "m1"}}
    (folder / "vaxel.interactions-0.jsonl").write_text(json.dumps({"value": mail}))
    journal = folder / "journal.jsonl"
    journal.write_text(json.dumps({"message_id": "m1", "acknowledged": True}))
    return journal


def test_a_good_run_has_nothing_wrong(tmp_path: Path) -> None:
    verdict = check(tmp_path / "log", write(tmp_path / "log", history()))
    assert verdict.wrong == {}
    assert (verdict.contacts, verdict.assigned, verdict.replied) == (1, 1, 1)


Fault = Callable[[list[Json]], None]


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (lambda made: made.pop(1), "lost"),
        (lambda made: made.append(made[1]), "duplicated"),
        (lambda made: made.insert(6, made[5]), "overlapping_owners"),
        (lambda made: made.insert(3, decision("work.queued", case_id="k", work_id="k.2")), "overlapping_owners"),
        (lambda made: made.insert(4, made[3] | {"offer_id": "o2"}), "over_capacity"),
        (lambda made: made.pop(), "unsent"),
        (lambda made: made[2].update(at_ms=0), "unordered"),
        (lambda made: made.insert(7, made[6]), "duplicated"),
        (lambda made: made.insert(5, made[4]), "ended_twice"),
        (lambda made: made[4]["data"].update(outcome="expired"), "early_timers"),
        (lambda made: ended_at(made, 9 + LATE_MS_MAX + 1), "missed_timers"),
    ],
)  # fmt: skip
def test_each_planted_fault_is_found(tmp_path: Path, fault: Fault, name: str) -> None:
    made = history()
    fault(made)
    verdict = check(tmp_path / "log", write(tmp_path / "log", made))
    assert name in verdict.wrong


def test_time_in_which_nobody_could_decide_is_excused(tmp_path: Path) -> None:
    made = history()
    ended_at(made, 9 + LATE_MS_MAX + 1)
    journal = write(tmp_path / "log", made)
    faults = tmp_path / "faults.jsonl"
    faults.write_text(json.dumps({"fault": "kill router", "from_ms": 5, "until_ms": 9_000}))
    verdict = check(tmp_path / "log", journal, faults=faults)
    assert verdict.wrong == {}


def test_an_offer_that_never_ends_is_found(tmp_path: Path) -> None:
    journal = write(tmp_path / "log", history()[:4])
    verdict = check(tmp_path / "log", journal, now_ms=9 + LATE_MS_MAX + 1)
    assert "missed_timers" in verdict.wrong


@pytest.mark.parametrize(
    ("effects", "found", "repeated"),
    [
        ([6], set(), 0),
        ([6, 6], set(), 1),
        ([], {"unreached"}, 0),
        ([6, 99], {"unexpected_mails"}, 0),
    ],
)
def test_mails_are_held_against_the_answers(
    tmp_path: Path, effects: list[int], found: set[str], repeated: int
) -> None:
    journal = write(tmp_path / "log", history())
    world = tmp_path / "world"
    world.mkdir()
    for number, seq in enumerate(effects):
        name = event_id("message", effect_id(LOG_ID, 0, seq, 0))
        (world / f"{number}.eml").write_text(f"Message-ID: <{name}@us.example>\n\ntext\n")
    verdict = check(tmp_path / "log", journal, mails=world)
    assert (set(verdict.wrong), verdict.repeated) == (found, repeated)


SHOWN = {"number": "S1", "status": "open", "agent": "a"}


@pytest.mark.parametrize(
    ("shown", "differ"),
    [
        ([SHOWN], 0),
        ([SHOWN | {"works": {"k.1": "closed"}, "offers": {"o": "accepted"}}], 0),
        ([SHOWN | {"works": {"k.1": "assigned"}, "offers": {"o": "accepted"}}], 1),
        ([SHOWN | {"status": "resolved"}], 1),
        ([SHOWN | {"agent": None}], 1),
        ([], 1),
        ([SHOWN, SHOWN | {"number": "S2"}], 1),
    ],
)
def test_the_register_must_show_the_fold(tmp_path: Path, shown: list[Json], differ: int) -> None:
    journal = write(tmp_path / "log", history())
    verdict = check(tmp_path / "log", journal, shown=shown)
    assert len(verdict.register_differs) == differ


def test_a_case_on_the_move_is_judged_when_it_is_at_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, elsewhere = write(tmp_path / "log", history()), SHOWN | {"agent": None}
    looks = iter([elsewhere, SHOWN, elsewhere, elsewhere, SHOWN, SHOWN, SHOWN, elsewhere])
    monkeypatch.setattr("chaos.shown.shown_cases", lambda run: [next(looks)])
    shown, found = Shown({}), []
    for _ in range(4):
        shown.before()
        found.append(shown.judged(tmp_path / "log", journal).register_differs)
    assert found[0] == ["S1: was never at rest"]
    assert found[1][0].startswith("S1: log")
    assert found[2:] == [[], []]


def test_from_kill_to_decision_is_read_from_the_log() -> None:
    recovery = Recovery(decided_ms=[10, 45, 50], claims_ms=[1, 40], contact_ms={"m": 50})
    recovery.wrote_ms["triage"] += [35, 200]
    faults = [{"fault": "kill router", "from_ms": 20}, {"fault": "kill triage", "from_ms": 30}]
    assert recovery.samples(faults, {"m": 31}) == {
        "kill router → next decision": [25],
        "kill router → next new message decided": [30],
        "kill triage → its next record": [170],
        "kill triage → next new message decided": [20],
    }


def test_a_kill_that_another_followed_too_soon_does_not_count() -> None:
    recovery = Recovery(decided_ms=[10, 90], claims_ms=[1, 80])
    faults = [{"fault": "kill router", "from_ms": at} for at in (20, 50)]
    assert recovery.samples(faults, {})["kill router → next decision"] == [40]


def test_runs_taken_together_are_as_bad_as_each_of_them() -> None:
    whole = Verdict(sent=1, lost=["a"], samples={"x": [1]}, faults={"kill router": 2})
    whole.add(Verdict(sent=2, duplicated=["b"], samples={"x": [3], "y": [4]}, faults={"freeze": 1}))
    assert (whole.sent, whole.wrong) == (3, {"lost": ["a"], "duplicated": ["b"]})
    assert whole.faults == {"kill router": 2, "freeze": 1}
    assert whole.figures == {
        "x": "p50 1 ms, p99 3 ms, max 3 ms, n 2",
        "y": "p50 4 ms, p99 4 ms, max 4 ms, n 1",
    }


def test_a_gap_in_the_inputs_breaks_the_chain(tmp_path: Path) -> None:
    verdict = check(tmp_path / "log", write(tmp_path / "log", history(), break_at=3))
    assert "broken_chain" in verdict.wrong


def test_a_record_on_another_chain_never_happened(tmp_path: Path) -> None:
    journal = write(tmp_path / "log", history())
    path = tmp_path / "log" / "vaxel.decisions-0.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[3]]))
    verdict: Verdict = check(tmp_path / "log", journal)
    assert (verdict.wrong, verdict.void_records) == ({}, 1)
