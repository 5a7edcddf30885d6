"""Fault at every call: each call that a service makes of its surroundings goes wrong once.

    .venv/bin/python tests/everycall/run.py                     # each call, one way of going wrong
    .venv/bin/python tests/everycall/run.py --full --json FILE  # each call, every way

The services are the real ones, wired by their own bootstrap; underneath stand Kafka's clients,
SQLite, blobs, a mail relay and tools in memory, and time is virtual. After each fault the service
goes on, or ends with an error that says what to do and is started again over what is there; in the
end nothing is lost, nothing was done twice unsaid, and nobody waited for longer than a deadline.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from chaos import record
from everycall.faults import BOUND_S
from everycall.sweep import Scenario, Tally, sweep

SCENARIOS = {
    "router": ("router", "RouterScenario"),
    "triage": ("triage", "TriageScenario"),
    "ingest-email": ("email", "EmailScenario"),
    "ingest-chat": ("chat", "ChatScenario"),
    "spool": ("chat", "SpoolScenario"),
    "delivery": ("delivery", "DeliveryScenario"),
    "register": ("register", "RegisterScenario"),
    "sla-monitor": ("sla", "SlaScenario"),
    "dlq": ("dlq", "DlqScenario"),
}
NOT_COVERED = (
    "aiokafka, SQLite's threads, sockets and Faust's stream are stood in for; one fault a history; "
    "a mail relay may take the 60 and 600 s of RFC 5321 over a command and a mail; a statement that "
    "hangs is ended by the driver's deadline, as PostgreSQL's is"
)


def scenario(name: str) -> type[Scenario]:
    """One of :data:`SCENARIOS`, imported when it is needed."""
    module, cls = SCENARIOS[name]
    found: type[Scenario] = getattr(import_module(f"everycall.scenarios.{module}"), cls)
    return found


def main() -> int:
    """0 where every history ended as it must."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="every way of going wrong for each")
    parser.add_argument("--only", choices=[*SCENARIOS], action="append")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    begun = record.begin()
    tallies = []
    for name in asked.only or SCENARIOS:
        started = time.perf_counter()
        tally = sweep(scenario(name), thin=not asked.full, told=_progress)
        tallies.append(tally)
        print(
            f"\r{tally.name:24} {tally.calls:4} calls, {tally.faults:5} went wrong, "
            f"{len(tally.violations)} violations, {time.perf_counter() - started:.0f} s"
        )
    for violation in [one for tally in tallies for one in tally.violations][:50]:
        print(f"  {violation}")
    violations = sum(len(tally.violations) for tally in tallies)
    if asked.json:
        command = "python tests/everycall/run.py" + (" --full" if asked.full else "")
        record.write(asked.json, _figure(begun, tallies, violations, command))
    print("verdict:", "every history ended as it must" if not violations else "BROKEN")
    return 1 if violations else 0


def _figure(
    begun: record.Begun, tallies: list[Tally], violations: int, command: str
) -> record.Figure:
    exits = sum((tally.exits for tally in tallies), Counter[str]())
    return record.figure(
        "R13",
        "Every call that a service makes goes wrong once",
        begun,
        n=sum(tally.faults for tally in tallies),
        violations=violations,
        figures={
            "calls of one scenario": ", ".join(f"{one.name} {one.calls}" for one in tallies),
            "ways of going wrong": ", ".join(sorted({way for one in tallies for way in one.runs})),
            "processes that ended": ", ".join(f"{n} by {name}" for name, n in exits.items()),
            "longest wait for a call that hung": (
                f"{max(tally.hang_s_max for tally in tallies):.0f} s (bound {BOUND_S:.0f} s; "
                "mail as below)"
            ),
        },
        command=command,
        not_covered=NOT_COVERED,
        broker="clients in memory, virtual time",
    )


def _progress(tally: Tally) -> None:
    if sys.stdout.isatty():
        print(f"\r{tally.name:24} {tally.faults:5} of about {tally.calls * 6}", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
