"""``vaxel policy check``: what is wrong with a deployment's files, with nothing running."""

from __future__ import annotations

import time
from pathlib import Path

import click

from vaxel_cli import runinfo
from vaxel_cli.commands.options import config_option, json_option
from vaxel_cli.console import DONE, NO, out, print_json
from vaxel_cli.policy.lint import check as check_folder


@click.command()
@config_option
@click.option("--strict", is_flag=True, help="Exit 1 for warnings too.")
@json_option
def check(*, config_dir: Path | None, strict: bool, as_json: bool) -> int:
    """Check the files, and say what in them can't be meant; exit 1 if there are errors.

    Each finding names file, line and remedy. docs/policy.md lists the codes.
    """
    folder = runinfo.find_config_dir(config_dir)
    found = check_folder(folder, int(time.time() * 1000))
    errors = sum(item.severity == "error" for item in found)
    warnings = len(found) - errors
    wrong = bool(errors or (strict and warnings))
    if as_json:
        print_json(
            {
                "ok": not wrong,
                "errors": errors,
                "warnings": warnings,
                "findings": [item.plain() for item in found],
            }
        )
        return NO if wrong else DONE
    for item in found:
        out.print(str(item), markup=False)
    out.print(f"{folder}: {errors} errors, {warnings} warnings", markup=False)
    return NO if wrong else DONE
