"""One source a hundred times too loud: what the others notice of it (figure S11).

``python tests/chaos/overload_abuse.py --json S11.json`` starts a system with two webhook accounts
and measures how long the quiet one's webhooks and a mail server's mails take, first alone, then
while the other account sends a hundred times as much, without pause and from a process of its own.
Rounds with and without it take turns, so that whatever else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if not __package__:  # run as a script: this file isn't the package that is called like it
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from chaos import record
from chaos.chaos import ROOT
from chaos.overload_ways import Arrival, Hooks, Mails, Way
from chaos.system import System

QUIET_RATE = 10.0
TIMES = 100
ROUND_S = 10.0
RATIO_MAX = 1.2
FLOOR_MS = 2.0
"""Less than this isn't noticed by anybody, whatever ratio it makes."""
SECOND = """
  - id: quiet
    channel: webhook
    platform: standard
    secret_file: quiet-webhook
    pool: support
    queue: general
"""
ENVIRONMENT = {
    "VAXEL_HOOK_REQUESTS_PER_SECOND_MAX": "20",
    "VAXEL_HOOK_REQUESTS_BURST_MAX": "100",
}
NOT_COVERED = (
    "The loud source, the system and the measuring share the machine's cores: what its own sending "
    "costs is in the figure. Sources are told apart by account (webhooks) and by network (mail, "
    "chat); a flood that fills the line itself is the network's business."
)


async def offer(
    ways: Sequence[Way], rate: float, seconds: float, tag: str
) -> tuple[list[float], Counter[str]]:
    """Send at a rate, the ways in turn; how long each acknowledged one took, in ms, and all outcomes."""
    took: list[float] = []
    outcomes: Counter[str] = Counter()

    async def one(number: int) -> None:
        began = time.monotonic()
        arrival = Arrival(f"{tag}-{number:06d}", number + 1, (number * 0.37) % 1)
        _, outcome, accepted = await ways[number % len(ways)].send(arrival)
        outcomes[outcome] += 1
        if accepted:
            took.append((time.monotonic() - began) * 1000)

    began = time.monotonic()
    tasks = []
    for number in range(int(rate * seconds)):
        behind = time.monotonic() - began - number / rate
        if behind > seconds:
            break
        await asyncio.sleep(max(0.0, -behind))
        tasks.append(asyncio.create_task(one(number)))
        tasks = [task for task in tasks if not task.done()] if len(tasks) > 2_000 else tasks
    await asyncio.gather(*tasks)
    return took, outcomes


def quantile(values: Sequence[float], share: float) -> float:
    """A quantile of the values; 0.0 of none."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else 0.0


def rounds(system: System, count: int) -> dict[str, Any]:
    """Rounds without and with the loud one, in turn."""
    run = system.run
    url = run["services"]["ingest-chat"]["url"]
    found: dict[str, list[float]] = {"alone": [], "beside": []}
    outcomes: Counter[str] = Counter()
    loud: Counter[str] = Counter()
    for number in range(count * 2):
        name = "beside" if number % 2 else "alone"
        process = _abuser(system) if name == "beside" else None
        if process is not None:
            time.sleep(1.5)

        async def measured(tag: str) -> tuple[list[float], Counter[str]]:
            ways: list[Way] = [
                Hooks(url, "quiet", system.data_dir),
                Mails(run["smtp"]["host"], run["smtp"]["port"], run["mailboxes"][0]),
            ]
            return await offer(ways, QUIET_RATE, ROUND_S, tag)

        took, seen = asyncio.run(measured(f"quiet{number}"))
        found[name] += took
        outcomes += seen
        print(
            f"abuse: {name}: p50 {quantile(took, 0.5):.1f} ms, p99 {quantile(took, 0.99):.1f} ms",
            flush=True,
        )
        if process is not None:
            text, _ = process.communicate(timeout=60)
            loud += Counter(json.loads(text))
    return {"took": found, "outcomes": outcomes, "loud": loud}


def _abuser(system: System) -> subprocess.Popen[str]:
    command = ["nice", "-n", "5", sys.executable, __file__, "--abuse", str(system.data_dir)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def abuse(data_dir: Path) -> None:
    """The loud one, in its own process; prints how it was answered."""
    run = json.loads((data_dir / "run.json").read_text())
    tag = f"loud{time.monotonic_ns()}"

    async def whole() -> Counter[str]:
        ways: list[Way] = [Hooks(run["services"]["ingest-chat"]["url"], "partner", data_dir)]
        return (await offer(ways, QUIET_RATE * TIMES, ROUND_S + 1.5, tag))[1]

    print(json.dumps(asyncio.run(whole())), flush=True)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true", help="six rounds of each; else two")
    parser.add_argument("--port-offset", type=int, default=19_900)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--abuse", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.abuse is not None:
        abuse(options.abuse)
        return 0
    begun = record.begin()
    folder = Path(tempfile.mkdtemp(prefix="vaxel-abuse-"))
    config = folder / "config"
    shutil.copytree(ROOT / "config", config)
    with (config / "channels.yaml").open("a") as file:
        file.write(SECOND)
    system = System(folder, options.port_offset, config, ENVIRONMENT)
    try:
        system.start()
        result = rounds(system, 6 if options.full else 2)
        system.stop()
    finally:
        system.end()
    return judged(result, options.json, begun)


def judged(result: dict[str, Any], path: Path | None, begun: record.Begun) -> int:
    """Tell and write down what was seen; 1 where the others noticed too much."""
    took = result["took"]
    figures: dict[str, object] = {}
    for share in (0.5, 0.9, 0.99):
        alone, beside = (quantile(took[name], share) for name in ("alone", "beside"))
        ratio = beside / alone if alone else 0.0
        figures[f"p{share * 100:.0f}: alone, beside, ratio"] = (
            f"{alone:.1f} ms, {beside:.1f} ms, {ratio:.2f}"
        )
    figures["of the quiet ones"] = dict(result["outcomes"])
    figures["of the loud one"] = dict(result["loud"])
    alone, beside = (quantile(took[name], 0.99) for name in ("alone", "beside"))
    noticed = beside > alone * RATIO_MAX and beside - alone > FLOOR_MS
    lost = sum(n for name, n in result["outcomes"].items() if name not in ("204", "250"))
    for name, value in figures.items():
        print(f"abuse: {name}: {value}")
    verdict = "noticed" if noticed or lost else f"within {RATIO_MAX} times"
    print(f"abuse: verdict: {verdict}")
    if path is not None:
        one = record.figure(
            "S11",
            "One source a hundred times too loud",
            begun,
            n=len(took["beside"]),
            violations=int(noticed) + lost,
            command="python tests/chaos/overload_abuse.py --full",
            figures=figures,
            not_covered=NOT_COVERED,
        )
        record.write(path, one)
    return 1 if noticed or lost else 0


if __name__ == "__main__":
    sys.exit(main())
