"""``vaxel schema``: the published shapes, written to files, and whether a change breaks readers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from vaxel_cli.console import answer_is_no, out, print_json, unreachable
from vaxel_cli.policy.scenario import ScenarioFile
from vaxel_register.core import openapi
from vaxel_shared.config.schema import config_schemas, schema_of
from vaxel_shared.contracts import asyncapi, compatibility
from vaxel_shared.contracts.schema import render, schemas
from vaxel_shared.version import CODE_VERSION

OPENAPI = "openapi.json"
REMEDY = "run `vaxel schema export --to docs/schemas` and commit what changed"


def documents() -> dict[str, dict[str, Any]]:
    """Everything that is published, by file name: topics, AsyncAPI, OpenAPI, configuration."""
    return {
        **schemas(),
        asyncapi.FILE_NAME: asyncapi.document(CODE_VERSION),
        OPENAPI: openapi.describe(CODE_VERSION),
        **config_schemas(),
        "config/scenarios.json": schema_of(ScenarioFile, "scenarios"),
    }


def compare(folder: Path) -> tuple[list[str], list[str]]:
    """The documents in ``folder`` against today's: what breaks its readers, what is merely stale.

    One line each. A file that isn't one of ours is left alone, unless it is a schema that is no
    longer published: that breaks whoever reads it.
    """
    breaks: list[str] = []
    stale: list[str] = []
    today = documents()
    for name, document in today.items():
        path = folder / name
        if not path.exists():
            stale.append(f"{name}: not there yet")
            continue
        text = path.read_text()
        if text != render(document):
            stale.append(f"{name}: differs")
        if _is_schema(name):
            found = compatibility.breaks(json.loads(text), document)
            breaks.extend(f"{name}: {line}" for line in found)
    gone = sorted(path.name for path in folder.glob("*.json") if path.name not in today)
    breaks.extend(f"{name}: no longer published" for name in gone if _is_schema(name))
    return breaks, stale


def _is_schema(name: str) -> bool:
    """Whether a document is a topic's schema, with its version in the name."""
    return ".v" in name


@click.group()
def schema() -> None:
    """JSON Schema and AsyncAPI 3 of the topics, OpenAPI 3.1 of the register's API."""


@schema.command()
@click.option(
    "--to", "folder", required=True, type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to; made where it is missing.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def export(folder: Path, as_json: bool) -> None:
    """Write the JSON Schemas of topics and of config/, the AsyncAPI and the OpenAPI document."""
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, document in documents().items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(render(document))
            written.append(name)
    except OSError as error:
        raise unreachable(
            f"{folder}: {error.strerror}; name a folder that can be written"
        ) from error
    if as_json:
        print_json({"folder": str(folder), "files": written})
        return
    out.print(f"{len(written)} documents in {folder}: {', '.join(written)}")


@schema.command()
@click.option(
    "--against", "folder", required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the published documents.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def check(folder: Path, as_json: bool) -> None:
    """Compare today's shapes with published ones: exit 1 if readers of those would break."""
    try:
        breaks, stale = compare(folder)
    except (OSError, ValueError) as error:
        raise unreachable(f"{folder}: unreadable ({error}); name another folder") from error
    if as_json:
        print_json({"breaks": breaks, "stale": stale})
    else:
        for line in breaks:
            out.print(f"[red]breaks[/] {line}")
        for line in stale:
            out.print(f"stale  {line}")
    if breaks:
        raise answer_is_no(f"{len(breaks)} changes break readers; add fields instead")
    if stale:
        raise answer_is_no(f"{len(stale)} documents are stale; {REMEDY}")
    if not as_json:
        out.print("as published")
