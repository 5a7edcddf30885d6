"""Bytes of a mail: headers that can't be broken out of, a body without a long line.

The headers are written here and not by the standard library's generator, because that folds long
message ids as encoded words, which other programs then don't recognise. Every value is checked
once more at the point of writing: whatever slipped through becomes an error, not a header.
Sources: RFC 5322 section 2.1.1 (998 octets), RFC 2047 (encoded words), RFC 2045 section 6.7 (QP).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

from vaxel_delivery.core.addresses import is_safe
from vaxel_delivery.core.flow import flowed

LINE_CHARS = 78
WORD_BYTES = 45
"""UTF-8 bytes in one encoded word: 60 characters of base64 and 12 of frame; 75 are allowed."""

ATOM_CHARS_MAX = 200
"""A longer word without a space is encoded, so that it can be folded."""

_PLAIN = re.compile(r"^[ -~]*$")
_PHRASE = re.compile(r"^[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]*$")


class UnsafeHeader(ValueError):
    """A header that would have broken out of its line; ``str()`` is its name, never its value."""


def text_value(text: str) -> str:
    """Unstructured text as it stands in a header: as it is, or as encoded words."""
    wordy = max((len(word) for word in text.split(" ")), default=0)
    if _PLAIN.match(text) and "=?" not in text and wordy <= ATOM_CHARS_MAX:
        return text
    return " ".join(_encoded_words(text))


def mailbox(name: str, address: str) -> str:
    """``Name <address>``; ``address`` has been through :func:`.addresses.address`."""
    if not name:
        return f"<{address}>"
    encoded = text_value(name)
    if encoded == name and not _PHRASE.match(name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        encoded = f'"{escaped}"'
    return f"{encoded} <{address}>"


def render(headers: Sequence[tuple[str, str]], text: str) -> bytes:
    """A whole mail with a plain text body, lines ended by CRLF.

    Raises :class:`UnsafeHeader` for a value that isn't printable ASCII: callers encode with
    :func:`text_value` and :func:`mailbox`, so this never happens to a customer's own text.
    """
    lines = [line for name, value in headers for line in _folded(name, value)]
    lines += [
        "MIME-Version: 1.0",
        'Content-Type: text/plain; charset="utf-8"; format=flowed',
        "Content-Transfer-Encoding: quoted-printable",
        "",
    ]
    return "\r\n".join(lines).encode("ascii") + b"\r\n" + body(text)


def body(text: str) -> bytes:
    """``text`` flowed and quoted-printable, no line over 76 octets, ended by CRLF."""
    encoded = [binascii.b2a_qp(line.encode()).replace(b"\n", b"\r\n") for line in flowed(text)]
    return b"\r\n".join(encoded) + b"\r\n"


def _folded(name: str, value: str) -> list[str]:
    """A header in lines of at most 78 characters where its words allow it."""
    if not is_safe(value) or not _PLAIN.match(value) or not value.strip():
        raise UnsafeHeader(name)
    lines = [f"{name}:"]
    for word in value.split(" "):
        # A line of nothing but spaces would end the headers for some readers: never begin one so.
        if word and len(lines[-1]) + 1 + len(word) > LINE_CHARS and lines[-1] != f"{name}:":
            lines.append("")
        lines[-1] += f" {word}"
    return lines


def _encoded_words(text: str) -> list[str]:
    """RFC 2047 words of whole code points."""
    words: list[str] = []
    chunk = b""
    for character in text:
        raw = character.encode()
        if len(chunk) + len(raw) > WORD_BYTES:
            words.append(_encoded_word(chunk))
            chunk = b""
        chunk += raw
    return [*words, _encoded_word(chunk)]


def _encoded_word(raw: bytes) -> str:
    return f"=?utf-8?b?{base64.b64encode(raw).decode()}?="
