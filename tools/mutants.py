"""How many small defects in the router's core its tests notice: ``make mutants``.

Each mutant is the core with one operator, number, condition or statement changed. All of them would
take days, so a seeded sample is drawn, and the score is told with the 95 % interval of Wilson
(JASA 22, 1927). A mutant is killed when a test fails, or when the tests take several times what
they take without any mutant: that is measured first, beside as much other work, and told apart.

    python tools/mutants.py --sample 200 --seed 1
    python tools/mutants.py --only matching/ --sample 50
    python tools/mutants.py --sample 200 --json FILE      as a figure of docs/figures.md
"""

from __future__ import annotations

import argparse
import ast
import copy
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "services/router/src/vaxel_router"
TESTS = ROOT / "services/router/tests"
LAST = ("review", "inputs", "properties", "engine_oracle", "golden")
"""Words in the names of tests that take longest: they are only asked about what is left."""
ELSEWHERE = ("broker", "partition", "shell")
"""Words in the names of tests of more than the core."""
PATIENCE = 4
"""So many times as long as without a mutant: then it is an endless loop, and no busy machine."""
MEMORY_MAX = 4 << 30
LIMITED = f"""
import resource, runpy
resource.setrlimit(resource.RLIMIT_AS, ({MEMORY_MAX}, {MEMORY_MAX}))
runpy.run_module("pytest", run_name="__main__")
"""
"""Runs pytest; what takes ever more memory, more bytes than this, fails as well."""
KILLED, ENDLESS, SURVIVED = "killed", "endless", "SURVIVED"

_SWAPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_TURNS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change; ``source`` is the whole module with it."""

    file: str
    line: int
    what: str
    source: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant."""

    file: str
    line: int
    what: str
    state: str
    seconds: float


