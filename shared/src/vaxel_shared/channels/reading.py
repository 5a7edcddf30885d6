"""Reading what strangers send: JSON within bounds, texts that can be stored, instants, ids.

Everything here is total: a value that makes no sense is None, never an exception.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

ID_CHARS_MAX = 512
"""Of an id that a platform gives: the longest known are below 300."""
NAME_CHARS_MAX = 256
"""Of a name or an address (RFC 5321 allows 254)."""
SUBJECT_CHARS_MAX = 998
"""As of a mail's line (RFC 5322, 2.1.1)."""

_UNWANTED = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127))


def decoded(body: bytes) -> Any:
    """The JSON in a body; None for what is none, or too deep for its parser."""
    try:
        return json.loads(body, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None


def section(value: Any, name: str) -> dict[str, Any]:
    """The object under a name; empty where there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def text(value: Any, chars_max: int) -> str | None:
    """A text that can be stored: no control characters but tab and line ends, no half characters.

    Cut to ``chars_max`` code points; None for what is no text, or empty.
    """
    if not isinstance(value, str):
        return None
    whole = value[:chars_max].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.translate(_UNWANTED) or None


def line(value: Any, chars_max: int) -> str | None:
    """A text on one line."""
    found = text(value, chars_max)
    return " ".join(found.split()) or None if found else None


def identifier(value: Any) -> str | None:
    """An id: a text, or a number as its digits (floats can't hold 64-bit ids, and are none).

    One that is too long is replaced by its hash, so that two long ones don't become one.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    found = line(value, 64 * 1024)
    if found is not None and len(found) > ID_CHARS_MAX:
        return f"sha256:{hashlib.sha256(found.encode()).hexdigest()}"
    return found


def instant(value: Any) -> str | None:
    """An ISO 8601 instant with an offset as UTC with milliseconds."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        found = datetime.fromisoformat(value)
        if found.tzinfo is None:
            return None
        utc = found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"


def language(value: Any) -> str | None:
    """A BCP 47 tag, as far as its shape goes."""
    found = line(value, 35)
    if found is None:
        return None
    parts = found.replace("_", "-").split("-")
    primary = parts[0].lower()
    sound = 2 <= len(primary) <= 3 and primary.isascii() and primary.isalpha()
    rest = all(1 <= len(part) <= 8 and part.isascii() and part.isalnum() for part in parts[1:])
    return "-".join([primary, *parts[1:]]) if sound and rest else None
