"""What a run of chaos comes to: an account for people, and figures for ``docs/figures.md``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chaos import record
from chaos.checker import Verdict
from chaos.recovery import describe

if TYPE_CHECKING:
    from chaos.chaos import Run

NOT_COVERED = (
    "replication (one broker, one copy), power cuts and damaged disks (a kill -9 leaves the page "
    "cache whole), a network (everything is on loopback)"
)
RECOVERY_NOT_COVERED = (
    "other machines: most of it is how long Python takes to start and import on two cores that "
    "the whole system, its load and other work share"
)


@dataclass
class Outcome:
    """One run, or several that are taken together."""

    begun: record.Begun
    verdict: Verdict = field(default_factory=Verdict)
    done: Counter[str] = field(default_factory=Counter)
    network: Counter[str] = field(default_factory=Counter)
    starting: int = 0
    drains_ms: dict[str, list[int]] = field(default_factory=dict)
    rounds: int = 0

    def add(self, verdict: Verdict, run: Run) -> None:
        """Take on a run."""
        self.verdict.add(verdict)
        self.done.update(run.done)
        self.network.update(run.torment.network)
        self.starting += run.kills.starting
        self.rounds += 1
        for name, times in run.rolling.drains_ms.items():
            self.drains_ms.setdefault(name, []).extend(times)


def account(
    verdict: Verdict, done: Counter[str], network: dict[str, int], starting: int
) -> list[str]:
    """Lines for people."""
    faults = ", ".join(f"{count} x {name}" for name, count in sorted(done.items()))
    lines = [f"{done.total()} faults: {faults}"]
    if starting:
        lines.append(f"{starting} of the kills hit a process that was just coming back")
    lines += [f"network: {count} x {name}" for name, count in sorted(network.items())]
    lines += [
        (
            f"{verdict.sent} messages sent, {verdict.acknowledged} accepted, {verdict.contacts} decided"
            f" ({verdict.recovered} of them although the sender was told to come again)"
        ),
        (
            f"{verdict.decisions} decisions in {verdict.records} records ({verdict.void_records} void)"
            f" for {verdict.commands} commands, {verdict.assigned} assignments,"
            f" {verdict.offers_ended} offers ended, {verdict.replied} answers,"
            f" {verdict.answered} writes of agents acknowledged"
        ),
        (
            f"{verdict.timers} timers fired, {verdict.clocks} warnings and breaches were due;"
            f" {verdict.mails} mails reached the world, {verdict.repeated} of them repeats with the"
            f" Message-ID of the first, and {verdict.notices} notices;"
            f" {verdict.compared_cases} cases compared; {verdict.deadletters} dead letters"
        ),
    ]
    return [*lines, *(f"{name}: {value}" for name, value in verdict.figures.items())]


def figures(run: Outcome) -> list[record.Figure]:
    """R1 and what is measured with it; R11 of rolling restarts."""
    verdict = run.verdict
    if run.drains_ms:
        return [_rolling(verdict, run)]
    common: dict[str, Any] = {"begun": run.begun, "command": record.command()}
    broken = {name: len(value) for name, value in verdict.wrong.items()}
    ownership = broken.get("overlapping_owners", 0)
    timing = {name: value for name, value in verdict.figures.items() if "kill" not in name}
    return [
        record.figure(
            "R1", "kill -9 of all services and the broker, under load", **common,
            n=sum(count for name, count in run.done.items() if name.startswith("kill")),
            violations=sum(broken.values()), figures=_counts(run), not_covered=NOT_COVERED,
        ),
        record.figure(
            "R7", "at most one owner", **common, n=verdict.assigned, violations=ownership,
            figures={"assignments": verdict.assigned, "overlapping ownership": ownership},
            not_covered=NOT_COVERED,
        ),
        record.figure(
            "R8", "within capacity, offers included, at every decision", **common,
            n=verdict.assigned + verdict.offers_ended, violations=broken.get("over_capacity", 0),
            figures={"assignments": verdict.assigned, "offers": verdict.offers_ended},
            not_covered=NOT_COVERED,
        ),
        record.figure(
            "R9", "timers under the kill loop, in real time", **common,
            n=verdict.timers + verdict.clocks,
            violations=sum(
                broken.get(name, 0) for name in ("missed_timers", "early_timers", "missed_clocks")
            ),
            figures={"timers of the router": verdict.timers, "deadlines of clocks": verdict.clocks}
            | timing,
            not_covered="an hour's outage and jumps of the clock (see R16)",
        ),
        record.figure(
            "R10", "from a kill to work again", **common, n=run.done.total(), violations=0,
            figures={name: value for name, value in verdict.figures.items() if "kill" in name},
            not_covered=RECOVERY_NOT_COVERED,
        ),
    ]  # fmt: skip


def _counts(run: Outcome) -> dict[str, object]:
    verdict = run.verdict
    found: dict[str, object] = {
        "runs, each with a system of its own": run.rounds,
        **dict(sorted(run.done.items())),
        "of them while it was coming back": run.starting,
        "messages sent": verdict.sent,
        "messages acknowledged": verdict.acknowledged,
        "writes of agents acknowledged": verdict.answered,
        "decisions": verdict.decisions,
        "assignments": verdict.assigned,
        "answers": verdict.replied,
        "mails that reached the world": verdict.mails,
        "of them repeats, with the Message-ID of the first": verdict.repeated,
    }
    names = {
        "lost": "lost", "duplicated": "decided twice", "overlapping_owners": "with two owners",
        "over_capacity": "over capacity", "missed_timers": "timers missed",
        "missed_clocks": "clocks missed", "unsent": "answers not sent",
        "register_differs": "cases that the register shows otherwise",
    }  # fmt: skip
    return found | {label: len(getattr(verdict, name)) for name, label in names.items()}


def _rolling(verdict: Verdict, run: Outcome) -> record.Figure:
    drains = run.drains_ms
    every = [ms for times in drains.values() for ms in times]
    measured: dict[str, object] = {"SIGTERM to the process's end": describe(every)}
    measured |= {f"of {name}": describe(times) for name, times in sorted(drains.items())}
    measured["messages acknowledged"] = verdict.acknowledged
    measured["assignments"] = verdict.assigned
    gap = "between two assignments"
    measured[gap] = verdict.figures[gap]
    return record.figure(
        "R11", "rolling restart of all services, under load", run.begun,
        n=run.done["rolling restart"], violations=sum(map(len, verdict.wrong.values())),
        figures=measured, command=record.command(),
        not_covered=NOT_COVERED + "; several instances of a service",
    )  # fmt: skip
