"""``vaxel log export``: the topics as files, to keep, to read, and to replay."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from vaxel_cli import runinfo
from vaxel_cli.commands import export
from vaxel_cli.commands.options import broker_option, json_option
from vaxel_cli.commands.progress import progress
from vaxel_cli.console import out, print_json, wrong_use
from vaxel_shared.kafka.topics import TOPICS


@click.group()
def log() -> None:
    """The topics as files."""


@log.command("export")
@click.option(
    "--to", "folder", required=True, type=click.Path(file_okay=False, path_type=Path),
    help="An empty folder, or one to be made. It will hold what customers wrote: mode 0700.",
)  # fmt: skip
@click.option(
    "--topic", "names", multiple=True, type=click.Choice([topic.name for topic in TOPICS]),
    help="Only this topic; may be given several times. [default: all]",
)  # fmt: skip
@broker_option
@runinfo.data_dir_option
@json_option
def export_command(
    *,
    folder: Path,
    names: tuple[str, ...],
    broker: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Write the topics as JSONL, one file a partition, with the policies and rosters they name.

    Each line: offset, timestamp_ms, key, headers, value. Exact: `vaxel replay --from` reads it.
    """
    if folder.exists() and any(folder.iterdir()):
        raise wrong_use(f"{folder} isn't empty; name another folder")
    settings = runinfo.settings_for(data_dir, broker)
    export.prepare(folder)
    with progress() as bars:
        manifest = asyncio.run(export.export(settings, folder, names, bars))
    if as_json:
        print_json(manifest)
        return
    for name, topic in manifest["topics"].items():
        count = sum(part["records"] for part in topic["partitions"])
        out.print(f"{name}: {count} records in {len(topic['partitions'])} partitions")
    out.print(f"{len(manifest['blobs'])} blobs; all in {folder}", markup=False)
