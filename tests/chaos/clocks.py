"""Clocks: a million timers, clocks that are wrong, hours in which everything is down.

    python tests/chaos/clocks.py                        sizes of a minute
    python tests/chaos/clocks.py --full --json FILE     figures R9 and R16

In virtual time, with the real cores and shells; ``--full`` also with real processes, where
libfaketime is installed. Ends in a verdict; exit code 1 where a promise was broken, with the seed
that repeats it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

if __name__ == "__main__":  # instead of this folder, in which a module is called as the folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import structlog
from chaos import clocks_real, clocks_timers, clocks_world, record

TIMERS, HISTORIES = 20_000, 6
FULL_TIMERS, FULL_HISTORIES = 1_000_000, 400
CASES = 2_500
"""In one stretch of the monitor's life: some eleven thousand timers."""
NOT_COVERED = (
    "a broker whose clock runs at another rate; in virtual time Faust is imitated, and calendars are"
    " always open (the others have vectors of their own)"
)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true", help="a million timers, 800 histories")
    parser.add_argument("--json", type=Path, help="write the figures R9 and R16 there")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    command = f"python tests/chaos/clocks.py --seed {asked.seed}" + " --full" * asked.full
    one, timers = _timers(FULL_TIMERS if asked.full else TIMERS, asked.seed, command)
    two, failed = _worlds(FULL_HISTORIES if asked.full else HISTORIES, asked.seed, command)
    if asked.full:
        failed += (said := _real(asked.seed, two))
        two["violations"] += len(said)
    if asked.json is not None:
        record.write(asked.json, one, two)
    broken = one["violations"] + two["violations"]
    for line in failed:
        print(f"clocks: broken: {line}", flush=True)
    print(
        f"clocks: {'GOOD' if not broken else 'NOT good'}: {timers.told:,} timers told"
        f" ({timers.missed} missed, {timers.early} early, {timers.disordered} out of order,"
        f" {timers.unlike + timers.unwanted} otherwise wrong); {two['n']} histories with wrong"
        f" clocks or an hour's outage, {len(failed)} broken",
        flush=True,
    )
    return 1 if broken else 0


def _timers(wanted: int, seed: int, command: str) -> tuple[record.Figure, clocks_timers.Result]:
    begun, result, said = record.begin(), clocks_timers.Result(), time.monotonic()
    while result.armed < wanted:
        result.add(clocks_timers.play(seed, CASES))
        seed += 1
        if time.monotonic() - said > 20:
            said = time.monotonic()
            print(f"clocks: {result.armed:,} of {wanted:,} timers", flush=True)
    late = sorted(result.late_ms.elements())
    figure = record.figure(
        "R9",
        "SLA timers, none missed, none early",
        begun,
        n=result.armed,
        violations=result.violations,
        command=command,
        figures={
            "timers armed": f"{result.armed:,}",
            "missed": result.missed,
            "early": result.early,
            "told twice under two ids, or at another instant": result.unlike + result.unwanted,
            "due in an hour's outage, told once after it": f"{result.overdue:,}",
            "of those, out of order": result.disordered,
            "lateness p50 / p99 / max": (
                f"{late[len(late) // 2]} / {late[len(late) * 99 // 100]} / {late[-1]} ms"
                f" (a mark comes each {clocks_timers.MARK_MS} ms)"
            ),
            "repeated by kills, under the same ids": result.repeated,
        },
        not_covered=NOT_COVERED,
        broker="virtual time, no broker",
    )
    return figure, result


def _worlds(histories: int, seed: int, command: str) -> tuple[record.Figure, list[str]]:
    begun, seeds, count = record.begin(), range(seed, seed + histories), 0

    def done() -> None:
        nonlocal count
        count += 1
        if count % 50 == 0:
            print(f"clocks: {count} of {2 * histories} histories", flush=True)

    wrong = clocks_world.play(seeds, clocks_world.wrong_clocks, done)
    away = clocks_world.play(seeds, clocks_world.outage, done)
    failed = wrong.failed + away.failed
    figure = record.figure(
        "R16",
        "Clocks that jump and drift, and an hour's outage",
        begun,
        n=wrong.histories + away.histories,
        violations=len(failed),
        command=command,
        figures={
            "jumps of a service's clock by an hour": wrong.faults["wall_jump"],
            "drifts up to 5 % of a service's clocks": wrong.faults["drift"],
            "jumps of the broker's clock, an hour back to a minute ahead": (
                wrong.faults["broker_jump"]
            ),
            "outages of an hour": away.faults["outage"],
            "interactions": f"{wrong.contacts + away.contacts:,}",
            "the router's timers, on time": f"{wrong.timers + away.timers:,}",
            "of those, due in an outage, in order after it": f"{away.overdue:,}",
            "SLA warnings and breaches": f"{wrong.alerts + away.alerts:,}",
            "order broken, timers early, misses or absences by an outage": len(failed),
        },
        not_covered=NOT_COVERED,
        broker="the simulated log of tests/simulation",
    )
    return figure, failed


def _real(seed: int, figure: record.Figure) -> list[str]:
    """The same with real processes; what was broken."""
    if clocks_real.library() is None:
        print("clocks: no libfaketime here (apt-get install libfaketime); real processes left out")
        figure["figures"]["real processes with wrong clocks"] = "left out: no libfaketime"
        return []
    wrong = [line for shift in clocks_real.SHIFTS for line in clocks_real.run(shift, seed)]
    figure["figures"]["real processes an hour and 5 % off, both ways, under kill -9"] = (
        f"{len(clocks_real.SHIFTS)} runs of {clocks_real.SECONDS} s, {len(wrong)} promises broken"
    )
    return wrong


if __name__ == "__main__":
    raise SystemExit(main())
