"""``vaxel simulate``: the router in virtual time, with nothing running."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from vaxel_cli.commands import tables
from vaxel_cli.commands.options import json_option
from vaxel_cli.commands.progress import progress
from vaxel_cli.console import DONE, err, out, print_json, wrong_use
from vaxel_cli.simulate import plot, staffing
from vaxel_cli.simulate.load import overloaded
from vaxel_cli.simulate.runner import simulate as run_scenario
from vaxel_cli.simulate.scenario import Scenario, load

COLUMNS = {
    "arrivals": "arrivals",
    "mean_wait": "mean wait",
    "asa": "ASA",
    "p_wait": "have to wait",
    "service_level": "in time",
    "p_abandon": "give up",
    "p_block": "blocked",
    "mean_queue": "waiting",
}
SHARES = {"p_wait", "service_level", "p_abandon", "p_block"}


@click.command()
@click.argument("path", metavar="SCENARIO", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--staff",
    "ranges",
    metavar="GROUP=LOW..HIGH",
    multiple=True,
    help="Try other numbers of agents (8..14, or 8..20:4); several give every combination.",
)
@click.option(
    "--plot",
    "picture",
    metavar="FILE.svg",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="With one --staff: draw service level against staff.",
)
@json_option
def simulate(*, path: Path, ranges: tuple[str, ...], picture: Path | None, as_json: bool) -> int:
    """Waits, service level, abandonment and occupancy of a SCENARIO, by the router's own matching.

    docs/simulate.md describes the file, with examples. The same seed gives the same figures; each
    comes with the half-width of its 95 % interval.
    """
    if not path.is_file():
        raise wrong_use(f"no file {path}; docs/simulate.md shows what stands in one")
    scenario = load(path)
    if picture is not None and len(ranges) != 1:
        raise wrong_use(
            "--plot draws service level against staff; give it one --staff GROUP=LOW..HIGH"
        )
    if ranges:
        return _compare(scenario, ranges, picture, as_json=as_json)
    for line in overloaded(scenario):
        err.print(f"vaxel: {line}", markup=False)
    with progress() as shown:
        task = shown.add_task("simulating", total=scenario.replications)
        result = run_scenario(scenario, done=lambda: shown.advance(task))
    if as_json:
        print_json(result)
    else:
        _show(scenario, result)
    return DONE


def _compare(
    scenario: Scenario, ranges: tuple[str, ...], picture: Path | None, *, as_json: bool
) -> int:
    try:
        tried = staffing.combinations([staffing.parse(text, scenario) for text in ranges])
        for counts in tried:
            scenario.staffed(counts).check_staff()
    except ValueError as error:
        raise wrong_use(f"--staff: {error}") from error
    with progress() as shown:
        task = shown.add_task("simulating", total=len(tried))
        rows = staffing.compare(scenario, tried, done=lambda: shown.advance(task))
    if picture is not None:
        drawn = plot.service_level(rows, next(iter(tried[0])), _units(scenario, scenario.within))
        try:
            picture.write_text(drawn, encoding="utf-8")
        except OSError as error:
            raise wrong_use(
                f"{picture}: {error.strerror}; name a file that can be written"
            ) from error
    if as_json:
        print_json({"rows": rows})
        return DONE
    names = list(tried[0])
    table = Table(*names, "in time", "mean wait", "give up", "blocked", "occupied")
    for row in rows:
        whole = row["result"]["all"]
        busy = ", ".join(
            f"{name} {_cell(figures['occupancy'], share=True)}"
            for name, figures in row["result"]["agents"].items()
        )
        table.add_row(
            *(str(row["staff"][name]) for name in names),
            _cell(whole["service_level"], share=True),
            _cell(whole["mean_wait"]),
            _cell(whole["p_abandon"], share=True),
            _cell(whole["p_block"], share=True),
            busy,
        )
    tables.show(table)
    if picture is not None:
        out.print(f"drawn: {picture}", markup=False)
    return DONE


def _show(scenario: Scenario, result: dict[str, Any]) -> None:
    table = Table("class", *COLUMNS.values())
    some = {**result["classes"], **({"all": result["all"]} if len(result["classes"]) > 1 else {})}
    for name, figures in some.items():
        table.add_row(name, *(_cell(figures[key], share=key in SHARES) for key in COLUMNS))
    tables.show(table)
    table = Table("agents", "occupied", *(f"serve {item.name}" for item in scenario.classes))
    for name, figures in result["agents"].items():
        rates = [result["matching_rates"][item.name].get(name) for item in scenario.classes]
        table.add_row(
            name,
            _cell(figures["occupancy"], share=True),
            *("" if rate is None else _cell(rate) for rate in rates),
        )
    tables.show(table)
    within = _units(scenario, scenario.within)
    out.print(
        f"times in {scenario.unit}, rates per {scenario.unit}; in time: served within {within}; "
        f"{result['events']:,} events in {result['seconds']:.1f} s",
        markup=False,
    )


def _units(scenario: Scenario, value: float) -> str:
    return f"{value:g} {scenario.unit}"


def _cell(figure: dict[str, float | None], *, share: bool = False) -> str:
    """A figure with as many digits as its half-width lets mean something."""
    value, half = figure["value"], figure["ci95"]
    if value is None or half is None:
        return "-"
    if share:
        value, half = 100 * value, 100 * half
    unit = " %" if share else ""
    if not half:
        return f"{value:g}{unit}"
    if not math.isfinite(half):
        return f"{value:.3g}{unit} ± ?"
    digits = max(0, min(6, 1 - math.floor(math.log10(half))))
    return f"{value:,.{digits}f} ± {half:,.{digits}f}{unit}"
