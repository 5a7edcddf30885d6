"""Figures R2, R4 and R5 of reliability on a real Apache Kafka, with only the processes they need.

``python tests/chaos/rig.py --zombies 25`` freezes owners, ``--apis 10`` harms so many requests of
each of five APIs, ``--awaits 1`` ends the router at each await of its commit path; ``--full`` does
all three at full size. One broker, real router and triage processes, a feeder, two readers; judged
by :mod:`chaos.rig_check`. ``--json FILE`` writes the figures. Exit code 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # run as a script: beside it stands chaos.py, which isn't the package
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from chaos import record, rig_apis, rig_awaits, rig_zombies
from chaos.rig_check import Judgement
from chaos.rig_place import Place
from chaos.rig_session import Bench

FULL = {"zombies": 500, "apis": 200, "awaits": 20}
COMMON = (
    "One broker with one copy, all on one machine: no power cut, no disk that lies, no leader that"
    " changes. Owners are forked from a process that has the router's code imported already."
)


def say(text: str) -> None:
    """One line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


async def zombies(count: int, seed: int, place: Place) -> tuple[record.Figure, Judgement]:
    """R4."""
    begun = record.begin()
    bench = await Bench.start(place, say)
    try:
        found = await rig_zombies.run(bench, count, seed)
    finally:
        await bench.close()
    figure = record.figure(
        "R4",
        "An owner frozen for longer than a takeover wakes up",
        begun,
        n=found.done,
        violations=found.judgement.violations,
        figures=found.figures(),
        command=f"python tests/chaos/rig.py --zombies {count} --seed {seed}",
        not_covered=COMMON,
    )
    return figure, found.judgement


async def apis(count: int, seed: int, place: Place) -> tuple[record.Figure, Judgement]:
    """R5."""
    begun = record.begin()
    bench = await Bench.start(place, say, triage=True)
    try:
        found = await rig_apis.run(bench, count, seed)
    finally:
        await bench.close()
    figure = record.figure(
        "R5",
        "Requests and answers of five Kafka APIs lost, delayed or landing late",
        begun,
        n=found.done.total(),
        violations=found.judgement.violations,
        figures=found.figures(),
        command=f"python tests/chaos/rig.py --apis {count} --seed {seed}",
        not_covered=COMMON + " Bytes that are damaged on the way.",
    )
    return figure, found.judgement


async def awaits(
    count: int, seed: int, place: Place, at: Sequence[str] = ()
) -> tuple[record.Figure, Judgement]:
    """R2; with ``at``, of the places that hold one of these words alone."""
    begun = record.begin()
    waits = place.folder / "waits"
    bench = await Bench.start(place, say, environment=rig_awaits.environment(waits))
    try:
        found = await rig_awaits.run(bench, count, seed, waits, at)
    finally:
        await bench.close()
    figure = record.figure(
        "R2a" if at else "R2",
        "The router ends at every await of its commit path" + (" that is seldom" if at else ""),
        begun,
        n=found.ended.total(),
        violations=found.judgement.violations,
        figures=found.figures(count),
        command=shlex.join(
            [
                *("python", "tests/chaos/rig.py", "--awaits", str(count), "--seed", str(seed)),
                *(word for one in at for word in ("--at", one)),
            ]
        ),
        not_covered=COMMON + " Awaits within aiokafka's own background tasks count as one with"
        " ours that waits for them; the process may end at any instant of that wait.",
    )
    return figure, found.judgement


KINDS = {"zombies": zombies, "apis": apis}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true", help="all three at full size")
    for name, size in FULL.items():
        parser.add_argument(f"--{name}", type=int, default=0, help=f"full size: {size}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--at", action="append", default=[], help="awaits: only places that hold this word"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, help="an empty folder for logs and topics")
    options = parser.parse_args()
    figures, wrong = [], 0
    for name, size in FULL.items():
        count = size if options.full else getattr(options, name)
        if count:
            say(f"{name}: {count}")
            figure, judgement = _one(name, count, options)
            figures.append(figure)
            wrong += judgement.violations
            print(json.dumps({name: figure["figures"], "wrong": judgement.wrong}, indent=1))
    if not figures:
        parser.error("say what to do: --full, --zombies N, --apis N, --awaits N")
    if options.json is not None:
        record.write(options.json, *figures)
    print("every promise was kept" if not wrong else f"BROKEN: {wrong} times; see above")
    return 1 if wrong else 0


def _one(name: str, count: int, options: argparse.Namespace) -> tuple[record.Figure, Judgement]:
    with tempfile.TemporaryDirectory(prefix="vaxel-rig-") as temporary:
        folder = (options.keep or Path(temporary)) / name
        folder.mkdir(parents=True)
        return asyncio.run(_started(Place(folder), name, count, options))


async def _started(
    place: Place, name: str, count: int, options: argparse.Namespace
) -> tuple[record.Figure, Judgement]:
    await place.start()
    try:
        if name == "awaits":
            return await awaits(count, options.seed, place, options.at)
        return await KINDS[name](count, options.seed, place)
    finally:
        await place.stop()


if __name__ == "__main__":
    sys.exit(main())
