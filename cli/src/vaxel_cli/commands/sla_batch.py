"""Questions from a JSONL file, answered a line for each, in order.

A line that can't be answered becomes ``{"error": …}`` in its place, and the exit code is 1.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from vaxel_cli.commands.sla_questions import Sheet
from vaxel_cli.console import answer_is_no, print_jsonl, wrong_use

LINE_CHARS_MAX = 4 * 1024 * 1024
Ask = Callable[[Sheet, dict[str, Any]], dict[str, Any]]


def answer(batch: str, sheet: Sheet, ask: Ask, given: dict[str, Any]) -> None:
    """Print an answer for each line; what options say holds where a line leaves it out."""
    options = {"from": given.get("from_"), "to": given.get("to"), "target": given.get("target")}
    defaults = {key: value for key, value in options.items() if value is not None}
    if given.get("paused"):
        defaults["paused"] = [list(pair) for pair in given["paused"]]
    if given.get("calendar"):
        try:
            sheet.calendar(None)
        except ValueError as error:
            raise wrong_use(str(error)) from error
    count = failed = 0
    for line in _lines(batch):
        if not line.strip():
            continue
        count += 1
        try:
            print_jsonl(ask(sheet, defaults | _question(line)))
        except ValueError as error:
            failed += 1
            print_jsonl({"error": str(error)})
    if failed:
        raise answer_is_no(f"{failed} of {count} lines can't be answered; each says why")


def _lines(batch: str) -> Iterator[str]:
    if batch == "-":
        yield from sys.stdin
        return
    try:
        with Path(batch).open(encoding="utf-8-sig") as file:
            yield from file
    except OSError as error:
        raise wrong_use(f"{batch}: {error.strerror or 'cannot be read'}") from error
    except UnicodeDecodeError as error:
        raise wrong_use(f"{batch}: not UTF-8; save it as UTF-8") from error


def _question(line: str) -> dict[str, Any]:
    if len(line) > LINE_CHARS_MAX:
        raise ValueError(f"a line of more than {LINE_CHARS_MAX} characters")
    try:
        question = json.loads(line, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise ValueError("no JSON") from error
    if not isinstance(question, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - a fault of the line, not of the code
    return question
