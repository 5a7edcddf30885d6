"""The figures' page keeps what isn't measured anew, and says of each how often and what was broken."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from chaos import record
from chaos.figures import BEGIN, END, read, renewed

PAGE = f"before\n{BEGIN}\n\nold\n\n{END}\nafter\n"


def one(name: str, title: str, **more: Any) -> record.Figure:
    said: dict[str, Any] = {
        "n": 1_000, "violations": 0, "command": "make x", "not_covered": "power cuts",
        "figures": {"kills": 1_000, "p50 | p99": "1 ms"},
    }  # fmt: skip
    return record.figure(name, title, record.begin(), **said | more)


def test_figures_stand_in_the_order_of_their_numbers_and_nothing_else_changes() -> None:
    page = renewed(PAGE, [one("R10", "recovery"), one("R2", "every await")])
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    assert "old" not in page
    assert page.index("### R2: every await") < page.index("### R10: recovery")
    assert "| R2: every await | 1,000 | 0 |" in page
    assert "| p50 \\| p99 | 1 ms |" in page


def test_what_is_not_measured_anew_stays() -> None:
    page = renewed(renewed(PAGE, [one("R1", "kills")]), [one("R2", "awaits", violations=3)])
    again = renewed(page, [one("R2", "awaits")])
    assert "| R1: kills | 1,000 | 0 |" in again
    assert "| R2: awaits | 1,000 | 3 |" in page
    assert "| R2: awaits | 1,000 | 0 |" in again
    assert again.count("### R2") == 1


def test_a_page_without_the_place_is_left_alone() -> None:
    with pytest.raises(SystemExit):
        renewed("no markers", [one("R1", "kills")])


def test_files_hold_one_figure_or_several(tmp_path: Path) -> None:
    several, single = tmp_path / "a.json", tmp_path / "b.json"
    record.write(several, one("R1", "a"), one("R7", "b"))
    single.write_text(json.dumps(one("R2", "c")))
    assert [found["id"] for found in read([several, single])] == ["R1", "R7", "R2"]


def test_a_figure_says_what_it_ran_on() -> None:
    made = one("R1", "kills")
    assert made["machine"]["broker"].startswith("Apache Kafka ")
    assert made["machine"]["broker"].removeprefix("Apache Kafka ")
    assert "before" in made["machine"]["load"]
    assert made["commit"]


def test_the_command_of_a_figure_names_no_folder_of_its_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["--full", "--json", "/somewhere/R14.json", "--rate", "4", "--port-offset", "900"]
    monkeypatch.setattr(sys, "argv", [str(record.ROOT / "tests/chaos/overload.py"), *words])
    assert record.command() == ".venv/bin/python tests/chaos/overload.py --full --rate 4"
