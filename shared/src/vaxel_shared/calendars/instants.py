"""Instants and durations as people and scripts write them, exact to the millisecond.

What is finer than a millisecond is cut off, of instants and of durations alike.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_LOOKS_RIGHT = re.compile(r"^\d{4}-?\d{2}-?\d{2}[Tt ]\d{2}")
SECONDS_MAX = 10**12


def parse_instant(text: str) -> int:
    """ISO 8601 with an offset as milliseconds UTC; raises ``ValueError`` for anything else."""
    try:
        found = datetime.fromisoformat(text.strip() if _LOOKS_RIGHT.match(text.strip()) else "")
    except ValueError as error:
        raise ValueError(f"{text[:60]!r} is no instant; write 2026-12-23T09:30:00+01:00") from error
    if found.tzinfo is None:
        raise ValueError(f"{text[:60]!r} has no offset; end it with Z or one like +01:00")
    try:
        return (found - _EPOCH) // _MS
    except OverflowError as error:
        raise ValueError(f"{text[:60]!r} lies outside the years 1 to 9999") from error


def show_instant(at_ms: int) -> str:
    """UTC, like ``2026-12-23T08:30:00Z``; milliseconds only where there are some."""
    whole, rest = divmod(at_ms, 1000)
    text = (_EPOCH + timedelta(seconds=whole)).strftime("%Y-%m-%dT%H:%M:%S")
    text = text.rjust(19, "0")  # years before 1000 come without zeros on some systems
    return f"{text}.{rest:03d}Z" if rest else f"{text}Z"


def parse_seconds(value: str | Decimal | float) -> int:
    """Seconds, perhaps with a fraction, as milliseconds; raises ``ValueError`` for no number."""
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(f"{str(value)[:60]!r} is no number of seconds") from error
    if isinstance(value, bool) or not number.is_finite() or abs(number) > SECONDS_MAX:
        raise ValueError(f"{str(value)[:60]!r} is no number of seconds")
    return int(number * 1000)


def show_seconds(ms: int) -> int | float:
    """Milliseconds as seconds: a whole number where it is one."""
    whole, rest = divmod(ms, 1000)
    return whole if rest == 0 else ms / 1000
