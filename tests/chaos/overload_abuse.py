"""One source a hundred times too loud: what the others notice of it (figure S11).

``python tests/chaos/overload_abuse.py --json S11.json`` starts a system with two webhook accounts
and measures how long the quiet one's webhooks and a mail server's mails take: while the other
account sends nothing (``alone``), what it may (``allowed``), and a hundred times that (``beside``),
without pause and from a process of its own. The three take turns, so that whatever else the machine
does falls on all. ``allowed`` is the peer of the verdict: what the account has a right to costs the
system as any other contact does, and its sender, which in truth has a machine of its own, sends the
rest of the hundredfold to an address in its own process. So what is looked for is left: what it
costs the others that the system is sent too much. For who asks where it goes, the processors' time
of each process is told beside.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

if not __package__:  # run as a script: this file isn't the package that is called like it
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from chaos import record
from chaos.chaos import ROOT
from chaos.overload_watch import children
from chaos.overload_ways import Arrival, Hooks, Mails, Way
from chaos.system import System

QUIET_RATE = 10.0
ALLOWED_RATE = 10.0
"""What the loud account may send over time: as much as the quiet ones, a second, and the service's
limit of it."""
TIMES = 100
KINDS = {"alone": 0.0, "allowed": ALLOWED_RATE, "beside": ALLOWED_RATE * TIMES}
"""The kinds of rounds, and what the loud account sends in them, a second."""
SETTLE_S = 3.0
"""From the loud one's start to the measuring: its process is up, its burst accepted and gone by."""
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
    "VAXEL_HOOK_REQUESTS_PER_SECOND_MAX": f"{ALLOWED_RATE:g}",
    "VAXEL_HOOK_REQUESTS_BURST_MAX": "20",
}
_LENGTH = re.compile(rb"content-length: (\d+)\r\n(?:.+\r\n)*\r\n", re.IGNORECASE)
NOT_COVERED = (
    "The loud source, the system and the measuring share the machine's cores; what its own sending "
    "costs is in allowed and in beside, and not in alone. What the loud account may send is accepted, and costs what contacts "
    "cost: that is the difference between alone and allowed. Sources are told apart by account "
    "(webhooks) and by network (mail, chat); a flood that fills the line itself is the network's "
    "business."
)


async def offer(
    ways: Sequence[Way], rate: float, seconds: float, tag: str
) -> tuple[list[list[float]], Counter[str]]:
    """Send at a rate, the ways in turn.

    Answers how long each acknowledged one took, by way, in ms, and all outcomes.
    """
    took: list[list[float]] = [[] for _ in ways]
    outcomes: Counter[str] = Counter()

    async def one(number: int) -> None:
        began = time.monotonic()
        arrival = Arrival(f"{tag}-{number:06d}", number + 1, (number * 0.37) % 1)
        way = number % len(ways)
        _, outcome, accepted = await ways[way].send(arrival)
        outcomes[outcome] += 1
        if accepted:
            took[way].append((time.monotonic() - began) * 1000)

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


@dataclass
class Seen:
    """What the rounds of one kind came to; ``cpu`` is in shares of a core, ``took`` in ms by way."""

    took: dict[str, list[float]] = field(default_factory=lambda: {"webhook": [], "mail": []})
    outcomes: Counter[str] = field(default_factory=Counter)
    loud: Counter[str] = field(default_factory=Counter)
    cpu: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    rounds: int = 0

    @property
    def all(self) -> list[float]:
        """Of both ways."""
        return [one for way in self.took.values() for one in way]


def rounds(system: System, count: int) -> dict[str, Seen]:
    """Rounds of each kind, in turn."""
    seen = {kind: Seen() for kind in KINDS}
    for number in range(count * len(KINDS)):
        kind = list(KINDS)[number % len(KINDS)]
        _round(system, kind, number, seen[kind])
    return seen


def _round(system: System, kind: str, number: int, seen: Seen) -> None:
    run = system.run
    process = _loud(system, KINDS[kind]) if KINDS[kind] else None
    time.sleep(SETTLE_S)

    async def measured() -> tuple[list[list[float]], Counter[str]]:
        ways: list[Way] = [
            Hooks(run["services"]["ingest-chat"]["url"], "quiet", system.data_dir),
            Mails(run["smtp"]["host"], run["smtp"]["port"], run["mailboxes"][0]),
        ]
        return await offer(ways, QUIET_RATE, ROUND_S, f"quiet{number}")

    before, began = _cpu_s(run, process), time.monotonic()
    took, outcomes = asyncio.run(measured())
    lasted = time.monotonic() - began
    for name, spent in _cpu_s(run, process).items():
        seen.cpu[name] += (spent - before.get(name, spent)) / lasted
    for name, values in zip(seen.took, took, strict=True):
        seen.took[name] += values
    seen.outcomes += outcomes
    seen.rounds += 1
    if process is not None:
        text, _ = process.communicate(timeout=60)
        seen.loud += Counter(json.loads(text))
    values = [value for way in took for value in way]
    told = f"p50 {quantile(values, 0.5):.1f} ms, p99 {quantile(values, 0.99):.1f} ms"
    print(f"abuse: {kind}: {told}", flush=True)


