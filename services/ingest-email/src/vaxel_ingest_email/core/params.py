"""Values with parameters: Content-Type and Content-Disposition, as mailers really write them.

RFC 2045 and 2231 (continuations, charset and percent codes), plus unquoted spaces, encoded words
inside quotes, quotes inside quotes, and Windows paths as file names.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from vaxel_ingest_email.core import charsets
from vaxel_ingest_email.core.headers import decode_words, one_line

PARAMS_MAX = 100
"""Continuations of a long file name included; more is an attack on the parser."""

_QUOTES_LOOKED_AT = 20
"""Quotes inside a quoted value before it is taken to end at the first of them."""

_SECTION = re.compile(r"^(.*?)(?:\*(\d{1,3}))?(\*)?$")


def parse(value: bytes) -> tuple[str, dict[str, str]]:
    """The main value (lower case) and the decoded parameters by lower-case name."""
    pieces = _split(charsets.decode(value, None))
    sections: dict[str, list[tuple[int, bool, str]]] = {}
    for piece in pieces[1 : PARAMS_MAX + 1]:
        name, equals, content = piece.partition("=")
        found = _SECTION.match(name.strip().lower()[:100])
        if equals and found is not None and found[1]:
            number = int(found[2]) if found[2] else -1
            sections.setdefault(found[1], []).append((number, bool(found[3]), _unquote(content)))
    return pieces[0].strip().lower(), {name: _join(parts) for name, parts in sections.items()}


def _split(text: str) -> list[str]:
    """At semicolons outside quotes; a quote only closes before a semicolon or the end."""
    pieces: list[str] = []
    start = position = 0
    while position < len(text) and len(pieces) <= PARAMS_MAX:
        if text[position] == ";":
            pieces.append(text[start:position])
            start = position + 1
        elif text[position] == '"' and text[position - 9 : position].rstrip()[-1:] == "=":
            position = _closing(text, position + 1)
        position += 1
    pieces.append(text[start:])
    return pieces


def _closing(text: str, position: int) -> int:
    """Where the quote that opened before ``position`` closes; the end where it never does."""
    first = -1
    for _ in range(_QUOTES_LOOKED_AT):
        found = text.find('"', position)
        if found < 0:
            break
        escaped = text[found - 1] == "\\" and text[found - 2] != "\\"
        if not escaped:
            if text[found + 1 : found + 40].lstrip()[:1] in ("", ";"):
                return found
            first = found if first < 0 else first
        position = found + 1
    return first if first >= 0 else len(text)


def _unquote(content: str) -> str:
    content = content.strip()
    if content.startswith('"'):
        content = content[1:].removesuffix('"')
        return content.replace('\\"', '"').replace("\\\\", "\\")
    return content


def _join(parts: list[tuple[int, bool, str]]) -> str:
    """One value of its sections: a whole extended one wins, then numbered ones in order."""
    whole = [part for part in parts if part[0] < 0]
    extended = next((part for part in whole if part[1]), None)
    numbered = sorted((part for part in parts if part[0] >= 0), key=lambda part: part[0])
    if extended is None and not numbered:
        return one_line(decode_words(whole[0][2]))
    chosen = [extended] if extended is not None else numbered
    label: str | None = None
    data: list[bytes] = []
    for index, (_, percent, content) in enumerate(chosen):
        if not percent:
            data.append(content.encode("utf-8", "surrogateescape"))
            continue
        if index == 0 and content.count("'") >= 2:
            label, _, rest = content.partition("'")
            content = rest.partition("'")[2]  # noqa: PLW2901 - the language tag says nothing here
        data.append(unquote_to_bytes(content))
    return one_line(decode_words(charsets.decode(b"".join(data), label)))


def file_name(name: str) -> str:
    """The last step of a path, without what file systems forbid; at most 255 characters."""
    return one_line(name).replace("\\", "/").rpartition("/")[2][:255].strip()
