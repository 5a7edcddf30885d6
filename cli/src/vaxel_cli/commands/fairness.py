"""``vaxel fairness``: how evenly work, hard work and idle time were shared out."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.table import Table

from vaxel_cli import runinfo
from vaxel_cli.commands.options import broker_option, json_option
from vaxel_cli.commands.progress import progress
from vaxel_cli.commands.recorded import FromBroker, FromExport, Recorded
from vaxel_cli.commands.tables import show
from vaxel_cli.console import DONE, NO, err, out, print_json, wrong_use
from vaxel_cli.fairness.shares import Period, Shares, periods
from vaxel_cli.policy.history import kept

DAY_MS = 86_400_000


@click.command()
@click.option(
    "--log", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="An export of `vaxel log export`; left out, the running system's log.",
)  # fmt: skip
@click.option("--by-day", is_flag=True, help="A table for each day (UTC), not one in all.")
@click.option(
    "--hard-level", type=click.IntRange(1, 10), default=5, show_default=True,
    help="Work that asks for a skill of at least this level is hard.",
)  # fmt: skip
@click.option(
    "--floor", type=click.IntRange(0, 100), default=0, show_default=True, metavar="PERCENT",
    help="Exit 1 if anybody's load an hour is below so much of the pool's mean.",
)  # fmt: skip
@broker_option
@runinfo.data_dir_option
@json_option
def fairness(
    *, folder: Path | None, by_day: bool, hard_level: int, floor: int, broker: str | None,
    data_dir: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """How evenly work is shared out among those who are there, from the log of decisions.

    Rates are per hour of being there. Gini: 0 where all are alike, towards 1 where one has all.
    """
    if folder is not None and broker is not None:
        raise wrong_use("name a folder or a broker, not both")
    with err.status("reading the log"):
        recorded: Recorded = (
            FromExport(folder)
            if folder is not None
            else FromBroker(runinfo.settings_for(data_dir, broker))
        )
    found: list[Period] = []
    with progress() as bars:
        bar = bars.add_task("partitions", total=len(recorded.partitions))
        for partition in recorded.partitions:
            shares = Shares(hard_level=hard_level, period_ms=DAY_MS if by_day else 0)
            shares.fold(batch for _, batch in kept(recorded, partition))
            found += periods(shares.rows, floor=floor / 100)
            bars.advance(bar)
    found.sort(key=lambda one: (one.pool, one.begin_ms))
    if as_json:
        print_json({"periods": [asdict(one) for one in found]})
    else:
        _tell(found, by_day=by_day)
    return NO if any(one.below for one in found) else DONE


def _tell(found: list[Period], *, by_day: bool) -> None:
    if not found:
        out.print("nobody was there in this log: no agent was available for a minute")
    for one in found:
        day = datetime.fromtimestamp(one.begin_ms / 1000, UTC).date() if by_day else None
        show(_table(one, f"{one.pool}, {day}" if day else one.pool))
        even = ", ".join(f"{name} {value:.2f}" for name, value in one.gini.items())
        out.print(f"Gini: {even}", markup=False)
        if one.below:
            out.print(f"below the floor: {', '.join(one.below)}", markup=False)


def _table(one: Period, title: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("agent")
    for name in ("there", "works/h", "load/h", "hard/h", "idle", "offers", "declined", "missed"):
        table.add_column(name, justify="right")
    for agent_id, share in one.shares.items():
        table.add_row(
            agent_id,
            f"{share.there_ms / 3_600_000:.1f} h",
            *(f"{share.per_hour(n):.2f}" for n in (share.works, share.load, share.hard)),
            f"{share.idle:.0%}",
            *(str(n) for n in (share.offers, share.declined, share.missed)),
        )
    return table
