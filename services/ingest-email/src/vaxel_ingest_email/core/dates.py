"""Dates of mails to milliseconds UTC; what can't be read is None, never an exception."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz

DATE_CHARS_MAX = 200
"""The longest honest Date has about fifty."""

_ZONES = {
    "CET": 3600, "MEZ": 3600, "CEST": 7200, "MESZ": 7200, "WEST": 3600, "BST": 3600, "EET": 7200,
    "EEST": 10800, "MSK": 10800, "IST": 19800, "JST": 32400, "KST": 32400, "HKT": 28800,
}  # fmt: skip
_NAMED = re.compile(r"\b([A-Z]{3,4})\b\s*\)?$")
_COMMENT = re.compile(r"\([^()]{0,60}\)")


def parse_ms(value: str | None) -> int | None:
    """Milliseconds UTC of a Date field (RFC 5322 and worse, or ISO 8601)."""
    text = (value or "").strip()
    if not text or len(text) > DATE_CHARS_MAX:
        return None
    moment = _rfc5322(text) or _iso8601(text)
    if moment is None or not 1970 <= moment.year <= 9998:
        return None
    return int(moment.timestamp() * 1000)


def _rfc5322(text: str) -> datetime | None:
    bare = _COMMENT.sub(" ", text).strip() or text
    try:
        parsed = parsedate_tz(bare)
        if parsed is None:
            return None
        offset = parsed[9]
        if not offset and (named := _NAMED.search(text)) is not None:
            offset = _ZONES.get(named[1], offset or 0) if "+0000" not in text else 0
        zone = timezone(timedelta(seconds=offset or 0))
        return datetime(*parsed[:5], min(parsed[5], 59), tzinfo=zone)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None  # parsedate_tz raises all of these on one malformed input or another


def _iso8601(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
