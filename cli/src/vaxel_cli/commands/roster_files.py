"""``vaxel roster import`` and ``export``: roster.yaml from and to a spreadsheet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from vaxel_cli import runinfo
from vaxel_cli.commands.options import config_option, json_option
from vaxel_cli.console import out, print_json, unreachable
from vaxel_cli.policy import roster_csv, roster_file
from vaxel_shared.config import deployment as deployment_files
from vaxel_shared.config import source
from vaxel_shared.config.document import ConfigError, Document
from vaxel_shared.config.roster import Agent, Roster

FILE = "roster.yaml"


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Whoever isn't in FILE leaves.")
@click.option("--yes", "apply", is_flag=True, help="Write roster.yaml; left out, only shown.")
@config_option
@json_option
def import_(
    *, file: Path, replace: bool, apply: bool, config_dir: Path | None, as_json: bool
) -> None:
    """Bring the agents of FILE (CSV) into roster.yaml: shows the difference, --yes writes it.

    The columns are those of `vaxel roster export --csv`. A running `vaxel up` publishes the file
    within two seconds.
    """
    path = runinfo.find_config_dir(config_dir) / FILE
    document = source.read(path)
    before = source.validate(Roster, document).agents
    after = roster_file.merged(before, _read(file), replace=replace)
    found = roster_file.changes(before, after)
    text = roster_file.rewritten(document, before, after) if found else None
    _check_together(path.parent, text)
    written = apply and text is not None
    if written and text is not None:
        _write(path, text)
    if as_json:
        print_json({"changes": [change.plain() for change in found], "written": written})
        return
    for change in found:
        _tell(change)
    if not found:
        out.print("nothing differs")
    elif written:
        out.print(f"{len(found)} changes written to {path}", markup=False)
    else:
        out.print(f"{len(found)} changes; --yes writes them to {path}", markup=False)


@click.command()
@click.option("--csv", "as_csv", is_flag=True, help="As CSV; left out, as YAML.")
@config_option
@json_option
def export(*, as_csv: bool, config_dir: Path | None, as_json: bool) -> None:
    """Print the agents of roster.yaml: as CSV for a spreadsheet, else as YAML."""
    document = source.read(runinfo.find_config_dir(config_dir) / FILE)
    agents = source.validate(Roster, document).agents
    if as_json:
        print_json({"agents": [roster_file.plain(agent) for agent in agents]})
    elif as_csv:
        click.echo(roster_csv.write(agents), nl=False)
    else:
        body = "\n".join(roster_file.block(agent, 2) for agent in agents)
        click.echo(f"agents:\n{body}" if agents else "agents: []\n", nl=False)


def _read(file: Path) -> list[Agent]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise unreachable(f"{file}: {error.strerror}; name another file") from error
    except UnicodeDecodeError as error:
        raise unreachable(f"{file} isn't UTF-8; save it as CSV UTF-8") from error
    return roster_csv.read(file.name, text)


def _check_together(folder: Path, text: str | None) -> None:
    """Whether the deployment still holds together with the new roster. Raises ConfigError."""
    if text is None:
        return
    document: Document = source.parse(FILE, text.encode())
    if doubled := list(source.duplicates(document, ("agents",), "email", str.lower)):
        raise ConfigError(doubled)
    roster = source.validate(Roster, document)
    routing = deployment_files.load(folder).routing
    pools = [pool.name for pool in routing.pools]
    problems = [
        document.problem(
            ("agents", index, "pool"),
            f"no pool {agent.pool!r} in routing.yaml; {source.hint(agent.pool, pools)}",
        )
        for index, agent in enumerate(roster.agents)
        if agent.pool not in pools
    ]
    if problems:
        raise ConfigError(problems)


def _write(path: Path, text: str) -> None:
    """In one go: a reader sees the old file or the new one."""
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(path.stat().st_mode & 0o777)
        beside.replace(path)
    except OSError as error:
        raise unreachable(f"{path}: {error.strerror}; it stays as it was") from error


def _tell(change: roster_file.Change) -> None:
    if change.kind != "changed":
        sign = "+" if change.kind == "added" else "-"
        what = _named({name: new for name, _, new in change.fields})
        out.print(f"{sign} {change.id}{what}", markup=False)
        return
    out.print(f"~ {change.id}", markup=False)
    for name, old, new in change.fields:
        out.print(f"    {name}: {_shown(old)} → {_shown(new)}", markup=False)


def _named(fields: dict[str, Any]) -> str:
    return f"  {fields['name']}, pool {fields['pool']}" if fields else ""


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value.items()) or "none"
    return str(value)