def changed(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Each way to make a node wrong, in words; the node itself stays as it is."""
    yield from _operator(node)
    yield from _value(node)
    yield from _statement(node)


def _operator(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.Compare(ops=[op]) if type(op) in _SWAPS:
            yield _with(node, "ops", [_SWAPS[type(op)]()])
        case ast.BoolOp(op=op):
            yield _with(node, "op", ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield f"{ast.unparse(node)} -> {ast.unparse(operand)}", operand
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in _TURNS:
            yield _with(node, "op", _TURNS[type(op)]())
        case _:
            return


def _value(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.Constant(value=bool(value)):
            yield _with(node, "value", not value)
        case ast.Constant(value=int(value)):
            yield _with(node, "value", value + 1)
        case _:
            return


def _statement(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.If(test=test) if not isinstance(test, (ast.Compare, ast.UnaryOp)):
            turned = ast.UnaryOp(ast.Not(), test)  # those are turned by themselves
            yield f"if {ast.unparse(test)} -> if not ...", _with(node, "test", turned)[1]
        case ast.Return(value=value) if value is not None and ast.unparse(value) != "None":
            nothing = ast.Return(ast.Constant(None))
            yield f"return {ast.unparse(value)} -> return None", nothing
        case ast.Expr(value=ast.Call()):
            yield f"{ast.unparse(node)} -> nothing", ast.Pass()
        case ast.Continue():
            yield "continue -> break", ast.Break()
        case _:
            return


def _with(node: ast.AST, name: str, value: object) -> tuple[str, ast.AST]:
    other = copy.copy(node)
    setattr(other, name, value)
    return f"{ast.unparse(node)} -> {ast.unparse(other)}", other


def places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Where a node may be replaced: its parent, the field, the place. No types, no asserts."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        items = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, item in items:
            if not isinstance(item, ast.AST) or isinstance(item, (ast.Assert, ast.Import)):
                continue
            if isinstance(item, ast.If) and ast.unparse(item.test) == "TYPE_CHECKING":
                continue
            yield tree, name, index
            yield from places(item)


def mutants_of(file: str, source: str) -> Iterator[Mutant]:
    """All mutants of a module, in order."""
    tree = ast.parse(source)
    for parent, name, index in list(places(tree)):
        held = getattr(parent, name)
        node = held if index is None else held[index]
        for what, other in changed(node):
            ast.copy_location(other, node)
            _put(parent, name, index, other)
            text = ast.unparse(ast.fix_missing_locations(tree))
            _put(parent, name, index, node)
            yield Mutant(file, getattr(node, "lineno", 0), " ".join(what.split())[:120], text)


def _put(parent: ast.AST, name: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[index] = node


def wilson(killed: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share."""
    if not count:
        return 0.0, 1.0
    share, z = killed / count, 1.959964
    middle = share + z * z / (2 * count)
    around = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    whole = 1 + z * z / count
    return (middle - around) / whole, (middle + around) / whole


def tests_for(file: str) -> list[str]:
    """The core's tests: those first whose names are like the module's, the slow ones last."""
    words = {part[:5] for name in Path(file).with_suffix("").parts for part in name.split("_")}
    found = [*sorted(TESTS.glob("test_*.py")), ROOT / "tests/replay/test_golden.py"]
    ours = [path for path in found if not any(word in path.stem for word in ELSEWHERE)]

    def place(path: Path) -> tuple[int, int]:
        slow = [number for number, word in enumerate(LAST, 1) if word in path.stem]
        return max(slow, default=0), -sum(word in path.stem for word in words)

    return [str(path) for path in sorted(ours, key=place)]


def judge(mutant: Mutant, limit_s: float) -> Verdict:
    """Run the tests on a copy of the package that has the mutant in it."""
    begun = time.monotonic()
    try:
        state = SURVIVED if passes(mutant, limit_s) else KILLED
    except subprocess.TimeoutExpired:
        state = ENDLESS
    took_s = time.monotonic() - begun
    return Verdict(mutant.file, mutant.line, mutant.what, state, round(took_s, 1))


def passes(mutant: Mutant, limit_s: float | None) -> bool:
    """Whether no test fails; raises ``subprocess.TimeoutExpired`` after the limit."""
    with tempfile.TemporaryDirectory(prefix="vaxel-mutant-") as folder:
        package = Path(folder) / "vaxel_router"
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        (package / mutant.file).write_text(mutant.source)
        environment = os.environ | {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        options = ["-x", "-q", "-p", "no:cacheprovider", "--no-header", "--hypothesis-seed=0"]
        command = [sys.executable, "-c", LIMITED, *options, *tests_for(mutant.file)]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, timeout=limit_s, check=False
        )
    return done.returncode == 0


def limit_of(jobs: int) -> float | None:
    """How long a mutant is given, in seconds, or None: the tests fail by themselves.

    As many runs at once as there will be later, each without a mutant.
    """
    none = Mutant("__init__.py", 0, "nothing", (PACKAGE / "__init__.py").read_text())
    begun = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        good = all(pool.map(lambda _: passes(none, None), range(jobs)))
    return PATIENCE * (time.monotonic() - begun) if good else None


def drawn(only: str, count: int, seed: int) -> list[Mutant]:
    """So many of all mutants, drawn by lot."""
    found = [
        mutant
        for path in sorted((PACKAGE / "core").rglob("*.py"))
        if only in (name := str(path.relative_to(PACKAGE)))
        for mutant in mutants_of(name, path.read_text())
    ]
    print(f"{len(found):,} mutants; {min(count, len(found))} of them are tried", flush=True)
    return Random(seed).sample(found, min(count, len(found)))  # noqa: S311 - no secret


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0: the score is at least ``--floor``, 2: tests fail by themselves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sample", type=int, default=100, help="so many mutants")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    parser.add_argument("--only", default="core/", help="of files with this in their path")
    parser.add_argument("--jobs", type=int, default=1, help="so many at once")
    parser.add_argument("--floor", type=float, default=0.0, help="the least score, 0 to 1")
    parser.add_argument("--json", type=Path, help="write the figure to this file")
    wanted = parser.parse_args(arguments)
    record = _record() if wanted.json is not None else None
    begun = record.begin() if record is not None else None
    print("the tests without any mutant, to know how long they take", flush=True)
    limit_s = limit_of(wanted.jobs)
    if limit_s is None:
        print("they fail: mend them first, then every mutant isn't counted as noticed")
        return 2
    print(f"{limit_s / PATIENCE:.0f} s; a mutant is given {limit_s:.0f} s", flush=True)
    verdicts: list[Verdict] = []
    with ThreadPoolExecutor(wanted.jobs) as pool:
        chosen = drawn(wanted.only, wanted.sample, wanted.seed)
        for verdict in pool.map(lambda one: judge(one, limit_s), chosen):
            verdicts.append(verdict)
            print(
                f"{len(verdicts):4} {verdict.state:8} {verdict.seconds:6.1f} s"
                f" {verdict.file}:{verdict.line}: {verdict.what}",
                flush=True,
            )
    command = f".venv/bin/python tools/mutants.py --sample {wanted.sample} --seed {wanted.seed}"
    one = score(verdicts)
    print(f"{one['figures']['killed']} of {len(verdicts)}")
    if record is not None:
        record.write(wanted.json, record.figure("R19", begun=begun, command=command, **one))
    return 0 if len(verdicts) - one["violations"] >= wanted.floor * len(verdicts) else 1


def _record() -> Any:
    """The writer of figures, which stands with the tests."""
    sys.path.insert(0, str(ROOT / "tests"))
    return import_module("chaos.record")


def score(verdicts: list[Verdict]) -> dict[str, Any]:
    """What a figure says of so many mutants: those that survived are its violations."""
    left = [one for one in verdicts if one.state == SURVIVED]
    endless = sum(one.state == ENDLESS for one in verdicts)
    killed = len(verdicts) - len(left)
    low, high = wilson(killed, len(verdicts))
    return {
        "title": "Small defects in the router's core; the promise is that a test notices",
        "n": len(verdicts),
        "violations": len(left),
        "figures": {
            "killed": f"{killed / max(1, len(verdicts)):.1%} (95 %: {low:.1%} to {high:.1%})",
            "of these by an endless loop": endless,
            "survived": ", ".join(f"{one.file}:{one.line}" for one in left) or "none",
        },
        "not_covered": "All other mutants: these were drawn by lot. What changes nothing that"
        " anybody could see (a bound that is never met, a cache) counts as having survived.",
    }


if __name__ == "__main__":
    raise SystemExit(main())
