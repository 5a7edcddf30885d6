"""``vaxel sla``: business-time arithmetic from a policy file, and what is wrong with one.

The engine of the SLA monitor, with nothing running. ADR 0006 states its conventions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.table import Table

from vaxel_cli import runinfo
from vaxel_cli.commands import sla_batch, sla_questions, tables
from vaxel_cli.commands.options import json_option
from vaxel_cli.console import answer_is_no, out, print_json, wrong_use
from vaxel_shared.calendars.calendar import BusinessCalendar
from vaxel_shared.calendars.instants import parse_instant
from vaxel_shared.calendars.zones import local
from vaxel_shared.config.document import ConfigError
from vaxel_shared.config.roster import Roster
from vaxel_shared.config.routing import Routing
from vaxel_shared.config.sla import FILE, Sla, load
from vaxel_shared.config.sla_lint import lint as find
from vaxel_shared.config.source import read, validate

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def sla() -> None:
    """When something is due, and how much business time has passed, by a policy file."""


def _common(function: F) -> F:
    """The options that say which calendar, and how to answer."""
    options = (
        click.option(
            "--policy", "policy", type=click.Path(dir_okay=False, path_type=Path),
            help="The policy file. [default: sla.yaml of the configuration]",
        ),
        click.option("--calendar", "calendar", help="A calendar in it. [default: the only one]"),
        click.option(
            "--boundary", type=click.Choice(["close", "next_open"]),
            help="Whether what falls due at closing time is due then. [default: the calendar's]",
        ),
        json_option,
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


_from = click.option("--from", "from_", metavar="INSTANT", help="ISO 8601 with an offset.")
_to = click.option("--to", "to", metavar="INSTANT", help="ISO 8601 with an offset.")
_target = click.option("--target", metavar="SECONDS", help="Open seconds to pass.")
_paused = click.option(
    "--paused", nargs=2, multiple=True, metavar="FROM TO", help="Time in which the clock stands."
)
_batch = click.option(
    "--batch", type=click.Path(allow_dash=True), metavar="FILE.jsonl|-",
    help="Answer a line for each line with these fields and perhaps `paused`: [[FROM, TO], …].",
)  # fmt: skip


@sla.command()
@_common
@_from
@_target
@_paused
@_batch
def due(*, batch: str | None, as_json: bool, **given: Any) -> None:
    """The instant at which --target seconds of open time have passed since --from."""
    sheet = sla_questions.Sheet(_load(given["policy"]), given["calendar"], given["boundary"])
    if batch is not None:
        sla_batch.answer(batch, sheet, sla_questions.due, given)
        return
    answer = _answer(sla_questions.due, sheet, _question(given, "from", "target"))
    if as_json:
        print_json(answer)
        return
    if answer["due"] is None:
        out.print("never: a pause without an end holds it up")
        return
    at_ms = parse_instant(answer["due"])
    out.print(f"{answer['due']}  ({_wall(sheet.calendar(None), at_ms)})", markup=False)


@sla.command()
@_common
@_from
@_to
@_paused
@_batch
def elapsed(*, batch: str | None, as_json: bool, **given: Any) -> None:
    """The open seconds between --from and --to."""
    sheet = sla_questions.Sheet(_load(given["policy"]), given["calendar"], given["boundary"])
    if batch is not None:
        sla_batch.answer(batch, sheet, sla_questions.elapsed, given)
        return
    answer = _answer(sla_questions.elapsed, sheet, _question(given, "from", "to"))
    if as_json:
        print_json(answer)
    else:
        out.print(f"{answer['seconds']} s", markup=False)


@sla.command()
@_common
@_from
@_to
@_target
@_paused
def explain(*, as_json: bool, **given: Any) -> None:
    """The segments that add up: from --from to --to, or until --target is reached."""
    if (given["to"] is None) == (given["target"] is None):
        raise wrong_use("say --to INSTANT or --target SECONDS, one of them")
    sheet = sla_questions.Sheet(_load(given["policy"]), given["calendar"], given["boundary"])
    question = _question(given, "from", "to" if given["target"] is None else "target")
    answer = _answer(sla_questions.explain, sheet, question)
    if as_json:
        print_json(answer)
        return
    calendar = sheet.calendar(None)
    table = Table("from", "to", "", "counts", "sum", box=None, pad_edge=False)
    total = 0.0
    for segment in answer["segments"]:
        total += segment["seconds"]
        ends = (_wall(calendar, parse_instant(segment[key])) for key in ("from", "to"))
        what = segment["why"].replace("_", " ")
        what += f" ({segment['name']})" if "name" in segment else ""
        what += f", clock moved {segment['shift']:+g} s" if "shift" in segment else ""
        counts = f"{segment['seconds']:g} s" if segment["seconds"] else "-"
        table.add_row(*ends, what, counts, f"{total:g} s")
    tables.show(table)
    out.print(f"{answer['seconds']} s until {answer['to']}", markup=False)


@sla.command()
@click.option(
    "--policy", type=click.Path(dir_okay=False, path_type=Path),
    help="The policy file. [default: sla.yaml of the configuration]",
)  # fmt: skip
@json_option
def lint(*, policy: Path | None, as_json: bool) -> None:
    """Say what can't be meant: calendars never open, policies that others hide, and the like.

    Exit 1 where something is an error.
    """
    path = policy or runinfo.find_config_dir(None) / FILE
    findings = find(_load(path), int(time.time() * 1000), _used_beside(path.parent))
    if as_json:
        print_json(
            {
                "findings": [
                    {
                        "severity": item.severity,
                        "code": item.code,
                        "at": f"{item.problem.file}:{item.problem.line}",
                        "message": item.problem.message,
                    }
                    for item in findings
                ]
            }
        )
    else:
        for item in findings:
            out.print(f"{item.severity}: {item.problem}", markup=False)
    wrong = sum(item.severity == "error" for item in findings)
    if wrong:
        raise answer_is_no(f"{wrong} errors; the SLA monitor would not use this file")
    if not findings and not as_json:
        out.print("nothing to say against it")


def _load(policy: Path | None) -> Sla:
    return load(policy or runinfo.find_config_dir(None) / FILE)


def _used_beside(folder: Path) -> set[str]:
    """The calendars that the roster and the queues beside the file name, where there are any."""
    try:
        team = validate(Roster, read(folder / "roster.yaml")).agents
        pools = validate(Routing, read(folder / "routing.yaml")).pools
    except (ConfigError, OSError):
        return set()  # that is `vaxel policy check`'s affair
    hours = [queue.hours for pool in pools for queue in pool.queues]
    return {
        *(agent.shift for agent in team if agent.shift is not None),
        *(one.calendar for one in hours if one is not None),
        *(name for pool in pools for name in pool.lease_hours.values()),
    }


def _question(given: dict[str, Any], *names: str) -> dict[str, Any]:
    """The fields of a batch's line, from options."""
    options = {"from": "from_"}
    question = {name: given[options.get(name, name)] for name in names}
    missing = [name for name, value in question.items() if value is None]
    if missing:
        raise wrong_use(f"--{missing[0]} is missing; say it, or give lines with --batch")
    return question | {"paused": [list(pair) for pair in given["paused"]]}


def _answer(
    ask: Callable[[sla_questions.Sheet, dict[str, Any]], dict[str, Any]],
    sheet: sla_questions.Sheet,
    question: dict[str, Any],
) -> dict[str, Any]:
    try:
        return ask(sheet, question)
    except ValueError as error:
        raise wrong_use(str(error)) from error


def _wall(calendar: BusinessCalendar, at_ms: int) -> str:
    """An instant as the calendar's people read it."""
    return f"{local(calendar.zone, at_ms):%a %Y-%m-%d %H:%M:%S %Z}"
