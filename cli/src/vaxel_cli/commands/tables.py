"""Tables for people: cut to the terminal, and whole where the output is a file or a pipe."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from vaxel_cli.console import out

PIPE_COLUMNS = 240


def show(table: Table) -> None:
    """Print a table."""
    if out.is_terminal:
        out.print(table)
    else:
        Console(width=PIPE_COLUMNS, highlight=False).print(table)
