"""``vaxel demo``: realistic traffic in, simulated agents at work, and what came of it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, Self

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from vaxel_cli import runinfo
from vaxel_cli.commands.demo_plan import WAYS
from vaxel_cli.commands.demo_run import Demo, Wanted
from vaxel_cli.commands.demo_tally import Tally
from vaxel_cli.commands.options import json_option
from vaxel_cli.console import DONE, NO, err, out, print_json, wrong_use

RATE_MAX = 500.0
SECONDS_MAX = 3_600.0
CONTACTS_MAX = 200_000
"""Each is remembered until the end."""
SETTLE_S = 20.0


@click.command()
@click.option("--rate", default=5.0, show_default=True, metavar="R", help="Contacts a second.")
@click.option("--seconds", default=20.0, show_default=True, metavar="S", help="How long they come.")
@click.option(
    "--agents",
    type=click.Choice(["simulated", "none"]),
    default="simulated",
    show_default=True,
    help="Who answers: everybody present accepts and resolves whatever is offered, or nobody.",
)
@click.option("--way", "ways", type=click.Choice(WAYS), multiple=True, help="Only this way in.")
@click.option("--seed", default=1, show_default=True, help="The same seed, the same customers.")
@click.option(
    "--settle",
    "settle_s",
    default=SETTLE_S,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the last answers.",
)
@json_option
@runinfo.data_dir_option
def demo(
    *,
    rate: float,
    seconds: float,
    agents: str,
    ways: tuple[str, ...],
    seed: int,
    settle_s: float,
    as_json: bool,
    data_dir: Path | None,
) -> int:
    """Send realistic traffic in over real SMTP, WebSocket and webhook, and show what came of it.

    What isn't acknowledged is sent again, so services may be killed meanwhile. Exit 1 where
    something was never acknowledged.
    """
    if not 0 < rate <= RATE_MAX or not 0 < seconds <= SECONDS_MAX or settle_s < 0:
        raise wrong_use(f"--rate is at most {RATE_MAX:g}, --seconds at most {SECONDS_MAX:g}")
    if rate * seconds > CONTACTS_MAX:
        raise wrong_use(f"that would be more than {CONTACTS_MAX} contacts; say less of one")
    run = runinfo.load(data_dir)
    chosen = [way for way in WAYS if not ways or way in ways]
    wanted = Wanted(rate, seconds, seed, agents == "simulated", chosen, settle_s)
    started = time.monotonic()
    with _Display(rate * seconds) as display:
        played = Demo(run, wanted, display.show)
        asyncio.run(played.play())
    found = played.tally.document(planned=played.planned, took_s=time.monotonic() - started)
    if as_json:
        print_json(found)
    else:
        out.print(_table(found))
        for name, count in found["refusals"].items():
            out.print(f"not taken at first: {name} ({count} times), sent again", markup=False)
    return NO if found["given_up"] else DONE


class _Display:
    """A line that counts, on a terminal; nothing in a pipe."""

    def __init__(self, expected: float) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=err,
            transient=True,
            disable=not err.is_terminal,
        )
        self._task = self._progress.add_task("beginning", total=max(1.0, expected))

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, tally: Tally) -> None:
        sent, known = sum(tally.sent.values()), len(tally.cases)
        offered = sum(seen.offered_ms is not None for seen in tally.cases.values())
        text = (
            f"sent {sent}  acknowledged {known}  offered {offered}  answered {known - tally.open}"
        )
        self._progress.update(self._task, completed=known - tally.open, description=text)


def _table(found: dict[str, Any]) -> Table:
    """The summary for a person."""
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_column(style="bold")
    table.add_column()
    for name in ("sent", "acknowledged"):
        parts = ", ".join(f"{count} {way}" for way, count in found[name].items() if count)
        table.add_row(name, f"{sum(found[name].values())}  ({parts})" if parts else "0")
    for name in ("offered", "answered", "not_answered", "answers_seen_in_chat", "given_up"):
        table.add_row(name.replace("_", " "), str(found[name]))
    for name, says in (
        ("acknowledged_ms", "until acknowledged"),
        ("offered_after_ms", "until offered"),
        ("answered_after_ms", "until answered"),
    ):
        half, most = found[name]["p50"], found[name]["p95"]
        if half is not None:
            table.add_row(says, f"half within {half} ms, 95 in 100 within {most} ms")
    table.add_row("took", f"{found['seconds']:g} s")
    return table
