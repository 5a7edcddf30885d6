"""Finds what an expression asks ``mentions`` of, so that it is answered before the expression runs.

The CEL library keeps the arguments of every call of a function of ours for ever (cel-expr-python
0.1.3: 0.3 to 14 kB a call, measured), so a running service never lets it call one:
``content.mentions(["invoice*"])`` becomes a variable whose value is worked out beforehand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

TAKEN = "mentions is asked of {names}, with a list of words in quotes"

_STRING = r"[rR]?(?:\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*')"
_TOKEN = re.compile(
    rf"(?P<space>\s+|//[^\n]*)|(?P<string>{_STRING})|(?P<name>[A-Za-z_]\w*)|(?P<other>.)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Question:
    """Whether a variable's text mentions one of these words."""

    variable: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


def rewritten(
    source: str,
    variables: Collection[str],
    words_of: Callable[[str], Sequence[str]],
    name_of: Callable[[Question], str],
) -> str:
    """``source``, a valid expression, with ``name_of`` each question in the place of its call.

    ``words_of`` reads a list of literals. Raises ``ValueError`` for a call of another form.
    """
    tokens = [
        _Token(str(found.lastgroup), found[0], found.start(), found.end())
        for found in _TOKEN.finditer(source)
        if found.lastgroup != "space"
    ]
    result, done = [], 0
    for at, token in enumerate(tokens):
        if token.kind != "name" or token.text != "mentions":
            continue
        call = _call(tokens, at, variables)
        if call is None:
            raise ValueError(TAKEN.format(names=", ".join(sorted(variables))))
        receiver, opening, closing, last = call
        words = words_of(source[opening.start : closing.end])
        result.append(source[done : receiver.start])
        result.append(name_of(Question(receiver.text, tuple(words))))
        done = last.end
    return "".join(result) + source[done:]


def _call(
    tokens: Sequence[_Token], at: int, variables: Collection[str]
) -> tuple[_Token, _Token, _Token, _Token] | None:
    """Receiver, both brackets and the last parenthesis of the call whose name stands at ``at``."""
    before = [token.text for token in tokens[max(0, at - 3) : at]]
    after = [token.text for token in tokens[at + 1 : at + 3]]
    if before[-1:] != ["."] or before[-2] not in variables or before[:-2] == ["."]:
        return None
    place = at + 3
    while place < len(tokens) and (tokens[place].kind == "string" or tokens[place].text == ","):
        place += 1
    if after != ["(", "["] or [token.text for token in tokens[place : place + 2]] != ["]", ")"]:
        return None
    return tokens[at - 2], tokens[at + 2], tokens[place], tokens[place + 1]
