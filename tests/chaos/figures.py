"""Writes the section on reliability of ``docs/figures.md`` from files that ``record.py`` wrote.

    .venv/bin/python tests/chaos/figures.py FILE.json …

A figure that the files don't name stays as it was; only what stands between the markers changes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs/figures.md"
BEGIN, END = "<!-- reliability: begin -->", "<!-- reliability: end -->"
HEAD = "### "
SUMMARY = re.compile(r"^\*\*([\d,]+) tries, ([\d,]+) promises? broken\.\*\*", re.MULTILINE)
Json = dict[str, Any]


def main() -> int:
    """Read the files that are named, write the page."""
    figures = read(map(Path, sys.argv[1:]))
    if not figures:
        print("usage: figures.py FILE.json …, as written by the commands with --json")
        return 2
    PAGE.write_text(renewed(PAGE.read_text(), figures))
    print(f"{PAGE.name}: {', '.join(sorted(one['id'] for one in figures))} written")
    return 0


def read(paths: Iterable[Path]) -> list[Json]:
    """All figures of all files; a file holds one or a list of them."""
    found: list[Json] = []
    for path in paths:
        document = json.loads(path.read_text())
        found += document if isinstance(document, list) else [document]
    return found


def renewed(page: str, figures: Iterable[Json]) -> str:
    """The page with these figures. Raises SystemExit where it has no place for them."""
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise SystemExit(f"docs/figures.md: put {BEGIN} and {END} where the section belongs")
    before, _, rest = page.partition(BEGIN)
    old, _, after = rest.partition(END)
    sections = _sections(old) | {_heading(one): section(one) for one in figures}
    ordered = [sections[name] for name in sorted(sections, key=_rank)]
    return before + "\n".join([BEGIN, "", *_overview(sections), *ordered, END]) + after


def section(one: Json) -> str:
    """One figure in Markdown."""
    broken = f"{one['violations']:,} promise{'' if one['violations'] == 1 else 's'} broken"
    said = f"**{one['n']:,} tries, {broken}.** "
    said += f"Measured on {one['date']} at commit `{one['commit']}`, in {_span(one['seconds'])}."
    machine = "; ".join(f"{name} {value}" for name, value in one["machine"].items())
    rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in one["figures"].items()]
    table = ["| figure | |", "| --- | ---: |", *rows, ""] if rows else []
    lines = [f"{HEAD}{_heading(one)}", "", said, "", *table]
    lines += [f"Not covered: {one['not_covered']}", "", f"Machine: {machine}.", ""]
    return "\n".join([*lines, f"Again: `{one['command']}`", ""])


def _heading(one: Json) -> str:
    return f"{one['id']}: {one['title']}"


def _sections(text: str) -> dict[str, str]:
    """Heading → section, of those that stand there now."""
    parts = text.split(f"\n{HEAD}")[1:]
    return {part.partition("\n")[0]: f"{HEAD}{part.rstrip()}\n" for part in parts}


def _overview(sections: dict[str, str]) -> list[str]:
    """All of them at a glance."""
    rows = ["| figure | tries | promises broken |", "| --- | ---: | ---: |"]
    for name in sorted(sections, key=_rank):
        found = SUMMARY.search(sections[name])
        tries, broken = found.groups() if found else ("?", "?")
        rows.append(f"| {name} | {tries} | {broken} |")
    return [*rows, ""]


def _rank(name: str) -> tuple[str, int, str]:
    letters, digits = re.match(r"(\D*)(\d*)", name).groups()  # type: ignore[union-attr] # matches all
    return letters, int(digits or 0), name


def _span(seconds: float) -> str:
    return f"{seconds / 60:,.0f} min" if seconds >= 120 else f"{seconds:,.0f} s"


def _cell(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
