"""Header fields: splitting a block into fields, and reading what is encoded in their values.

Lines end at a line feed only. A carriage return elsewhere and NUL become a space, so that a bare CR
can't start a field of its own (``Subject: hi<CR>Cc: …``). Sources: RFC 5322, 2047, 2231, and 7103
for what to do with malformed blocks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vaxel_ingest_email.core import charsets, encodings
from vaxel_ingest_email.core.limits import Limits, TooMuch

_FIELD = re.compile(rb"^([!-9;-~]{1,200})[ \t]*:")
_MBOX = re.compile(rb"^>?From ")
_WORD = re.compile(r"=\?([^?\s]{1,80})\?([bBqQ])\?")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
_SPACES = re.compile(r"[ \t\n]+")


@dataclass(frozen=True, slots=True)
class Headers:
    """The fields of one block in order: lower-case names, unfolded raw values."""

    items: tuple[tuple[str, bytes], ...]

    def all(self, name: str) -> list[bytes]:
        """Every value of a field."""
        return [value for key, value in self.items if key == name]

    def raw(self, name: str) -> bytes | None:
        """The first non-empty value of a field: repeated ones are somebody's addition."""
        return next((value for key, value in self.items if key == name and value), None)

    def text(self, name: str) -> str | None:
        """The first non-empty value, decoded; None where there is none."""
        value = self.raw(name)
        return None if value is None else decode_text(value)

    def has(self, name: str) -> bool:
        """Whether the field is there, even empty."""
        return any(key == name for key, _ in self.items)


def split(data: bytes, limits: Limits) -> tuple[Headers, int]:
    """The header block at the start of ``data`` and where the body begins.

    Raises :class:`TooMuch` beyond the limits of headers.
    """
    fields: list[tuple[str, list[bytes]]] = []
    position = size = 0
    while position < len(data):
        end = data.find(b"\n", position)
        following = len(data) if end < 0 else end + 1
        line = data[position : len(data) if end < 0 else end].rstrip(b"\r")
        if not line:
            position = following
            break
        size += len(line)
        if size > limits.header_bytes:
            raise TooMuch("header_bytes")
        found = _FIELD.match(line)
        if found:
            fields.append((found[1].decode("ascii").lower(), [line[found.end() :]]))
            if len(fields) > limits.header_count:
                raise TooMuch("header_count")
        elif line[:1] in b" \t" and fields:
            fields[-1][1].append(line)
        elif not _MBOX.match(line) or fields:
            if not fields or not _more_fields(data, position):
                break  # no header line, and none follows: the blank line is missing
            fields[-1][1].append(b" " + line)
        position = following
    items = tuple((name, _unfold(lines, limits)) for name, lines in fields)
    return Headers(items), position


def _more_fields(data: bytes, position: int) -> bool:
    """Whether the next line but one junk line is a field: then the junk belongs to the block."""
    end = data.find(b"\n", position)
    return end >= 0 and _FIELD.match(data[end + 1 : end + 300]) is not None


def _unfold(lines: list[bytes], limits: Limits) -> bytes:
    value = b"".join(lines).replace(b"\r", b" ").replace(b"\x00", b" ").strip(b" \t")
    if len(value) > limits.header_one_bytes:
        raise TooMuch("header_one_bytes")
    return value


def one_line(text: str) -> str:
    """Decoded text as one clean line: an encoded word must not bring line ends in."""
    return _SPACES.sub(" ", charsets.clean(text)).strip()


def decode_text(value: bytes) -> str:
    """An unstructured value: raw 8-bit text and encoded words (RFC 2047), as one clean line."""
    return one_line(decode_words(charsets.decode(value, None)))


def decode_words(text: str) -> str:
    """``text`` with its encoded words decoded; linear, and lenient with broken ones.

    Bytes of neighbouring words of one charset are joined before decoding, because senders split
    characters between words.
    """
    if "=?" not in text:
        return text
    out: list[str] = []
    pending: list[bytes] = []
    charset = ""
    position = 0

    def flush() -> None:
        if pending:
            out.append(charsets.decode(b"".join(pending), charset))
            pending.clear()

    while (start := text.find("=?", position)) >= 0:
        found = _WORD.match(text, start)
        if found is None:
            flush()
            out.append(text[position : start + 2])
            position = start + 2
            continue
        between = text[position:start]
        if not pending or between.strip(" \t\n"):
            flush()
            out.append(between)
        end = text.find("?=", found.end())
        stop = len(text) if end < 0 else end
        label = found[1].partition("*")[0]
        if pending and label.lower() != charset.lower():
            flush()
        charset = label
        pending.append(_word_bytes(found[2], text[found.end() : stop]))
        position = min(stop + 2, len(text))
    flush()
    out.append(text[position:])
    return "".join(out)


def _word_bytes(encoding: str, body: str) -> bytes:
    data = body.encode("utf-8", "surrogateescape")
    if encoding in "bB":
        return encodings.base64(data)
    data = data.replace(b"_", b" ")
    return _HEX.sub(lambda found: bytes((int(found[1], 16),)), data)
