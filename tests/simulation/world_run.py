"""Histories of the simulated world, by the thousand: real cores and shells, faults from a seed.

    python tests/simulation/world_run.py --seeds 0..200           so many histories
    python tests/simulation/world_run.py --seconds 60             as many as there is time for
    python tests/simulation/world_run.py --full --json R3.json    a million interactions
    python tests/simulation/world_run.py --seed 17 --verbose      one history, and what happened in it

Ends in a verdict; exit code 1 where a promise was broken. A seed is a history: the same on every
machine, Python and hash seed.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import structlog
from chaos import record
from simulation.simlog import Fate
from simulation.world import powercut
from simulation.world.history import Failed, History

FULL_CONTACTS, FULL_FAULTS, FULL_SEEDS = 1_000_000, 100_000, 10_000
POWER_CUTS = 500
RERUN = 100
"""Histories that the full run plays twice."""
HASH_SEEDS, HASHED = 10, 20
"""So many other processes play so many histories, each under a hash seed of its own."""
COMMAND = "python tests/simulation/world_run.py --full --json FILE"
NOT_COVERED = (
    "the simulated log (one test suite holds it against Apache Kafka), not a broker; one partition;"
    " databases are memory that keeps what a call wrote; Faust is imitated; interactions come in"
    " as triage writes them; a log cut under a router that goes on reading without a restart"
)


class Tally:
    """What all histories came to."""

    def __init__(self) -> None:
        self.histories = 0
        self.contacts = 0
        self.failed: dict[str, str] = {}
        """History → what it broke."""
        self.faults: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.digests = hashlib.sha256()

    def add(self, one: History) -> None:
        """A history that went well."""
        self.histories += 1
        self.contacts += one.plan.contacts
        self.faults.update(one.faults.counts)
        for fate, count in one.broker.fates.items():
            if fate is not Fate.FINE:
                self.faults[f"append {fate.name.lower()}"] += count
        self.counts["inputs"] += len(one.checker.work)
        self.counts["records"] += len(one.checker.valid)
        self.counts["void records"] += one.checker.voids
        self.counts["decisions"] += sum(one.checker.counts.values())
        self.counts["timers on time"] += one.checker.facts.timers
        self.counts["inputs that came again at the end"] += one.copies
        self.counts["displaced owners"] += one.ends["Displaced"]
        for name in one.plan.checks + one.plan.services:
            self.counts[f"with {name}"] += 1
        self.digests.update(one.digest().encode())


def main() -> int:
    """Run what is asked for."""
    asked = _arguments()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    gc.disable()
    if asked.seed is not None:
        return _one(asked.seed, verbose=asked.verbose)
    begun, tally = record.begin(), Tally()
    first, last = asked.seeds if asked.seeds is not None else (asked.first, sys.maxsize)
    until = time.monotonic() + asked.seconds if asked.seconds else None
    seed = first
    while seed < last and not (until is not None and time.monotonic() > until):
        if asked.full and _is_full(tally):
            break
        _play(seed, tally, quiet=asked.digests)
        seed += 1
        if seed % 10 == 0:
            gc.collect()
        if not asked.digests and seed % 50 == 0:
            _progress(tally, begun, full=asked.full)
    if asked.digests:
        print(tally.digests.hexdigest())
        return 1 if tally.failed else 0
    cuts = _power_cuts(POWER_CUTS if asked.full else 0, tally)
    reruns = _rerun(RERUN if asked.full else 0, first, tally)
    hashed = _hash_seeds(HASH_SEEDS if asked.full else 0, first, tally, asked.python)
    figures = [
        _world_figure(tally, begun, f"{first}..{seed}", cuts),
        _repeats_figure(tally, begun),
        _determinism_figure(tally, begun, reruns, hashed, asked.python),
    ]
    if asked.json is not None:
        record.write(asked.json, *figures)
    return _verdict(tally, figures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=_range, help="A..B: from A up to, not including, B")
    parser.add_argument("--seconds", type=float, help="as many histories as fit into so long")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--full", action="store_true", help="a million interactions")
    parser.add_argument("--json", type=Path, help="write the figure there")
    parser.add_argument("--seed", type=int, help="one history")
    parser.add_argument("--verbose", action="store_true", help="and what happened in it")
    parser.add_argument("--python", action="append", default=[], help="others that must agree")
    parser.add_argument("--digests", action="store_true", help="print one hash of all logs")
    asked = parser.parse_args()
    if asked.seeds is None and not (asked.full or asked.seconds or asked.seed is not None):
        parser.error("say --seeds A..B, --seconds S, --seed N or --full")
    return asked


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("..")
    return int(first), int(last)


def _one(seed: int, *, verbose: bool) -> int:
    one = History(seed)
    try:
        one.run()
    except Failed as failed:
        print(failed)
        return 1
    finally:
        if verbose:
            print(one.plan)
            print("\n".join(one.log))
    tally = Tally()
    tally.add(one)
    print(f"seed {seed}: {one.plan.contacts} interactions, {dict(tally.counts)}")
    print(f"faults {dict(tally.faults)}; log {one.digest()}")
    return 0


def _play(seed: int, tally: Tally, *, quiet: bool = False) -> None:
    one = History(seed)
    try:
        one.run()
    except Failed as failed:
        tally.failed[str(seed)] = str(failed.error)
        print(failed, file=sys.stderr if quiet else sys.stdout, flush=True)
    else:
        tally.add(one)


def _is_full(tally: Tally) -> bool:
    return (
        tally.contacts >= FULL_CONTACTS
        and tally.faults.total() >= FULL_FAULTS
        and tally.histories >= FULL_SEEDS
    )


def _progress(tally: Tally, begun: record.Begun, *, full: bool) -> None:
    seconds = time.monotonic() - begun.at_s
    rate = tally.contacts / seconds
    left = f", {(FULL_CONTACTS - tally.contacts) / rate / 60:.0f} min to go" if full else ""
    print(
        f"{tally.histories:,} histories, {tally.contacts:,} interactions,"
        f" {tally.faults.total():,} faults, {len(tally.failed)} failed, {rate:.0f}/s{left}",
        flush=True,
    )


def _power_cuts(count: int, tally: Tally) -> Counter[str]:
    cuts: Counter[str] = Counter()
    for seed in range(count):
        try:
            came = powercut.play(seed)
        except Failed as failed:
            tally.failed[f"power cut {seed}"] = str(failed.error)
            print(failed, flush=True)
        else:
            cuts["power cuts"] += 1
            cuts["records lost"] += sum(came["lost"].values())
            cuts["services that halted"] += len(came["halted"])
    return cuts


def _rerun(count: int, first: int, tally: Tally) -> int:
    """Play some once more; a different log is a failure."""
    for seed in range(first, first + count):
        if str(seed) not in tally.failed and _digest(seed) != _digest(seed):
            tally.failed[f"{seed}, the second time"] = "another log"
    return count


def _hash_seeds(count: int, first: int, tally: Tally, pythons: list[str]) -> int:
    """The same histories in other processes, then by other Pythons; another log is a failure."""
    found = set()
    for program, number in [
        *((sys.executable, n) for n in range(count)),
        *((p, 0) for p in pythons),
    ]:
        command = [program, __file__, "--digests", "--seeds", f"{first}..{first + HASHED}"]
        environment = os.environ | {"PYTHONHASHSEED": str(number)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        found.add(done.stdout)
    if len(found) > 1:
        tally.failed["other processes"] = "another log"
    return count


def _digest(seed: int) -> str:
    return History(seed).run().digest()


def _world_figure(
    tally: Tally, begun: record.Begun, seeds: str, cuts: Counter[str]
) -> record.Figure:
    seconds = time.monotonic() - begun.at_s
    return record.figure(
        "R3",
        "A simulated world: interactions under faults, one seed one history",
        begun,
        n=tally.contacts,
        violations=len(tally.failed),
        figures={
            "histories": f"{tally.histories:,}",
            "seeds": seeds,
            "faults": f"{tally.faults.total():,}",
            "of these": ", ".join(f"{name} {n:,}" for name, n in sorted(tally.faults.items())),
            **{name: f"{count:,}" for name, count in sorted(tally.counts.items())},
            **{name: f"{count:,}" for name, count in sorted(cuts.items())},
            "interactions a second": f"{tally.contacts / max(seconds, 0.001):.0f}",
        },
        command=COMMAND,
        not_covered=NOT_COVERED,
        broker="simulated",
    )


def _repeats_figure(tally: Tally, begun: record.Begun) -> record.Figure:
    return record.figure(
        "R6",
        "Each input delivered one to five times, shuffled: the same final state",
        begun,
        n=tally.counts["inputs that came again at the end"],
        violations=sum("came again" in said for said in tally.failed.values()),
        figures={
            "histories folded again with copies": tally.counts["with repeats"],
            "ids are remembered for": "8 days",
        },
        command=COMMAND,
        not_covered="a copy that comes more than eight days after its input",
        broker="simulated",
    )


def _determinism_figure(
    tally: Tally, begun: record.Begun, reruns: int, hashed: int, pythons: list[str]
) -> record.Figure:
    differs = ("replay differs", "another log", "isn't the fold")
    return record.figure(
        "R17",
        "Determinism: the same history, the same log, byte for byte",
        begun,
        n=tally.counts["with replay"],
        violations=sum(any(word in said for word in differs) for said in tally.failed.values()),
        figures={
            "histories whose every decision was recomputed": tally.counts["with replay"],
            "histories played twice": reruns,
            "processes with another hash seed": f"{hashed}, {HASHED} histories each",
            "other Pythons, as many histories": ", ".join(map(_version, pythons)) or "none",
        },
        command=COMMAND,
        not_covered="other machines",
        broker="simulated",
    )


def _version(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _verdict(tally: Tally, figures: list[record.Figure]) -> int:
    for name, value in figures[0]["figures"].items():
        print(f"  {name}: {value}")
    if tally.failed:
        print(f"BROKEN: {len(tally.failed)} histories broke a promise:")
        for name, said in tally.failed.items():
            print(f"  {name}: {said[:200]}")
        return 1
    print(
        f"GOOD: {tally.contacts:,} interactions in {tally.histories:,} histories with"
        f" {tally.faults.total():,} faults: none lost, none decided twice, one owner, capacity,"
        " order and every deadline kept"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
