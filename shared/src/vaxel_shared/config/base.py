"""Types that configuration models share."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

_DURATION = re.compile(r"^(\d+)(ms|s|m|h|d)$")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class ConfigModel(BaseModel):
    """An unknown key is an error: a typing mistake must not pass in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Located(ConfigModel):
    """An item of a list; ``at`` is its place, ``file:line``, and is filled in by the reader."""

    at: str = ""


def duration_ms(value: Any) -> int:
    """``90s``, ``10m``, ``2h``, ``14d`` or ``250ms`` as milliseconds; an int is milliseconds.

    Raises ``ValueError`` for anything else.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and (found := _DURATION.match(value.strip())):
        return int(found[1]) * _UNIT_MS[found[2]]
    raise ValueError("a duration is a number with ms, s, m, h or d, like 10m")


_TAG = re.compile(r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")


def language_tag(value: str) -> str:
    """A BCP 47 tag as we write it: the language in lower case, then script or region.

    Raises ``ValueError`` for anything else.
    """
    if _TAG.match(value) is None:
        raise ValueError(f"{value!r} is no language tag; write it like fi or pt-BR")
    return value


LanguageTag = Annotated[str, AfterValidator(language_tag)]
"""Of a language, like ``fi``."""

Duration = Annotated[int, BeforeValidator(duration_ms)]
"""Milliseconds, written like ``10m``."""
