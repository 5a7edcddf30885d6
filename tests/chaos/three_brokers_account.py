"""What a run on three brokers found, told line by line, as a verdict and as a figure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos import record
from chaos.checker import Verdict

Json = dict[str, Any]


def say(text: str) -> None:
    """A line of the run's account."""
    print(f"three brokers: {text}", flush=True)


@dataclass
class Outcome:
    """What was found besides the checker's verdict."""

    verdict: Verdict = field(default_factory=Verdict)
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)
    unclean: list[Json] = field(default_factory=list)

    @property
    def broken(self) -> list[str]:
        """Every promise that was broken, in words."""
        found = [f"{name}: {value[0]} ({len(value)})" for name, value in self.verdict.wrong.items()]
        return found + self.wrong


def explain(outcome: Outcome, folder: Path) -> None:
    """What happened and what it means, for a stranger."""
    verdict = outcome.verdict
    print()
    say(", ".join(f"{count} x {name}" for name, count in outcome.done.items()))
    say(
        f"{verdict.acknowledged} of {verdict.sent} mails accepted, {verdict.contacts} decided;"
        f" {verdict.decisions} decisions in {verdict.records} records ({verdict.void_records} void),"
        f" {verdict.assigned} assignments, {verdict.mails} mails reached the world,"
        f" {verdict.repeated} of them repeats; {verdict.compared_cases} cases compared"
    )
    for name, value in outcome.figures.items():
        say(f"{name}: {value}")
    for one in outcome.unclean:
        say(f"unclean election, {one['cut']} cut: halted {', '.join(one['told']) or 'nobody'}")
    for what in outcome.broken:
        say(f"BROKEN: {what}")
    if outcome.broken:
        say(f"verdict: BROKEN; everything is kept in {folder}")
    else:
        say(
            "verdict: nothing lost, nothing twice, all readers agree; what an unclean election cut"
            " halted those who knew better"
        )


def figure(outcome: Outcome, begun: record.Begun) -> record.Figure:
    """For docs/figures.md."""
    verdict = outcome.verdict
    faults = dict(outcome.done)
    kept = ("acknowledged", "contacts", "decisions", "void_records", "assigned", "mails")
    return record.figure(
        "B1",
        "Three brokers, three copies: leaders killed, moved and frozen under load; unclean elections",
        begun,
        n=outcome.done.total(),
        violations=len(outcome.broken),
        command=record.command(),
        figures=faults
        | {name.replace("_", " "): getattr(verdict, name) for name in kept}
        | outcome.figures
        | {
            f"unclean election {n}, {one['cut']} cut, halted": ", ".join(one["told"])
            for n, one in enumerate(outcome.unclean, 1)
        },
        not_covered="One machine: no network between brokers to fail, no power cut, no bad disk;"
        " one controller, so the quorum's own elections aren't tried.",
    )
