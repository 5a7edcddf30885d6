"""What all commands share: exit codes, one-line errors, tables for people and JSON for scripts.

Results go to stdout; what people should know besides, and errors, go to stderr.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console

from vaxel_shared.errors import VaxelError

DONE = 0
NO = 1
"""The answer is no: a check failed, a thing isn't there."""
WRONG_USE = 2
UNREACHABLE = 3
"""What the command needs could not be reached."""

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class CommandFailed(VaxelError):
    """Ends the command: one line on stderr, saying what to do, and this exit code."""

    def __init__(self, message: str, exit_code: int = NO) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def answer_is_no(message: str) -> CommandFailed:
    """A check failed (exit 1)."""
    return CommandFailed(message, NO)


def wrong_use(message: str) -> CommandFailed:
    """The caller must say it otherwise (exit 2)."""
    return CommandFailed(message, WRONG_USE)


def unreachable(message: str) -> CommandFailed:
    """Something needed isn't there (exit 3)."""
    return CommandFailed(message, UNREACHABLE)


def print_json(document: Any) -> None:
    """One JSON document on stdout, indented for a terminal, in one line for a pipe."""
    indent = 2 if sys.stdout.isatty() else None
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=indent) + "\n")


def print_jsonl(item: Any) -> None:
    """One line of a ``--jsonl`` stream on stdout."""
    sys.stdout.write(json.dumps(item, ensure_ascii=False, separators=(",", ":")) + "\n")
