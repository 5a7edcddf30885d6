"""Everything that delivery says to people, one file a language, chosen by BCP 47 tag."""

from __future__ import annotations

from vaxel_delivery.core.texts import de, en, et, fi, fr, sv
from vaxel_delivery.core.texts.shape import Texts

LANGUAGES: dict[str, Texts] = {
    module.TEXTS.language: module.TEXTS for module in (en, fi, sv, de, et, fr)
}


def texts(language: str | None, default: str) -> Texts:
    """The texts of ``language`` (``sv-FI`` is Swedish), else of ``default``, else English."""
    for tag in (language, default):
        found = LANGUAGES.get((tag or "").partition("-")[0].lower())
        if found is not None:
            return found
    return LANGUAGES["en"]
