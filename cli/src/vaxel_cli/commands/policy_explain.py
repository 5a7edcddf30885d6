"""``vaxel policy explain CASE``: the whole table of candidates of any decision, computed again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vaxel_cli import runinfo
from vaxel_cli.commands.options import broker_option, json_option
from vaxel_cli.commands.recorded import FromBroker, FromExport, Recorded
from vaxel_cli.commands.times import in_words
from vaxel_cli.console import (
    UNREACHABLE,
    CommandFailed,
    answer_is_no,
    err,
    out,
    print_json,
    wrong_use,
)
from vaxel_cli.policy import asked
from vaxel_shared import reasons
from vaxel_shared.contracts.cloudevents import iso_ms


@click.command()
@click.argument("case")
@click.option(
    "--decision", "number", type=int, metavar="N",
    help="As --list counts them. [default: what waits now, else the last offer]",
)  # fmt: skip
@click.option("--list", "listing", is_flag=True, help="List the case's decisions instead.")
@click.option(
    "--from", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="An export of `vaxel log export`; left out, the running system's log.",
)  # fmt: skip
@broker_option
@runinfo.data_dir_option
@json_option
def explain(
    *,
    case: str,
    number: int | None,
    listing: bool,
    folder: Path | None,
    broker: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Say of CASE (its number or id) who could have taken it, who not and why, one by one.

    And what would have to be otherwise: at which level, or in how many seconds, each would get it.
    """
    if folder is not None and broker is not None:
        raise wrong_use("name a folder or a broker, not both")
    recorded = open_log(folder, broker, data_dir)
    told = _told(recorded, case, number)
    if as_json:
        print_json(told)
    elif listing:
        _list(told)
    else:
        _show(told)


def open_log(folder: Path | None, broker: str | None, data_dir: Path | None) -> Recorded:
    """An export, or the running system's log."""
    if folder is not None:
        return FromExport(folder)
    with err.status("reading the log"):
        return FromBroker(runinfo.settings_for(data_dir, broker))


def _told(recorded: Recorded, case: str, number: int | None) -> dict[str, Any]:
    """The answer. Raises (exit 1) for an unknown case, (exit 2) for an unknown decision."""
    try:
        return asked.answer(recorded, case, number)
    except CommandFailed as error:
        if error.exit_code != UNREACHABLE:
            raise
        whole = asked.recorded_answer(recorded, case, number)
        if whole is None:
            raise
        err.print(f"vaxel: {error}; told as it was recorded", markup=False)
        return whole
    except asked.NoSuchCase as error:
        raise answer_is_no(f"no case {case} in this log") from error
    except asked.NoSuchDecision as error:
        raise wrong_use(f"case {case} has {error.args[0]} decisions; --list shows them") from error


def _list(told: dict[str, Any]) -> None:
    for item in told["decisions"]:
        who = f"  {item['agent_id']}" if item["agent_id"] else ""
        line = f"{item['number']:4}  {_clock(item['at_ms'])}  {item['type']}{who}"
        out.print(line, markup=False)


def _show(told: dict[str, Any]) -> None:
    number, count = told["decision"], len(told["decisions"])
    what = "now" if number is None else f"decision {number} of {count}: {told['type']}"
    out.print(f"{told['case']}  {what}  {_clock(told['at_ms'])}", markup=False, style="bold")
    if told["policy"]:
        out.print(f"policy {told['policy'][:12]}", markup=False, style="dim")
    if told["table"] is None:
        out.print("nobody was asked for anything then", markup=False)
        return
    step = told["step"]
    counts = f"{told['candidates']} agents, {told['eligible']} could take it"
    out.print(f"{counts}; step {step['id']} ({step['at']})", markup=False)
    if told["held"] is not None:
        said = reasons.held(told["held"]["code"], {"until_ms": told["held"]["until_ms"]})
        out.print(f"nobody is asked for now: {said}", markup=False)
    if (window := told.get("window")) is not None:
        out.print(reasons.window(window, window.get("alone")), markup=False)
    for row in told["table"]:
        out.print(f"  {row['agent_id']:12} {_verdict(row, told)}", markup=False)
        for item in row.get("if", []):
            out.print(f"  {'':12} {_what_if(item, told)}", markup=False, style="dim")
    if told["same_as_recorded"] is False:
        out.print("this differs from what was recorded: another engine decided", markup=False)


def _verdict(row: dict[str, Any], told: dict[str, Any]) -> str:
    if row["code"] is not None:
        return reasons.rejection(row["code"], row["params"])
    terms = "; ".join(reasons.term(one["code"], one["value"]) for one in row.get("terms", []))
    if not row.get("chosen"):
        return f"could take it: {terms}"
    tie = f"; tie broken by {told['tie_break']}" if told["tie_break"] else ""
    return f"chosen: {terms}{tie}"


def _what_if(item: dict[str, Any], told: dict[str, Any]) -> str:
    end = "would be offered it"
    if item["would"] == "eligible":
        end = f"could take it; {told['winner'] or 'another'} would still be before"
    if "in_ms" in item:
        return f"in {in_words(item['in_ms'])} ({item['step']['id']}): {end}"
    return f"{' and '.join(_change(one) for one in item['changes'])}: {end}"


def _change(change: dict[str, Any]) -> str:
    match change:
        case {"skill": skill}:
            sign, key = (
                ("≥", "level_at_least") if "level_at_least" in change else ("≤", "level_at_most")
            )
            said = f"with {skill} {sign} {change[key]}"
        case {"language": languages}:
            said = f"speaking {' or '.join(languages)}"
        case {"tier": tier}:
            said = f"in tier {tier}"
        case {"channel": channel}:
            said = f"taking {channel}"
        case {"open": queue}:
            said = f"were {queue} open"
        case {"room_for": channel}:
            said = f"with room for one more {channel}"
        case {"presence": _}:
            said = "if there"
        case _:
            said = _OTHERWISE.get(next(iter(change)), "if there")
    return said


_OTHERWISE = {
    "pause": "after the pause",
    "share": "with a larger share",
    "occupancy": "with a higher cap of occupancy",
    "open_offers": "with fewer open offers",
    "takes": "taking this channel now",
}


def _clock(at_ms: int) -> str:
    return iso_ms(at_ms).replace("T", " ").removesuffix("Z")
