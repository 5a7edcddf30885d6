"""``vaxel policy diff``: which recorded decisions another policy would make otherwise."""

from __future__ import annotations

from pathlib import Path

import click

from vaxel_cli.commands.options import json_option
from vaxel_cli.commands.recorded import FromExport
from vaxel_cli.console import DONE, NO, out, print_json, unreachable
from vaxel_cli.policy.differ import Difference, compare
from vaxel_cli.policy.interactions import Interactions
from vaxel_shared.config import deployment as deployment_files

_KINDS = {
    "queue": "another queue",
    "rule": "another rule",
    "priority": "another priority",
    "waits": "offered at once, or waits first",
    "first_agent": "another first agent",
}
_LEFT_OUT = {
    "input_missing": "its input isn't in the export",
    "pool_unknown": "a policy has no such pool",
}


@click.command()
@click.argument("old", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("new", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--log", "folder", required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="An export of `vaxel log export`.",
)  # fmt: skip
@click.option("--exit-code", is_flag=True, help="Exit 1 if any would differ.")
@json_option
def diff(*, old: Path, new: Path, folder: Path, exit_code: bool, as_json: bool) -> int:
    """Of the recorded first decisions about each case: which differ between OLD and NEW.

    Both are folders with a deployment's files. Each decision is taken by itself, in the state that
    was recorded, with the agents of then; what would have followed isn't guessed.
    """
    before, after = deployment_files.load(old), deployment_files.load(new)
    recorded, messages = FromExport(folder), Interactions(folder)
    try:
        found = compare(recorded, messages, before, after)
    except KeyError as error:
        raise unreachable(f"{folder} lacks {error.args[0]!r}; export all topics again") from error
    if as_json:
        print_json(_plain(found))
    else:
        _tell(found)
    return NO if exit_code and found.differ else DONE


def _plain(found: Difference) -> dict[str, object]:
    return {
        "compared": found.compared,
        "differ": found.differ,
        "retriaged": found.retriaged,
        "old_as_recorded": found.as_recorded,
        "left_out": found.left_out,
        "groups": [group.plain() for group in found.ordered()],
    }


def _tell(found: Difference) -> None:
    kind = ""
    for group in found.ordered():
        if group.kind != kind:
            kind = group.kind
            out.print(_KINDS[kind], style="bold")
        more = (
            f" and {group.count - len(group.cases)} more" if group.count > len(group.cases) else ""
        )
        cases = f"{', '.join(group.cases)}{more}"
        out.print(f"  {group.count:5}  {group.old} → {group.new}  ({cases})", markup=False)
    out.print(f"{found.differ} of {found.compared} first decisions would differ", markup=False)
    if found.compared > found.retriaged:
        count = found.compared - found.retriaged
        out.print(f"{count} messages are gone: their rules were taken as they were", markup=False)
    if found.compared > found.as_recorded:
        count = found.compared - found.as_recorded
        out.print(
            f"{count} were recorded otherwise than OLD would decide: under another policy yet"
        )
    for why, count in found.left_out.items():
        out.print(f"{count} left out: {_LEFT_OUT.get(why, why)}", markup=False)
