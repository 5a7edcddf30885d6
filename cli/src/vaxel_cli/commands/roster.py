"""``vaxel roster``: who works here and what each can do, as it is in force."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from vaxel_cli import runinfo
from vaxel_cli.commands import people, tables
from vaxel_cli.commands.api import Api
from vaxel_cli.commands.options import json_option
from vaxel_cli.commands.roster_files import export, import_
from vaxel_cli.console import print_json


@click.group()
def roster() -> None:
    """Who works, and what each can do."""


roster.add_command(import_)
roster.add_command(export)


@roster.command()
@runinfo.data_dir_option
@json_option
def show(*, data_dir: Path | None, as_json: bool) -> None:
    """Show the roster in force: what the router decides by, not what a file says."""
    everybody = people.agents(Api.register(runinfo.load(data_dir)))
    if as_json:
        print_json(everybody)
        return
    table = Table("id", "name", "pool", "role", "tier", "skills", "languages", "presence", box=None)
    for item in everybody:
        table.add_row(
            item["id"],
            item["name"] or "-",
            item["pool"] or "-",
            item["role"] or "-",
            str(item["tier"]),
            people.levels(item["skills"]),
            people.levels(item["languages"]),
            item["presence"] or "-",
        )
    tables.show(table)
