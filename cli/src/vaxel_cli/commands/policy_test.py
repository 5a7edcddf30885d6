"""``vaxel policy test``: scenario files, played through the real rules and the real router."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import yaml

from vaxel_cli import runinfo
from vaxel_cli.commands.options import config_option, json_option
from vaxel_cli.console import DONE, NO, out, print_json, wrong_use
from vaxel_cli.policy.play import Failure, deployment_of, play
from vaxel_cli.policy.scenario import Loaded, Scenario, read
from vaxel_shared.config import deployment as deployment_files
from vaxel_shared.config.document import ConfigError, Problem

TESTS = "tests"
"""The folder beside the deployment's files."""


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, path_type=Path))
@config_option
@click.option("--name", "pattern", metavar="TEXT", help="Only scenarios whose name holds this.")
@json_option
def test(
    *, files: tuple[Path, ...], config_dir: Path | None, pattern: str | None, as_json: bool
) -> int:
    """Play scenario FILES against the deployment; exit 1 if one doesn't come out as expected.

    Left out, all in the folder tests of the configuration. Nothing runs: time is virtual.
    docs/policy.md shows how to write one.
    """
    folder = runinfo.find_config_dir(config_dir)
    paths = _paths(files or (folder / TESTS,))
    if not paths:
        raise wrong_use(f"no scenario files in {folder / TESTS}; name some")
    base = deployment_files.load(folder)
    rows: list[dict[str, Any]] = []
    for path in paths:
        loaded = _read(path)
        try:
            deployment = deployment_of(loaded, base)
        except ConfigError as error:
            raise _placed(path, error) from error
        for index, scenario in enumerate(loaded.file.scenarios):
            if pattern is None or pattern.casefold() in scenario.name.casefold():
                failures = play(loaded, index, deployment)
                rows.append(_row(loaded, index, scenario, failures))
                if not as_json:
                    _tell(path, rows[-1], failures)
    return _end(rows, as_json=as_json)


def _paths(given: tuple[Path, ...]) -> list[Path]:
    """The files, and all in the folders, in order."""
    found: list[Path] = []
    for path in given:
        found += sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    return found


def _read(path: Path) -> Loaded:
    try:
        return read(path)
    except ConfigError as error:
        raise _placed(path, error) from error


def _placed(path: Path, error: ConfigError) -> ConfigError:
    """The same problems with the path as it was given, so that an editor finds the place."""
    shown = _shown(path)
    return ConfigError(
        [
            Problem(shown if one.file == path.name else one.file, one.line, one.message)
            for one in error.problems
        ]
    )


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _row(loaded: Loaded, index: int, scenario: Scenario, failures: list[Failure]) -> dict[str, Any]:
    return {
        "file": _shown(loaded.path),
        "line": loaded.document.line(("scenarios", index)),
        "name": scenario.name,
        "ok": not failures,
        "failures": [failure.plain() for failure in failures],
    }


def _tell(path: Path, row: dict[str, Any], failures: list[Failure]) -> None:
    if row["ok"]:
        out.print(f"ok    {row['name']}", markup=False)
        return
    out.print(f"FAIL  {row['name']}  ({row['file']}:{row['line']})", markup=False, style="bold red")
    for failure in failures:
        place = f"{_shown(path)}:{failure.line}"
        if failure.expected is None and failure.got is None:
            out.print(f"  {place}: {failure.what}", markup=False)
            continue
        out.print(f"  {place}: {failure.what}", markup=False)
        out.print(f"    - expected {_plain(failure.expected)}", markup=False, style="green")
        out.print(f"    + got      {_plain(failure.got)}", markup=False, style="red")
        for note in failure.notes:
            out.print(f"      {note}", markup=False, style="dim")


def _plain(value: Any) -> str:
    """A value as it would stand in the file."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _end(rows: list[dict[str, Any]], *, as_json: bool) -> int:
    failed = sum(not row["ok"] for row in rows)
    if as_json:
        print_json({"ok": not failed, "scenarios": len(rows), "failed": failed, "results": rows})
    else:
        out.print(f"{len(rows)} scenarios, {len(rows) - failed} pass, {failed} fail")
    if not rows:
        raise wrong_use("no scenario has that in its name")
    return NO if failed else DONE
