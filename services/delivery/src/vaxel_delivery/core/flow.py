"""Plain text as ``format=flowed``: reads well on a telephone, quotes well in an answer.

Source: RFC 3676. Paragraphs are broken after a space that stays at the line's end, so that a
reader joins them again; a line that begins with ``>`` is a quotation and is left as it stands.
"""

from __future__ import annotations

import re

WIDTH_CHARS = 76
"""RFC 3676 section 4.2 asks for at most 78, with room for a quote mark."""

SIGNATURE = "-- "

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\ud800-\udfff]")


def normalised(text: str) -> str:
    """``text`` with one kind of line end, no control characters and no trailing spaces."""
    plain = re.sub(r"\r\n?|[\u2028\u2029\x85]", "\n", text)
    plain = _CONTROL.sub("", plain)
    lines = (line if line == SIGNATURE else line.rstrip(" \t") for line in plain.split("\n"))
    return "\n".join(lines).rstrip("\n")


def flowed(text: str) -> list[str]:
    """The lines of a ``format=flowed`` body, without line ends."""
    lines: list[str] = []
    for paragraph in normalised(text).split("\n"):
        if paragraph.startswith(">") or paragraph == SIGNATURE:
            lines.append(paragraph)
        else:
            lines.extend(_wrapped(paragraph))
    return lines


def _wrapped(paragraph: str) -> list[str]:
    """A paragraph in lines; all but the last end in the space they were broken at."""
    lines: list[str] = []
    rest = paragraph
    while len(rest) > WIDTH_CHARS and (cut := _cut(rest)) is not None:
        lines.append(_stuffed(rest[:cut]))
        rest = rest[cut:]
    return [*lines, _stuffed(rest)]


def _cut(text: str) -> int | None:
    """Where to break: behind the last space that fits, else behind the first there is."""
    cut = text.rfind(" ", 0, WIDTH_CHARS) + 1
    if cut == 0 or text[:cut] in (SIGNATURE, " " * cut):
        cut = text.find(" ", WIDTH_CHARS) + 1
    # A rest that is empty or a signature mark on its own would end the paragraph in another place.
    if cut == 0 or cut >= len(text) or not text[:cut].strip() or not text[cut:].strip():
        return None
    return cut


def _stuffed(line: str) -> str:
    """A line that could be taken for a quotation or an mbox separator gets a space in front."""
    return f" {line}" if line.startswith((" ", ">", "From ")) else line
