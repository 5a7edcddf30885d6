"""The language model: py3langid, loaded once (0.8 s, 109 MB), 0.04 ms for a few sentences."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from vaxel_triage.core.language import primary


class Detector:
    """A :class:`~vaxel_triage.core.language.Guesser` over one deployment's languages."""

    def __init__(self, model: Any, languages: Sequence[str]) -> None:
        self._all = model
        known = sorted({primary(tag) for tag in languages} & set(model.labels))
        self.unknown = sorted(tag for tag in languages if primary(tag) not in known)
        """Languages that the model doesn't know: only a customer's own choice can name them."""
        self._ours = copy.copy(model)
        self._ours.set_languages(known or model.labels)

    def among_ours(self, text: str) -> tuple[str, float]:
        """See the protocol."""
        language, confidence = self._ours.classify(text)
        return str(language), float(confidence)

    def among_all(self, text: str) -> tuple[str, float]:
        """See the protocol."""
        language, confidence = self._all.classify(text)
        return str(language), float(confidence)


def load_model() -> Any:
    """The unrestricted model, warm: its first classification would take as long as all before."""
    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    model.classify("warm")
    return model
