"""``vaxel dlq``: records that could not be handled, and putting them back.

A dead letter holds the original bytes. Replaying appends them once more to the partition they came
from, with the same key and headers, so that whoever reads it tries again, and with a header that
names the dead letter: finding that header is how a second replay knows that it has been done. The
ids in the record are those it had, so even two replays at once change nothing twice.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from vaxel_cli import runinfo
from vaxel_cli.commands import letters, tables
from vaxel_cli.commands.letters import Letter
from vaxel_cli.commands.options import broker_option, json_option, jsonl_option
from vaxel_cli.commands.progress import progress
from vaxel_cli.console import answer_is_no, err, out, print_json, print_jsonl, wrong_use
from vaxel_shared.contracts.cloudevents import iso_ms
from vaxel_shared.settings import Settings


@click.group()
def dlq() -> None:
    """Dead letters: what could not be handled, with its original bytes."""


@dlq.command("list")
@click.option("--service", help="Only of this service.")
@click.option("--topic", help="Only from this topic.")
@broker_option
@runinfo.data_dir_option
@json_option
@jsonl_option
def list_letters(
    *,
    service: str | None,
    topic: str | None,
    broker: str | None,
    data_dir: Path | None,
    as_json: bool,
    as_jsonl: bool,
) -> None:
    """List dead letters, the oldest first, without their bytes."""
    if as_json and as_jsonl:
        raise wrong_use("choose --json or --jsonl")
    found = [
        item
        for item in _read(runinfo.settings_for(data_dir, broker))
        if service in (None, item.letter.service) and topic in (None, item.letter.topic)
    ]
    if as_json:
        print_json([letters.summary(item) for item in found])
    elif as_jsonl:
        for item in found:
            print_jsonl(letters.summary(item))
    elif not found:
        out.print("no dead letters")
    else:
        _table(found)


@dlq.command()
@click.argument("which", metavar="ID|PARTITION:OFFSET")
@broker_option
@runinfo.data_dir_option
@json_option
def show(*, which: str, broker: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Show one dead letter with the original record. It may hold what a customer wrote."""
    settings = runinfo.settings_for(data_dir, broker)
    item = letters.pick(_read(settings), [which])[0]
    with err.status("looking whether it was replayed"):
        replayed = asyncio.run(letters.replayed(settings, [item.letter]))
    document = letters.document(item) | {"replayed": item.letter.id in replayed}
    if as_json:
        print_json(document)
        return
    for name, value in document.items():
        out.print(f"{name:14} {value}", markup=False)


@dlq.command()
@click.argument("which", metavar="[ID|PARTITION:OFFSET]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that weren't replayed yet.")
@broker_option
@runinfo.data_dir_option
@json_option
def replay(
    *,
    which: tuple[str, ...],
    everything: bool,
    broker: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Append the original records to their topics again, each once; exit 1 if one can't be."""
    if bool(which) == everything:
        raise wrong_use("name dead letters, or --all; see `vaxel dlq list`")
    settings = runinfo.settings_for(data_dir, broker)
    found = _read(settings)
    chosen = found if everything else letters.pick(found, list(which))
    with progress() as bars:
        bar = bars.add_task("dead letters", total=len(chosen))
        results = asyncio.run(letters.replay(settings, chosen, lambda: bars.advance(bar)))
    if as_json:
        print_json(results)
    for result in [] if as_json else results:
        out.print(_said(result), markup=False)
    refused = sum(result["done"] == "refused" for result in results)
    if refused:
        raise answer_is_no(f"{refused} of {len(results)} can't be replayed")


def _read(settings: Settings) -> list[Letter]:
    with err.status("reading dead letters"):
        return asyncio.run(letters.read(settings))


def _table(found: list[Letter]) -> None:
    table = Table("place", "id", "when", "service", "from", "class", "reason", box=None)
    for item in found:
        letter = item.letter
        source = f"{letter.topic} {letter.partition}:{letter.offset}"
        when = iso_ms(letter.timestamp_ms)[:19].replace("T", " ")
        row = (item.place, letter.id[:8], when, letter.service, source)
        table.add_row(*row, letter.error_class, letter.reason)
    tables.show(table)


def _said(result: dict[str, Any]) -> str:
    if result["done"] == "replayed":
        return f"{result['id']}: appended to {result['topic']} {result['partition']}:{result['at']}"
    return f"{result['id']}: {result['done']}: {result['why']}"
