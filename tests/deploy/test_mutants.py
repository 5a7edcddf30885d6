"""`make mutants`: defects are put in one by one, and none of them is a type, an assert or a text."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from vaxel_cli.runinfo import find_config_dir

ROOT = find_config_dir().parent
sys.path.insert(0, str(ROOT / "tools"))
import mutants  # noqa: E402 - it is no package


@pytest.mark.parametrize(("source", "becomes"), [
    ("x = a < b", {"x = a <= b"}),
    ("x = a and (not b)", {"x = a or not b", "x = a and b"}),
    ("x = n + 1", {"x = n - 1", "x = n + 2"}),
    ("x = True", {"x = False"}),
    ("n -= m", {"n += m"}),
    ("if ready:\n    go()", {"if not ready:\n    go()", "if ready:\n    pass"}),
    ("def f():\n    return x", {"def f():\n    return None"}),
    ("for x in y:\n    continue", {"for x in y:\n    break"}),
    ("def f(x: List[1]) -> Literal[1]:\n    assert x > 1\n    return None", set()),
    ("x = 'text'", set()),
])  # fmt: skip
def test_each_mutant_is_one_change(source: str, becomes: set[str]) -> None:
    before = ast.unparse(ast.parse(source))
    found = list(mutants.mutants_of("m.py", source))
    assert {one.source for one in found} == {ast.unparse(ast.parse(text)) for text in becomes}
    assert before not in {one.source for one in found}


def test_the_modules_own_tests_are_asked_first_and_the_slow_ones_last() -> None:
    asked = [name.rsplit("/", 1)[1] for name in mutants.tests_for("core/complaints.py")]
    assert asked[0] == "test_router_complaints.py"
    assert asked[-1] == "test_golden.py"


@pytest.mark.parametrize(("killed", "count", "low", "high"), [
    (0, 0, 0.0, 1.0), (10, 10, 0.722, 1.0), (90, 100, 0.826, 0.945),
])  # fmt: skip
def test_the_score_has_its_interval(killed: int, count: int, low: float, high: float) -> None:
    assert mutants.wilson(killed, count) == (
        pytest.approx(low, abs=1e-3),
        pytest.approx(high, abs=1e-3),
    )


def test_the_same_seed_draws_the_same() -> None:
    drawn = [mutants.drawn("core/complaints", 5, seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_survivors_are_named_and_counted_as_what_was_not_noticed() -> None:
    states = (mutants.KILLED, mutants.SURVIVED, mutants.ENDLESS, mutants.KILLED)
    told = mutants.score([mutants.Verdict("core/a.py", 3, "a -> b", one, 1.0) for one in states])
    assert (told["n"], told["violations"]) == (4, 1)
    assert told["figures"] == {
        "killed": "75.0% (95 %: 30.1% to 95.4%)",
        "of these by an endless loop": 1,
        "survived": "core/a.py:3",
    }


def test_a_mutant_that_a_test_notices_is_told_from_one_that_never_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "src" / "vaxel_router"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("ONE = 1\n")
    test = tmp_path / "test_one.py"
    test.write_text("import vaxel_router\n\n\ndef test_one():\n    assert vaxel_router.ONE == 1\n")
    monkeypatch.setattr(mutants, "PACKAGE", package)
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    monkeypatch.setattr(mutants, "tests_for", lambda file: [str(test)])
    limit_s = mutants.limit_of(2)
    assert limit_s is not None
    sources = {"ONE = 1.0": "SURVIVED", "ONE = 2": "killed", "while True:\n    pass": "endless"}
    for source, state in sources.items():
        one = mutants.Mutant("__init__.py", 1, source, source + "\n")
        assert mutants.judge(one, max(limit_s, 5.0)).state == state
    (package / "__init__.py").write_text("ONE = 2\n")
    assert mutants.limit_of(1) is None
