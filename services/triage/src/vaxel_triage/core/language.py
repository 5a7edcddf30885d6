"""What language a message is in, or ``und`` where that can't be told well enough.

A wrong language keeps a customer waiting for someone who can't read the message; ``und`` is never
required of anyone, so it only costs the chance of a better match. Hence the thresholds. Measured
on 90 sentences in six languages, some of one word, and 22 in others: 77 right, 13 ``und``, none
wrong, none of the foreign ones taken. Without the veto half of those were taken for ours. The
sentences are in the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

UNDETERMINED = "und"

LETTERS_MIN = 6
"""Below it ("Hi", "Hei", "OK") one language is as likely as the next."""

CONFIDENCE_MIN = 0.5
"""Of the best among the deployment's languages."""

VETO_MIN = 0.7
"""So sure must the unrestricted model be of a foreign language to overrule the restricted one."""

CHARS_MAX = 2_000
"""Of a text, for detection: more doesn't change the answer."""


class Guesser(Protocol):
    """A model. Each guess is ``(language, confidence 0..1)``; the language a primary subtag."""

    def among_ours(self, text: str) -> tuple[str, float]:
        """The best of the deployment's languages."""
        ...

    def among_all(self, text: str) -> tuple[str, float]:
        """The best of all that the model knows."""
        ...


def primary(tag: str) -> str:
    """The primary subtag of a BCP 47 tag: ``pt`` of ``pt-BR``."""
    return tag.replace("_", "-").partition("-")[0].lower()


def matching(tag: str | None, languages: Sequence[str]) -> str | None:
    """The deployment's own tag for ``tag``: the same one, else the first of the same language."""
    if not tag:
        return None
    for candidate in languages:
        if candidate.lower() == tag.lower():
            return candidate
    return next((item for item in languages if primary(item) == primary(tag)), None)


def detect(text: str, languages: Sequence[str], guesser: Guesser) -> str:
    """The language of ``text`` as one of the deployment's tags, or ``und``."""
    text = text[:CHARS_MAX]
    if sum(character.isalpha() for character in text) < LETTERS_MIN:
        return UNDETERMINED
    ours, confidence = guesser.among_ours(text)
    tag = matching(ours, languages)
    if tag is None or confidence < CONFIDENCE_MIN:
        return UNDETERMINED
    best, certainty = guesser.among_all(text)
    if matching(best, languages) is None and certainty >= VETO_MIN:
        return UNDETERMINED
    return tag


def of_message(
    declared: str | None, texts: Sequence[str], languages: Sequence[str], guesser: Guesser
) -> str:
    """What the customer or channel declared if we answer in it, else the first text that tells.

    ``texts`` go from the most to the least telling. What was declared and isn't ours is no reason
    to guess: it is ``und``.
    """
    if declared and primary(declared) != UNDETERMINED:
        return matching(declared, languages) or UNDETERMINED
    for text in texts:
        found = detect(text, languages, guesser)
        if found != UNDETERMINED:
            return found
    return UNDETERMINED
