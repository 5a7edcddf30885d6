"""Stretches of time for people."""

from __future__ import annotations

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def in_words(ms: int | None) -> str:
    """A time in its two largest units, like ``1 h 5 min``; ``-`` where there is none."""
    if ms is None:
        return "-"
    if ms < 1000:
        return f"{ms} ms" if ms else "0 s"
    seconds = ms // 1000
    place = next(place for place, (_, size) in enumerate(_UNITS) if seconds >= size)
    parts: list[str] = []
    for name, size in _UNITS[place : place + 2]:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts)
