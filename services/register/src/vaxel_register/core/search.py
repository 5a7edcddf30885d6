"""What a search compares: text without case and accents, so that "Köln" is found by "koln"."""

from __future__ import annotations

import unicodedata

from vaxel_register.core.limits import QUERY_WORDS_MAX, SEARCH_CHARS_MAX


def fold_text(*parts: str | None) -> str:
    """The searchable form of some texts together, cut to ``SEARCH_CHARS_MAX``."""
    joined = "\n".join(part for part in parts if part)[:SEARCH_CHARS_MAX]
    plain = unicodedata.normalize("NFKD", joined).casefold()
    kept = "".join(
        character
        for character in plain
        if character != "\x00" and not unicodedata.combining(character)
    )
    return kept[:SEARCH_CHARS_MAX]


def words(query: str) -> list[str]:
    """The words a case must all hold, in searchable form; at most ``QUERY_WORDS_MAX``."""
    return fold_text(query).split()[:QUERY_WORDS_MAX]


def like(word: str) -> str:
    r"""A LIKE pattern for "contains", with ``\`` as its escape character."""
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
