"""The console's words: one table a language, completed by English and by the reason codes. Pure.

English stands for every key; a language may lack some until somebody has translated them. The
reason codes' English words are :mod:`vaxel_shared.reasons`', where the command line has them from.
"""

from __future__ import annotations

from collections.abc import Mapping

from vaxel_shared import reasons

NAMES = {
    "en": "English",
    "fi": "Suomi",
    "sv": "Svenska",
    "de": "Deutsch",
    "et": "Eesti",
    "fr": "Français",
}
"""The languages there are, by what their speakers call them."""

ENGLISH = "en"


def reason_words() -> dict[str, str]:
    """The reason codes in English, by key."""
    tables = {
        "rejection": reasons.REJECTIONS,
        "term": reasons.TERMS,
        "refusal": reasons.REFUSALS,
        "outcome": reasons.OUTCOMES,
    }
    return {
        f"{name}.{code}": said for name, table in tables.items() for code, said in table.items()
    }


class Words:
    """All languages. ``tables``: language → key → text with {places}."""

    def __init__(self, tables: Mapping[str, Mapping[str, str]]) -> None:
        base = reason_words() | dict(tables[ENGLISH])
        self._tables = {language: base | dict(tables.get(language, {})) for language in NAMES}

    def texts(self, language: str) -> dict[str, str]:
        """Everything, in a language that there is."""
        return self._tables[language]

    def say(self, language: str, key: str) -> str:
        """One text without places; the key itself where nobody has written it."""
        return self._tables[language].get(key, key)

    def best(self, wanted: str) -> str:
        """The language of a BCP 47 tag, or of an Accept-Language header; English for any other."""
        weighed = []
        for place, item in enumerate(wanted[:500].split(",")):
            tag, _, weight = item.partition(";")
            language = tag.strip().lower().partition("-")[0]
            if language in NAMES:
                weighed.append((-_weight(weight), place, language))
        return min(weighed)[2] if weighed else ENGLISH


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    try:
        return float(value) if name == "q" else 1.0
    except ValueError:
        return 0.0