def _cpu_s(run: dict[str, Any], loud: subprocess.Popen[str] | None) -> dict[str, float]:
    """Seconds of processor that each process has had so far, its children's included."""
    pids = {name: one["pid"] for name, one in run["services"].items() if one["pid"]}
    if run.get("broker_pid"):
        pids["broker"] = run["broker_pid"]
    if loud is not None:
        pids["the loud one itself"] = loud.pid
    found: dict[str, float] = {}
    for name, pid in pids.items():
        for one in (pid, *children(pid)):
            try:
                fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            # utime and stime, in ticks (proc(5), fields 14 and 15; what is left begins with the 3rd)
            ticks = int(fields[11]) + int(fields[12])
            found[name] = found.get(name, 0.0) + ticks / os.sysconf("SC_CLK_TCK")
    return found


def _loud(system: System, rate: float) -> subprocess.Popen[str]:
    command = ["nice", "-n", "5", sys.executable, __file__, "--abuse", str(system.data_dir)]
    command += ["--rate", str(rate)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


class Elsewhere(asyncio.Protocol):
    """Refuses all webhooks, with nothing done."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has come."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self._got = b""

    def data_received(self, data: bytes) -> None:
        """Answer what is complete."""
        self._got += data
        while (found := _LENGTH.search(self._got)) is not None:
            end = found.end() + int(found[1])
            if len(self._got) < end:
                return
            self._got = self._got[end:]
            self._transport.write(
                b"HTTP/1.1 429 Too Many\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"
            )


def abuse(data_dir: Path, rate: float) -> None:
    """The loud one, in its own process; prints how it was answered."""
    run = json.loads((data_dir / "run.json").read_text())
    tag = f"loud{time.monotonic_ns()}"

    async def whole() -> Counter[str]:
        ways: list[Way] = [Hooks(run["services"]["ingest-chat"]["url"], "partner", data_dir)]
        server = await asyncio.get_running_loop().create_server(Elsewhere, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        elsewhere: list[Way] = [Hooks(url, "partner", data_dir)]
        rest = max(KINDS.values()) - rate
        (_, answered), _ = await asyncio.gather(
            offer(ways, rate, ROUND_S + SETTLE_S, tag),
            offer(elsewhere, rest, ROUND_S + SETTLE_S, tag),
        )
        return answered

    print(json.dumps(asyncio.run(whole())), flush=True)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true", help="six rounds of each; else two")
    parser.add_argument("--port-offset", type=int, default=19_900)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--abuse", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=float, default=ALLOWED_RATE * TIMES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.abuse is not None:
        abuse(options.abuse, options.rate)
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


def judged(seen: dict[str, Seen], path: Path | None, begun: record.Begun) -> int:
    """Tell and write down what was seen; 1 where the others noticed too much."""
    figures = figures_of(seen)
    noticed, lost = noticed_of(seen)
    for name, value in figures.items():
        print(f"abuse: {name}: {value}")
    verdict = "noticed" if noticed or lost else f"within {RATIO_MAX} times"
    print(f"abuse: verdict: {verdict}")
    if path is not None:
        one = record.figure(
            "S11",
            "One source a hundred times too loud",
            begun,
            n=len(seen["beside"].all),
            violations=int(noticed) + lost,
            command="python tests/chaos/overload_abuse.py --full",
            figures=figures,
            not_covered=NOT_COVERED,
        )
        record.write(path, one)
    return 1 if noticed or lost else 0


def noticed_of(seen: dict[str, Seen]) -> tuple[bool, int]:
    """Whether the others noticed that it sends more than it may; how many of theirs got lost."""
    allowed, beside = (quantile(seen[kind].all, 0.99) for kind in ("allowed", "beside"))
    noticed = beside > allowed * RATIO_MAX and beside - allowed > FLOOR_MS
    outcomes = sum((one.outcomes for one in seen.values()), Counter[str]())
    return noticed, sum(n for name, n in outcomes.items() if name not in ("204", "250"))


def figures_of(seen: dict[str, Seen]) -> dict[str, object]:
    """All that there is to tell."""
    figures: dict[str, object] = {}
    ways: dict[str, Callable[[Seen], list[float]]] = {"all": lambda one: one.all}
    ways |= {way: partial(_of_way, way=way) for way in seen["alone"].took}
    for way, values in ways.items():
        for share in (0.5, 0.9, 0.99):
            found = {kind: quantile(values(one), share) for kind, one in seen.items()}
            told = ", ".join(f"{kind} {value:.1f} ms" for kind, value in found.items())
            over = ", ".join(
                f"{found['beside'] / found[peer]:.2f} times {peer}"
                for peer in ("allowed", "alone")
                if found[peer]
            )
            figures[f"p{share * 100:.0f} of {way}"] = f"{told}; beside is {over}"
    for kind, one in seen.items():
        figures[f"of the quiet ones, {kind}"] = dict(one.outcomes)
        figures[f"of the loud one, {kind}"] = dict(one.loud)
        shares = {
            name: spent / max(1, one.rounds)
            for name, spent in sorted(one.cpu.items(), key=_spent, reverse=True)
        }
        told = ", ".join(f"{name} {share:.2f}" for name, share in shares.items())
        figures[f"cores busy, {kind}"] = f"{sum(shares.values()):.2f} ({told})"
    return figures


def _spent(one: tuple[str, float]) -> float:
    return one[1]


def _of_way(one: Seen, way: str) -> list[float]:
    return one.took[way]


if __name__ == "__main__":
    sys.exit(main())
