"""Every harness at full size, one after another: hours; ``make chaos-full OUT=folder`` runs it.

Each part writes its figures into the folder; at the end they go into ``docs/figures.md``. A part that
is missing or fails is named, and the rest goes on. Exit code 0: all ran, and no promise was broken.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHAOS = "tests/chaos/chaos.py"
PARTS: dict[str, list[str]] = {
    "kills": [
        CHAOS,
        *["--kills", "250", "--rounds", "4", "--pace", "1.5", "--rate", "4", "--judge", "600"],
    ],
    "rolling": [CHAOS, *["--rolling", "25", "--rounds", "2", "--rate", "4", "--judge", "600"]],
    "every-fault": [CHAOS, *["--seconds", "600", "--rounds", "2", "--rate", "8", "--judge", "600"]],
    "rig": ["tests/chaos/rig.py", "--full"],
    "three-brokers": ["tests/chaos/three_brokers.py", "--full"],
    "simulation": ["tests/simulation/world_run.py", "--full"],
    "overload": ["tests/chaos/overload.py", "--full"],
    "abuse": ["tests/chaos/overload_abuse.py", "--full"],
    "clocks": ["tests/chaos/clocks.py", "--full"],
    "every-call": ["tests/everycall/run.py", "--full"],
    "poison": ["tests/everycall/poison.py", "--full"],
    "oracle": ["services/router/tests/oracle_run.py", "--full"],
    "golden": ["tests/replay/golden_run.py"],
}
"""Name → what runs it, with ``--json FILE`` added."""


def say(text: str) -> None:
    """A line of the account."""
    print(f"chaos-full: {text}", flush=True)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for figures and accounts")
    parser.add_argument("--only", default="", help="parts by name, with commas")
    options = parser.parse_args()
    out: Path = options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    wanted = options.only.split(",") if options.only else list(PARTS)
    if unknown := [name for name in wanted if name not in PARTS]:
        say(f"no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
        return 2
    results = {name: part(name, out) for name in wanted}
    written = [str(path) for name in wanted if (path := out / f"{name}.json").exists()]
    if written:
        command = [sys.executable, "tests/chaos/figures.py", *written]
        subprocess.run(command, cwd=ROOT, check=True)
    for name, result in results.items():
        say(f"{name}: {result}")
    good = all(result == "good" for result in results.values())
    say("verdict: every part ran and no promise was broken" if good else "verdict: NOT good")
    return 0 if good else 1


def part(name: str, out: Path) -> str:
    """Run one; its account goes to the screen and into a file."""
    script, *words = PARTS[name]
    if not (ROOT / script).exists():
        return f"missing: there is no {script}"
    figures, account = out / f"{name}.json", out / f"{name}.log"
    figures.unlink(missing_ok=True)
    began = time.monotonic()
    say(f"{name}: {script} {' '.join(words)}, told in {account}")
    command = [sys.executable, script, *words, "--json", str(figures)]
    with account.open("w") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            print(line, end="", flush=True)
    minutes = (time.monotonic() - began) / 60
    code = process.wait()
    if code:
        return f"FAILED with exit code {code} after {minutes:.0f} min: see {account}"
    return "good" if figures.exists() else f"wrote no figures: see {account}"


if __name__ == "__main__":
    sys.exit(main())
