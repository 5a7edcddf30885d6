"""What a person sees of `vaxel up`: a live table on a terminal, plain lines anywhere else.

Steps go from working to done or failed; what happens later is said in a line with its time.
Services' own logs never come here. When nobody listens any more (a closed terminal, `| head`),
the account falls silent and the system goes on.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

PLAIN_UPDATE_MS = 2_000
"""In a plain log, progress of one step is said no oftener."""


@dataclass(slots=True)
class Step:
    """One line of the account. ``state`` is working, done or failed."""

    name: str
    text: str
    state: str = "working"
    started_ms: int = 0
    took_ms: int | None = None
    said_ms: int = 0
    spinner: Spinner = field(default_factory=lambda: Spinner("dots", style="cyan"))


class Account(Protocol):
    """How `vaxel up` talks."""

    def begin(self, name: str, text: str) -> None:
        """A step starts."""

    def update(self, name: str, text: str) -> None:
        """A step goes on."""

    def done(self, name: str, text: str) -> None:
        """A step is finished."""

    def fail(self, name: str, text: str) -> None:
        """A step can't be finished for now, and why."""

    def say(self, line: str) -> None:
        """Something happened."""

    def show(self, lines: str) -> None:
        """Some lines as they are."""

    def close(self) -> None:
        """No step is live any more; lines may still be said."""


class SteadyConsole(Console):
    """A console whose reader may go: the library's own would end the process."""

    def on_broken_pipe(self) -> None:
        """Write nothing any more, also not what Python flushes at the end."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def make_account() -> Account:
    """Live on a terminal, plain otherwise."""
    console = SteadyConsole(highlight=False, soft_wrap=True)
    return LiveAccount(console) if console.is_terminal else PlainAccount(console)


class PlainAccount:
    """One line for each change: for logs, pipes and CI."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._steps: dict[str, Step] = {}

    def begin(self, name: str, text: str) -> None:
        """See :class:`Account`."""
        self._steps[name] = Step(name, text, started_ms=_now_ms(), said_ms=_now_ms())
        self._print(f"{name}: {text}")

    def update(self, name: str, text: str) -> None:
        """See :class:`Account`."""
        step = self._steps[name]
        if text != step.text and _now_ms() - step.said_ms >= PLAIN_UPDATE_MS:
            step.said_ms = _now_ms()
            step.text = text
            self._print(f"{name}: {text}")

    def done(self, name: str, text: str) -> None:
        """See :class:`Account`."""
        took_ms = _now_ms() - self._steps[name].started_ms
        self._print(f"{name}: {text} ({_seconds(took_ms)})")

    def fail(self, name: str, text: str) -> None:
        """See :class:`Account`."""
        self._print(f"{name}: {text}")

    def say(self, line: str) -> None:
        """See :class:`Account`."""
        self._print(f"{time.strftime('%H:%M:%S')} {line}")

    def show(self, lines: str) -> None:
        """See :class:`Account`."""
        self._print(lines)

    def close(self) -> None:
        """See :class:`Account`."""

    def _print(self, line: str) -> None:
        with contextlib.suppress(OSError):
            self._console.out(line, highlight=False)
            self._console.file.flush()


class LiveAccount:
    """A table that changes in place until everything is ready."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._steps: dict[str, Step] = {}
        self._live: Live | None = None

    def begin(self, name: str, text: str) -> None:
        """See :class:`Account`."""
        self._steps[name] = Step(name, text, started_ms=_now_ms())
        if self._live is None:
            self._live = Live(get_renderable=self._table, console=self._console)
            self._live.start()

    def update(self, name: str, text: str) -> None:
        """See :class:`Account`."""
        self._steps[name].text = text

    def done(self, name: str, text: str) -> None:
        """See :class:`Account`."""
        step = self._steps[name]
        step.state, step.text, step.took_ms = "done", text, _now_ms() - step.started_ms

    def fail(self, name: str, text: str) -> None:
        """See :class:`Account`."""
        self._steps[name].state, self._steps[name].text = "failed", text

    def say(self, line: str) -> None:
        """See :class:`Account`."""
        self._print(f"[dim]{time.strftime('%H:%M:%S')}[/] {escape(line)}")

    def show(self, lines: str) -> None:
        """See :class:`Account`."""
        self._print(escape(lines))

    def close(self) -> None:
        """See :class:`Account`."""
        if self._live is not None:
            with contextlib.suppress(OSError):
                self._live.stop()
            self._live = None
            self._steps.clear()

    def _print(self, markup: str) -> None:
        with contextlib.suppress(OSError):
            self._console.print(markup)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column()
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis")
        table.add_column(no_wrap=True, justify="right")
        for step in list(self._steps.values()):
            took = _seconds(step.took_ms) if step.took_ms is not None else ""
            table.add_row(
                _mark(step), Text(step.name, style="bold"), Text(step.text), Text(took, style="dim")
            )
        return table


def _mark(step: Step) -> RenderableType:
    marks = {"done": Text("✓", style="green"), "failed": Text("✗", style="red")}
    return marks.get(step.state, step.spinner)


def _seconds(duration_ms: int) -> str:
    return f"{duration_ms / 1000:.1f} s"


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
