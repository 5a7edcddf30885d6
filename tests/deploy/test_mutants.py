"""`make mutants`: defects are put in one by one, and none of them is a type, an assert or a text."""

from __future__ import annotations

import ast
import sys

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
    verdicts = [mutants.Verdict("core/a.py", 3, "a -> b", killed, 1.0) for killed in (True, False)]
    told = mutants.score(verdicts)
    assert (told["n"], told["violations"]) == (2, 1)
    assert told["figures"] == {"killed": "50.0% (95 %: 9.5% to 90.5%)", "survived": "core/a.py:3"}
