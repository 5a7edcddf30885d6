"""Writes the section on reliability of ``docs/figures.md`` from runs of chaos.

    .venv/bin/python tests/chaos/chaos.py --seconds 60 --json RUN.json
    .venv/bin/python tests/chaos/figures.py RUN.json …

Only what stands between the section's markers is replaced.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT / "bench")  # not this folder: the bench has a report.py as well

if True:  # after the path is set
    from kit import load, machine
    from report import _commit

FIGURES = ROOT / "docs/figures.md"
BEGIN, END = "<!-- reliability: begin -->", "<!-- reliability: end -->"
Json = dict[str, Any]
NOT_COVERED = (
    "Replication: one broker, one copy; leader changes and unclean elections need three. "
    "Power cuts and damaged disks: a kill -9 leaves the page cache whole. "
    "The full sizes (1,000 kills, 500 zombies, each API 200 times): N stands beside each figure; "
    "no failure in N tries says that the rate is below about 3/N. "
    "The time to recover holds how long Python and its imports take to start on a busy machine."
)


def main() -> None:
    """Collect, then write."""
    parser = argparse.ArgumentParser(description="Write the reliability section of figures.md.")
    parser.add_argument("runs", nargs="+", type=Path, help="outputs of chaos.py --json")
    parser.add_argument("--commit", help="of the tree that ran, if it isn't the present one")
    parser.add_argument("--again", action="append", default=[], help="a run's own options")
    options = parser.parse_args()
    runs = [json.loads(path.read_text()) for path in options.runs]
    text = "\n".join(
        [BEGIN, "", *section(runs, options.commit or _commit(), options.again), "", END]
    )
    old = FIGURES.read_text()
    if old.count(BEGIN) != 1 or old.count(END) != 1:
        raise SystemExit(f"docs/figures.md: put {BEGIN} and {END} where the section belongs")
    FIGURES.write_text(old[: old.index(BEGIN)] + text + old[old.index(END) + len(END) :])


def section(runs: list[Json], commit: str, again: list[str]) -> list[str]:
    """The runs in Markdown."""
    faults: Counter[str] = Counter()
    network: Counter[str] = Counter()
    for run in runs:
        faults.update(run["faults"])
        network.update(run["network"])
    kinds: Counter[str] = Counter()
    for name, count in faults.items():
        kinds[name.partition(" ")[0] if name.startswith(("kill", "freeze")) else name] += count
    wrong = sorted({name for run in runs for name, value in run.items() if _is_wrong(name, value)})
    apis: Counter[str] = Counter()
    for name, count in network.items():
        apis[name.partition(" ")[0]] += count
    today = datetime.now(UTC).date().isoformat()
    kept = (
        "acknowledged",
        "contacts",
        "decisions",
        "void_records",
        "assigned",
        "mails",
        "repeated",
    )
    total = {name: sum(run[name] for run in runs) for name in kept}
    return [
        f"Measured on {today} at commit `{commit}`, {len(runs)} run(s) of `make chaos`.",
        "",
        "**What was done, and what came of it**",
        "",
        "|  | N |",
        "| --- | ---: |",
        f"| R1: kill -9, of all services and the broker | {kinds.pop('kill', 0)} |",
        f"| R4: zombie (frozen owner, a successor decides, it wakes) | {kinds.pop('zombie router', 0)} |",
        *(f"| {name} | {count} |" for name, count in sorted(kinds.items())),
        *(f"| {name}: lost, delayed or late | {count} |" for name, count in sorted(apis.items())),
        f"| mails accepted | {total['acknowledged']:,} |",
        f"| decisions | {total['decisions']:,} |",
        f"| of records void | {total['void_records']} |",
        f"| assignments | {total['assigned']:,} |",
        f"| mails that reached the world | {total['mails']:,} |",
        f"| of them repeats, with the Message-ID of the first | {total['repeated']} |",
        f"| **promises broken**, of all that the checker knows | {', '.join(wrong) or '0'} |",
        "",
        "**R10: from kill -9 to the next decision, by the log's own times**",
        "",
        "|  |  |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for run in runs for name, value in run["figures"].items()),
        "",
        f"Not covered: {NOT_COVERED}",
        "",
        "Machine: "
        + "; ".join(f"{name} {value}" for name, value in machine(["aiokafka"]).items())
        + f"; load {load()} afterwards, other work beside it.",
        "",
        "Again: "
        + ", then ".join(
            f"`.venv/bin/python tests/chaos/chaos.py {words}`".strip() for words in again
        ),
    ]


def _is_wrong(name: str, value: object) -> bool:
    """Whether a field of a verdict is a promise that was broken."""
    return isinstance(value, list) and bool(value) and name != "network"


if __name__ == "__main__":
    main()
