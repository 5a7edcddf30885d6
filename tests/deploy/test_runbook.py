"""The runbook knows every halt of the code, and no halt that the code hasn't."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploy.deployment import ROOT

HALTS = {"Fatal", "ChainHalt", "Displaced", "OffsetGone", "TooMuchPoison"}
RUNBOOK = (ROOT / "docs/runbook.md").read_text()
HALTS_SECTION = RUNBOOK.partition("## Halts")[2].partition("\n## ")[0]
PHRASES = [
    phrase
    for row in re.findall(r"^\| (`.*?) \|", HALTS_SECTION, re.MULTILINE)
    for phrase in re.findall(r"`([^`]+)`", row)
]


def _literal(node: ast.expr) -> str:
    """What is fixed in a message; what is filled in becomes a mark."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
        )
    return ""


def _halts() -> Iterator[tuple[str, str]]:
    """Where a service halts, and with which words."""
    for path in sorted([*ROOT.glob("services/*/src/**/*.py"), *ROOT.glob("shared/src/**/*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id in HALTS and node.args and (text := _literal(node.args[0])):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", text


FOUND = dict(_halts())


@pytest.mark.parametrize("where", sorted(FOUND))
def test_every_halt_is_in_the_runbook(where: str) -> None:
    text = FOUND[where]
    if not text.strip("… ;,:"):
        return  # all of it is another's sentence
    assert any(phrase in text for phrase in PHRASES), f"add a row for: {text}"


@pytest.mark.parametrize("phrase", sorted(set(PHRASES)))
def test_every_row_is_a_halt_of_the_code(phrase: str) -> None:
    assert any(phrase in text for text in FOUND.values()), "no halt says so any more"


def test_there_are_halts_to_look_at() -> None:
    assert len(FOUND) > 30
    assert len(PHRASES) > 30


def test_links_of_the_deployment_documents_lead_somewhere() -> None:
    for name in ("runbook.md", "threat-model.md", "metrics.md"):
        text = (ROOT / "docs" / name).read_text()
        for target in re.findall(r"\]\(([^)#]+)", text):
            if "://" not in target:
                assert (ROOT / "docs" / target).exists(), f"{name}: {target}"


def test_readme_or_architecture_lead_to_them() -> None:
    both = "".join(Path(ROOT / name).read_text() for name in ("README.md", "ARCHITECTURE.md"))
    for name in ("docs/runbook.md", "docs/threat-model.md", "docs/metrics.md"):
        assert name in both
