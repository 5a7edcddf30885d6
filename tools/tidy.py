"""The style as a check: what ruff can't see. Prints one line a finding; exits 1 where there is one.

Run it by ``make check``. Every limit stands here with its reason.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULE_LINES_MAX = 500
"""A module is read in one sitting."""
FUNCTION_LINES_MAX = 70
"""A function is seen on one screen."""
MEDIAN_LINES_MAX = 150
"""Half of the modules are smaller than this."""
CORE_BANNED = re.compile(
    r"\b(datetime\.now|datetime\.utcnow|date\.today|time\.time|uuid4|random\.)"
)
"""A core is given its time and its chance."""
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3]) + r")\b")
HOSTS = re.compile(
    "|".join(
        [
            "py" + r"pi\.org",
            "pythonho" + "sted",
            "npm" + r"js\.",
            "maven" + r"\.org",
            "repo1" + r"\.",
            "crates" + r"\.io",
        ]
    )
)
"""No file names a package registry's host: a mirror serves as well."""

Finding = tuple[str, int, str]


def tracked(*patterns: str) -> list[Path]:
    """The files of the repository, by git's patterns."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.splitlines() if (ROOT / name).is_file()]


def is_test(path: Path) -> bool:
    """Tests may be long: a table is one function."""
    parts = path.relative_to(ROOT).parts
    return "tests" in parts or "bench" in parts or path.name == "conftest.py"


def module_findings(path: Path) -> Iterator[Finding]:
    """What is wrong with one Python file."""
    name, text = str(path.relative_to(ROOT)), path.read_text()
    lines = text.splitlines()
    tree = ast.parse(text)
    if not is_test(path):
        yield from length_findings(name, tree, len(lines))
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and _swallows(node):
            yield name, node.lineno, "a handler that swallows everything: name the error, or act"
    for number, line in enumerate(lines, 1):
        if "core" in path.parts and not is_test(path) and CORE_BANNED.search(line):
            yield name, number, "a core takes time and chance as values"
        if UNFINISHED.search(line):
            yield name, number, "unfinished: finish it, or leave it out"


def length_findings(name: str, tree: ast.Module, line_count: int) -> Iterator[Finding]:
    """A module or a function that is too long to be seen at once."""
    if line_count > MODULE_LINES_MAX:
        yield name, 1, f"{line_count} lines; at most {MODULE_LINES_MAX}: look for a seam"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                what = f"{node.name} has {length} lines; at most {FUNCTION_LINES_MAX}"
                yield name, node.lineno, what


def _swallows(handler: ast.ExceptHandler) -> bool:
    broad = handler.type is None or (
        isinstance(handler.type, ast.Name) and handler.type.id in ("Exception", "BaseException")
    )
    return broad and all(isinstance(line, ast.Pass | ast.Continue) for line in handler.body)


def text_findings(path: Path) -> Iterator[Finding]:
    """What no file may hold."""
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        return
    for number, line in enumerate(text.splitlines(), 1):
        if HOSTS.search(line):
            yield str(path.relative_to(ROOT)), number, "names a package registry's host"


def doubled_tests(paths: list[Path]) -> Iterator[Finding]:
    """Test files have names of their own, so that a report says which one failed."""
    seen: dict[str, Path] = {}
    for path in paths:
        if path.name.startswith("test_"):
            other = seen.setdefault(path.name, path)
            if other != path:
                yield str(path.relative_to(ROOT)), 1, f"same name as {other.relative_to(ROOT)}"


def main() -> int:
    """Check everything; the exit code."""
    python = tracked("*.py")
    findings = [finding for path in python for finding in module_findings(path)]
    findings += [finding for path in tracked() for finding in text_findings(path)]
    findings += list(doubled_tests(python))
    lengths = sorted(len(path.read_text().splitlines()) for path in python if not is_test(path))
    median = lengths[len(lengths) // 2]
    if median > MEDIAN_LINES_MAX:
        findings.append(("all modules", 1, f"median {median} lines; at most {MEDIAN_LINES_MAX}"))
    for name, line, message in sorted(findings):
        print(f"{name}:{line}: {message}")
    print(f"tidy: {len(python)} modules, median {median} lines, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
