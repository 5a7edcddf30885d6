"""What the checks of a deployment say: one thing to look at, where, how bad, and the remedy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from vaxel_shared.config.document import Document, Path_, Problem

Severity = Literal["error", "warning"]

INVALID = "invalid"
"""The code of everything that keeps a deployment from being loaded at all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at. ``code`` is stable; ``message`` ends with the remedy."""

    severity: Severity
    code: str
    file: str
    line: int
    message: str

    def __str__(self) -> str:
        """E.g. ``roster.yaml:12: warning: agent a01 has capacity 0; … [agent_takes_nothing]``."""
        return f"{self.file}:{self.line}: {self.severity}: {self.message} [{self.code}]"

    def plain(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return asdict(self)


def invalid(problem: Problem) -> Finding:
    """A problem that was found while loading."""
    return Finding("error", INVALID, problem.file, problem.line, problem.message)


def at(document: Document, path: Path_, severity: Severity, code: str, message: str) -> Finding:
    """A finding at the nearest known place above ``path``."""
    return Finding(severity, code, document.file, document.line(path), message)


def ordered(findings: list[Finding]) -> list[Finding]:
    """By file and line, errors first among equals."""
    return sorted(findings, key=lambda item: (item.file, item.line, item.severity, item.code))
