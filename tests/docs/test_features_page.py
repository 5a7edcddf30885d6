"""docs/features.md: every row has a state, what works names a test that exists, nothing is left out."""

from __future__ import annotations

import re

import pytest
from docs.pages import ROOT, read

[PAGE] = read("docs/features.md")
STATES = {"works", "in part", "not yet", "decided against"}
FIRST, _, REST = PAGE.text.partition("## What we saw nowhere")
SECOND, _, THIRD = REST.partition("## Besides")


def rows(text: str, skip: int) -> list[list[str]]:
    """The cells of each row from the feature on, headings left out."""
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]  # fmt: skip
    return [cells[skip:] for cells in found if len(cells) > skip + 1 and cells[skip + 1] in STATES]


ROWS = [*rows(FIRST, 1), *rows(SECOND, 0), *rows(THIRD, 0)]


def test_every_row_is_there_once_and_in_order() -> None:
    numbers = [int(found) for found in re.findall(r"^\| (\d+) \|", FIRST, re.MULTILINE)]
    assert numbers == list(range(1, 73))
    assert len(rows(FIRST, 1)) == 72
    assert len(rows(SECOND, 0)) == 24
    assert len(rows(THIRD, 0)) > 1


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_state_comes_with_what_it_needs(row: list[str]) -> None:
    _, state, shown, how = row
    if state == "works":
        assert how
        assert shown or "make bench" in how
    elif state == "in part":
        assert shown
        assert how, "say what is missing"
    elif state == "decided against":
        assert how, "say why"


def test_every_test_that_is_named_exists() -> None:
    named = set(re.findall(r"`(test_\w+|Test\w+)`", PAGE.text))
    files = [*ROOT.glob("services/*/tests/**/*.py"), *ROOT.glob("*/tests/*.py"), *ROOT.glob("tests/**/*.py")]  # fmt: skip
    known = {
        name
        for path in files
        for pair in re.findall(r"def (test_\w+)|^(Test\w+)", path.read_text(), re.MULTILINE)
        for name in pair
    }
    assert len(named) > 25
    assert sorted(named - known) == []


def test_every_scenario_name_that_is_tried_finds_one() -> None:
    text = "".join(path.read_text() for path in (ROOT / "config/tests").glob("*.yaml"))
    names = [name.casefold() for name in re.findall(r"- name: (.+)", text)]
    tried = re.findall(r"vaxel policy test --name (\w+)`", PAGE.text)
    assert len(tried) > 5
    assert [word for word in tried if not any(word.casefold() in name for name in names)] == []
