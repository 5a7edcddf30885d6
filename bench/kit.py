"""What every benchmark shares: the machine it ran on, percentiles, tables, ``--json``.

A benchmark makes a :class:`Report` and hands it to :func:`finish`. It asserts no timing: a figure
means something only beside the peer that was measured in the same run, so tables show ratios.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Table:
    """Rows under a title; cells are text, rounded for people."""

    title: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)


@dataclass
class Report:
    """All that one benchmark has to say."""

    name: str
    title: str
    method: str
    not_covered: list[str]
    packages: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    machine: dict[str, str] = field(default_factory=dict)


def run(main: Callable[[float], Report], *, seconds: float) -> None:
    """Run a benchmark from the command line; ``seconds`` is how long each measurement may take."""
    parser = argparse.ArgumentParser(description=(sys.modules["__main__"].__doc__ or "").strip())
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    parser.add_argument("--seconds", type=float, default=seconds, help="time a measurement")
    arguments = parser.parse_args()
    before = load()
    report = main(arguments.seconds)
    report.machine = machine(report.packages) | {"load": f"{before} before, {load()} after"}
    print(json.dumps(asdict(report), indent=1) if arguments.json else as_text(report))


def machine(packages: Sequence[str]) -> dict[str, str]:
    """Processor, cores, system, Python, and the versions of ``packages``."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    } | {name: version(name) for name in packages}


def load() -> str:
    """The one-minute load average: above the number of cores, somebody else was at work too."""
    return f"{os.getloadavg()[0]:.1f}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of ``values`` that ``share`` of them don't exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def rate(count: float, seconds: float) -> str:
    """So many a second, with two or three digits that mean something."""
    value = count / seconds
    digits = 2 - math.floor(math.log10(value)) if value else 0
    return f"{round(value, min(digits, 1)):,.{max(0, min(digits, 1))}f}"


def ratio(value: float, peer: float) -> str:
    """How many times the peer's."""
    times = value / peer
    return (f"{times:.2f}" if times < 10 else f"{times:,.0f}") + "\N{MULTIPLICATION SIGN}"


def as_text(report: Report) -> str:
    """A report for a terminal."""
    machine_text = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    blocks = [f"{report.title}\n{machine_text}", report.method]
    for table in report.tables:
        widths = [max(map(len, cells)) for cells in zip(table.columns, *table.rows, strict=True)]
        lines = [_line(cells, widths) for cells in [table.columns, *table.rows]]
        blocks.append("\n".join([table.title, *lines]))
    blocks.append("\n".join(["Not covered:", *(f"  {item}" for item in report.not_covered)]))
    return "\n\n".join(blocks) + "\n"


def _line(cells: list[str], widths: list[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)])
