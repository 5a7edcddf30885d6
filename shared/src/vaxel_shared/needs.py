"""What skills must be there, as an expression: ``billing >= 3 and (law or tax 2..6) and not new``.

    expression  = all { "or" all }
    all         = one { "and" one }
    one         = "not" one | "(" expression ")" | skill [ range ]
    range       = ">=" level | "<=" level | level ".." level

A skill alone means any level of it; a comparison holds only for whoever has the skill. Policies say
it, the router answers it, so it stands here. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

TEXT_MAX = 300
"""Characters as somebody writes one: a longer one is read by nobody."""
CONTACT_MAX = 600
"""Characters of all that a contact's rules ask for: it stands in the reasons of candidates."""
WHOLE_MAX = 1_000
"""Characters of what contact and queue ask for together."""
DEPTH_MAX = 20
"""Brackets and negations within each other."""
LEVEL_MAX = 2**53


class Has(NamedTuple):
    """A skill between two levels."""

    skill: str
    least: int = 1
    most: int = LEVEL_MAX


class Not(NamedTuple):
    """The opposite."""

    one: Needs


class All(NamedTuple):
    """Each of these."""

    some: tuple[Needs, ...]


class Any(NamedTuple):
    """One of these."""

    some: tuple[Needs, ...]


Needs = Has | Not | All | Any

_TOKEN = re.compile(r"\s*(>=|<=|\.\.|[()]|\d+(?![\w-])|\w[\w-]*)")
_KEPT = frozenset({"and", "or", "not"})


@lru_cache(maxsize=1_024)
def parse(text: str) -> Needs:
    """The expression. Raises ``ValueError`` that says where it isn't one."""
    if len(text) > WHOLE_MAX:
        raise ValueError(f"more than {WHOLE_MAX} characters")
    reader = _Reader(text)
    found = reader.any_of(0)
    if (rest := reader.peek()) is not None:
        raise ValueError(f"{rest!r} can't stand there; join skills with 'and' or 'or'")
    return found


def written(text: str) -> str:
    """The same text, where it is an expression that may be joined with others.

    Raises ``ValueError`` that says where it isn't one.
    """
    if len(text) > TEXT_MAX:
        raise ValueError(f"more than {TEXT_MAX} characters; give skills that say more")
    parse(text)
    parse(f"(({text}))")
    return text


class _Reader:
    def __init__(self, text: str) -> None:
        self._words = list(_tokens(text))
        self._next = 0

    def peek(self) -> str | None:
        return self._words[self._next] if self._next < len(self._words) else None

    def take(self) -> str:
        word = self.peek()
        if word is None:
            raise ValueError("something is missing at the end")
        self._next += 1
        return word

    def any_of(self, depth: int) -> Needs:
        some = [self._all_of(depth)]
        while self.peek() == "or":
            self.take()
            some.append(self._all_of(depth))
        return some[0] if len(some) == 1 else Any(tuple(some))

    def _all_of(self, depth: int) -> Needs:
        some = [self._one(depth)]
        while self.peek() == "and":
            self.take()
            some.append(self._one(depth))
        return some[0] if len(some) == 1 else All(tuple(some))

    def _one(self, depth: int) -> Needs:
        if depth > DEPTH_MAX:
            raise ValueError(f"more than {DEPTH_MAX} brackets within each other; flatten it")
        word = self.take()
        if word == "not":
            return Not(self._one(depth + 1))
        if word == "(":
            found = self.any_of(depth + 1)
            if self.peek() != ")":
                raise ValueError("a bracket isn't closed")
            self.take()
            return found
        if word in _KEPT or not (word[0].isalpha() or word[0] == "_"):
            raise ValueError(f"{word!r} stands where a skill is expected")
        return self._compared(word)

    def _compared(self, skill: str) -> Has:
        match self.peek():
            case ">=":
                self.take()
                return Has(skill, least=self._level())
            case "<=":
                self.take()
                return Has(skill, most=self._level())
            case word if word is not None and word.isdigit():
                least = self._level()
                if self.peek() != "..":
                    raise ValueError(f"after {skill} {least} comes '..' and the highest level")
                self.take()
                return Has(skill, least, self._level())
        return Has(skill)

    def _level(self) -> int:
        word = self.take()
        if not word.isdigit() or len(word) > 9:
            raise ValueError(f"{word!r} is no level")
        return int(word)


def _tokens(text: str) -> Iterator[str]:
    place, end = 0, len(text.rstrip())
    while place < end:
        found = _TOKEN.match(text, place)
        if found is None:
            raise ValueError(f"{text[place:].strip()[:20]!r} can't be read")
        place = found.end()
        yield found[1]


def holds(needs: Needs, levels: Mapping[str, int]) -> bool:
    """Whether whoever has these skills meets it."""
    match needs:
        case Has(skill, least, most):
            return skill in levels and least <= levels[skill] <= most
        case Not(one):
            return not holds(one, levels)
        case All(some):
            return all(holds(one, levels) for one in some)
        case Any(some):
            return any(holds(one, levels) for one in some)


def skills(needs: Needs) -> Iterator[str]:
    """The skills that it speaks of, some perhaps more than once."""
    match needs:
        case Has(skill):
            yield skill
        case Not(one):
            yield from skills(one)
        case All(some) | Any(some):
            for one in some:
                yield from skills(one)


def together(*texts: str) -> str:
    """An expression that holds where all of these do; an empty one always holds."""
    some = [text for text in texts if text]
    return " and ".join(f"({text})" for text in some) if len(some) > 1 else "".join(some)
