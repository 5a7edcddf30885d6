"""The checker proves that it can fail: each planted fault is found, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chaos.checker import HEADER, Verdict, check

LOG_ID = "0123456789abcdef0123456789abcdef"
Json = dict[str, Any]


def decision(kind: str, at_ms: int = 1, **more: Any) -> Json:
    ids = {
        key: more.pop(key) for key in ("case_id", "work_id", "offer_id", "agent_id") if key in more
    }
    return {"type": kind, "at_ms": at_ms, "pool": "p", "cause": "c", **ids, "data": more}


def history() -> list[Json]:
    """One mail, offered, accepted, answered and reported."""
    return [
        decision("agent.changed", agent_id="a", profile={"capacity": 1}),
        decision("case.opened", case_id="k", contact_id="i1"),
        decision("work.queued", case_id="k", work_id="k.1"),
        decision("offer.made", case_id="k", work_id="k.1", offer_id="o", agent_id="a", cost=1),
        decision("offer.ended", case_id="k", work_id="k.1", offer_id="o", agent_id="a", outcome="accepted"),
        decision("work.assigned", case_id="k", work_id="k.1", agent_id="a", cost=1, via="accept"),
        decision("case.replied", case_id="k", agent_id="a"),
        decision("work.closed", case_id="k", work_id="k.1", agent_id="a"),
        decision("effect.reported", effect_id=f"{LOG_ID}:0:6:0", state="sent"),
    ]  # fmt: skip


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
    ],
)  # fmt: skip
def test_each_planted_fault_is_found(tmp_path: Path, fault: Fault, name: str) -> None:
    made = history()
    fault(made)
    verdict = check(tmp_path / "log", write(tmp_path / "log", made))
    assert name in verdict.wrong


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
