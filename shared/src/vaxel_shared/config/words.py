"""Whether a text mentions one of some words: whole words, any case, any script.

CEL's own ``matches`` has ASCII word boundaries (there is none before an "ä") and compiles its
pattern at every evaluation: 18 to 1,500 µs a rule. This takes a few microseconds, and it can't be
slow for any text: patterns are literals with a star at either end, never regular expressions.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

PATTERNS_MAX = 500
"""In one call; more is a list for a classifier."""

PATTERN_CHARS_MAX = 100

_CACHE_MAX = 4_096
"""Compiled lists: four for each of a thousand rules; beyond it, lists are compiled again."""


def folded(text: str) -> str:
    """Comparable without case: composed, and case folded (``ß`` becomes ``ss``)."""
    return unicodedata.normalize("NFC", text).casefold()


def mentions(text: str, patterns: Sequence[str]) -> bool:
    """Whether one of ``patterns`` stands in ``text`` as a whole word or words.

    ``invoice*`` is any word that begins so, ``*rechnung`` one that ends so, ``*faktur*`` one that
    holds it; a space stands for any white space. Raises ``ValueError`` for what is no word.
    """
    if not patterns:
        return False
    return _compiled(tuple(patterns)).search(folded(text)) is not None


@lru_cache(maxsize=_CACHE_MAX)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    if len(patterns) > PATTERNS_MAX:
        raise ValueError(f"{len(patterns)} words in one list; at most {PATTERNS_MAX}")
    return re.compile(rf"(?<!\w)(?:{'|'.join(_expression(item) for item in patterns)})(?!\w)")


def _expression(pattern: str) -> str:
    """A pattern as a regular expression that takes time linear in the text."""
    literal = pattern.removeprefix("*").removesuffix("*")
    parts = folded(literal).split()
    if not parts or "*" in literal or len(pattern) > PATTERN_CHARS_MAX:
        raise ValueError(
            f"{pattern[:PATTERN_CHARS_MAX]!r} is no word; a * may stand only at either end of one"
        )
    before = r"\w*" if pattern.startswith("*") else ""
    after = r"\w*" if pattern.endswith("*") else ""
    return before + r"\s+".join(re.escape(part) for part in parts) + after
