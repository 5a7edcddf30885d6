"""Writes ``docs/figures.md``: what the benchmarks said, when, where, and how to repeat it.

    .venv/bin/python bench/report.py                 runs them all, then writes
    .venv/bin/python bench/report.py FILE.json …     writes what `bench_*.py --json` printed

Only what stands between the markers is replaced, and of it only the sections that were measured.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kit import ROOT

FIGURES = ROOT / "docs/figures.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def main() -> None:
    """Collect, then write."""
    parser = argparse.ArgumentParser(description="Write docs/figures.md.")
    parser.add_argument("files", nargs="*", type=Path, help="outputs of bench_*.py --json")
    parser.add_argument("--note", help="what a reader must know of this run")
    arguments = parser.parse_args()
    reports = [json.loads(path.read_text()) for path in arguments.files] or run_all()
    page = FIGURES.read_text()
    for one in reports:
        page = renewed(page, one, arguments.note)
    FIGURES.write_text(page)
    print(f"{FIGURES.relative_to(ROOT)}: {len(reports)} benchmarks")


def run_all() -> list[dict[str, Any]]:
    """Every benchmark, one after the other."""
    found = []
    for path in sorted((ROOT / "bench").glob("bench_*.py")):
        print(f"bench: {path.name}", flush=True)
        command = [sys.executable, str(path), "--json"]
        found.append(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))
    return found


def renewed(page: str, report: dict[str, Any], note: str | None = None) -> str:
    """The page with one benchmark's section anew, or added as the last.

    Raises SystemExit where it has no place for figures.
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise SystemExit(f"docs/figures.md: put {BEGIN} and {END} where the figures belong")
    begin, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    head, *sections = re.split(r"(?m)^(?=## )", page[begin:end])
    mine = f"## {report['title']}\n"
    place = next((i for i, one in enumerate(sections) if one.startswith(mine)), len(sections))
    sections[place : place + 1] = [section(report, note)]
    return page[:begin] + head + "".join(sections) + page[end:]


def _commit() -> str:
    command = ["git", "rev-parse", "--short=12", "HEAD"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def section(report: dict[str, Any], note: str | None = None) -> str:
    """One benchmark in Markdown."""
    today = datetime.now(UTC).date().isoformat()
    said = f"Measured on {today} at commit `{_commit()}`." + (f" {note}" if note else "")
    machine = "; ".join(f"{name} {value}" for name, value in report["machine"].items())
    lines = [f"## {report['title']}", "", report["method"], ""]
    for table in report["tables"]:
        head: list[str] = table["columns"]
        marks = ["---", *["---:"] * (len(head) - 1)]
        lines += [f"**{table['title']}**", "", *map(_row, [head, marks, *table["rows"]]), ""]
    lines += [f"Not covered: {' '.join(report['not_covered'])}", ""]
    lines += [f"Machine: {machine}.", ""]
    lines += [f"{said} Again: `.venv/bin/python bench/bench_{report['name']}.py`", ""]
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
