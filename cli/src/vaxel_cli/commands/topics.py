"""``vaxel topics``: make the declared topics, or say where a cluster differs from them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from vaxel_cli import runinfo
from vaxel_cli.commands.options import broker_option, json_option
from vaxel_cli.console import answer_is_no, err, out, print_json
from vaxel_shared.kafka import topics as declaration


@click.group()
def topics() -> None:
    """The topics, made and checked from their one declaration."""


@topics.command()
@click.option(
    "--local/--cluster", "local", default=None,
    help="Few partitions, for one machine, or as many as a cluster gets."
    " [default: --local without --broker]",
)  # fmt: skip
@broker_option
@runinfo.data_dir_option
@json_option
def apply(*, local: bool | None, broker: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Create the topics that are missing, and the log's identity. Existing ones are left alone."""
    settings = runinfo.settings_for(data_dir, broker)
    with err.status("creating what is missing"):
        small = broker is None if local is None else local
        done = asyncio.run(declaration.apply(settings, local=small))
    if as_json:
        print_json({"done": done})
        return
    for line in done or ["all there already"]:
        out.print(line, markup=False)


@topics.command()
@broker_option
@runinfo.data_dir_option
@json_option
def check(*, broker: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Compare the cluster with the declaration: exit 1 where they differ."""
    settings = runinfo.settings_for(data_dir, broker)
    with err.status("comparing"):
        differences = asyncio.run(declaration.check(settings))
    if as_json:
        print_json({"differences": differences})
    else:
        for line in differences:
            out.print(line, markup=False)
    if differences:
        raise answer_is_no(f"{len(differences)} differences from the declared topics")
    if not as_json:
        out.print("as declared")
