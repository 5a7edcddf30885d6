"""Expressions over skills: what they mean, and what is none."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaxel_shared import needs

LEVELS = {"billing": 5, "law": 2, "fi-law": 1}


@pytest.mark.parametrize(
    ("text", "meets"),
    [
        ("billing", True),
        ("french", False),
        ("billing >= 5", True),
        ("billing>=6", False),
        ("billing <= 5", True),
        ("french <= 5", False),
        ("billing 3..5 and law 2..2", True),
        ("billing 6..9", False),
        ("not french", True),
        ("not not fi-law", True),
        ("french or law and billing", True),
        ("(french or law) and french", False),
        ("not (french or law)", False),
        ("law and not billing <= 4", True),
        ("billing or french and law >= 9", True),
    ],
)
def test_an_expression_means_what_it_says(text, meets):
    assert needs.holds(needs.parse(text), LEVELS) is meets


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "something is missing"),
        ("billing and", "something is missing"),
        ("billing law", "'law' can't stand there"),
        ("(billing", "isn't closed"),
        ("billing)", "')' can't stand there"),
        ("or billing", "'or' stands where"),
        ("billing >= high", "'high' is no level"),
        ("billing 3", "after billing 3 comes '..'"),
        ("3 >= billing", "'3' stands where"),
        ("billing & law", "'& law' can't be read"),
        ("(" * 22 + "a" + ")" * 22, "flatten it"),
        ("not " * 40 + "a", "flatten it"),
        ("(" * 20 + "a" + ")" * 20, "flatten it"),
        ("a or " * 80 + "a", "more than 300 characters"),
    ],
)
def test_what_is_none_says_where(text, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        needs.written(text)


@given(st.text(max_size=80) | st.lists(st.sampled_from(["a", "b", "and", "or", "not", "(", ")", ">=", "3", ".."]), max_size=20).map(" ".join))  # fmt: skip
def test_any_text_is_an_expression_or_says_why_not(text):
    found = None
    with contextlib.suppress(ValueError):
        found = needs.parse(text)
    if found is not None:
        assert needs.holds(needs.Not(found), LEVELS) is not needs.holds(found, LEVELS)
        assert all(skill in text for skill in needs.skills(found))


def test_two_hold_where_both_do():
    assert needs.together("", "a") == needs.together("a", "", "") == "a"
    assert not needs.holds(needs.parse(needs.together("billing or x", "x", "law")), LEVELS)
