"""bench/report.py: a benchmark that ran again renews its own section of the page, and no other."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def report() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(ROOT / "bench")  # where its kit is
        yield _imported()


def _imported() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_report", ROOT / "bench/report.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made(title: str, cell: str) -> dict[str, Any]:
    return {
        "name": title.lower(), "title": title, "method": "How.", "not_covered": ["Much."],
        "tables": [{"title": "Rates", "columns": ["what", "a second"], "rows": [["ours", cell]]}],
        "machine": {"cores": "2"},
    }  # fmt: skip


def page(report: ModuleType, *sections: dict[str, Any]) -> str:
    text: str = f"# Figures\n\n{report.BEGIN}\n\n{report.END}\n\n## What others wrote\n\nStays.\n"
    for one in sections:
        text = report.renewed(text, one)
    return text


def test_a_section_is_renewed_where_it_stands(report: ModuleType) -> None:
    before = page(report, made("One", "1"), made("Two", "2"), made("Three", "3"))
    after = report.renewed(before, made("Two", "20"), "A busy machine.")
    assert "| ours | 20 |" in after
    assert "| ours | 2 |" not in after
    assert [line for line in after.splitlines() if line.startswith("## ")] == [
        "## One", "## Two", "## Three", "## What others wrote",
    ]  # fmt: skip
    assert after.count("A busy machine.") == 1
    assert after.endswith("## What others wrote\n\nStays.\n")


def test_what_was_never_measured_comes_last_and_again_changes_nothing_else(
    report: ModuleType,
) -> None:
    one = page(report, made("One", "1"))
    both = report.renewed(one, made("Two", "2"))
    assert both.index("## One") < both.index("## Two") < both.index(report.END)
    assert report.renewed(both, made("Two", "2")) == both


@pytest.mark.parametrize("text", ["# Figures\n", "{BEGIN}\n{BEGIN}\n{END}\n"])
def test_a_page_without_a_place_for_figures_is_left_alone(report: ModuleType, text: str) -> None:
    text = text.replace("{BEGIN}", report.BEGIN).replace("{END}", report.END)
    with pytest.raises(SystemExit, match="put"):
        report.renewed(text, made("One", "1"))


def test_every_benchmark_has_its_section(report: ModuleType) -> None:
    text = (ROOT / "docs/figures.md").read_text()
    for path in (ROOT / "bench").glob("bench_*.py"):
        assert f"bench/{path.name}`" in text, "`.venv/bin/python bench/report.py` writes it"
