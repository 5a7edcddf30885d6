"""A mail as people read it: headers decoded, the text found. Pure, and total: any bytes will do.

The library's modern policy raises on some malformed headers, so the old one is used, which leaves
them alone, and every decoding that can fail has a plain fallback.
"""

from __future__ import annotations

import email
import html
from dataclasses import dataclass
from email.header import decode_header
from email.message import Message
from email.utils import parseaddr

import nh3

TEXT_CHARS_MAX = 200_000
HEADERS_MAX = 200
PARTS_MAX = 200


@dataclass(frozen=True, slots=True)
class Mail:
    """What can be shown. ``html`` is the part as sent: never show it as HTML."""

    sender: str
    subject: str
    headers: dict[str, str]
    text: str
    html: str | None


def parse(raw: bytes) -> Mail:
    """Read a mail. Whatever can't be understood is shown as it came."""
    try:
        return _parse(raw)
    except Exception:  # noqa: BLE001 - the parser has more ways to fail than it documents
        plain = raw.decode("utf-8", "replace")[:TEXT_CHARS_MAX]
        return Mail("", "(a mail that can't be parsed)", {}, plain, None)


def _parse(raw: bytes) -> Mail:
    message = email.message_from_bytes(raw)
    headers: dict[str, str] = {}
    for name, value in message.items()[:HEADERS_MAX]:
        headers.setdefault(name, decode(str(value)))
    plain, rich = _bodies(message)
    text = plain if plain is not None else _without_tags(rich or "")
    lookup = {name.lower(): value for name, value in headers.items()}
    sender = lookup.get("from", "")
    return Mail(
        sender=parseaddr(sender)[1] or sender,
        subject=lookup.get("subject", ""),
        headers=headers,
        text=text[:TEXT_CHARS_MAX],
        html=rich[:TEXT_CHARS_MAX] if rich is not None else None,
    )


def decode(value: str) -> str:
    """A header unfolded, its encoded words (RFC 2047) decoded as far as they can be."""
    unfolded = " ".join(value.split())
    try:
        parts = decode_header(unfolded)
    except (ValueError, LookupError):
        return _printable(unfolded)
    decoded = ""
    for chunk, charset in parts:
        decoded += chunk if isinstance(chunk, str) else _characters(chunk, charset)
    return _printable(decoded)


def _bodies(message: Message) -> tuple[str | None, str | None]:
    plain: str | None = None
    rich: str | None = None
    for count, part in enumerate(message.walk()):
        if count >= PARTS_MAX:
            break
        if part.is_multipart() or part.get_content_disposition() == "attachment":
            continue
        kind = part.get_content_type()
        if kind == "text/plain" and plain is None:
            plain = _content(part)
        elif kind == "text/html" and rich is None:
            rich = _content(part)
    return plain, rich


def _content(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    text = _characters(payload, part.get_content_charset())
    return _printable(text.replace("\r\n", "\n"))


def _characters(data: bytes, charset: str | None) -> str:
    for name in (charset, "utf-8"):
        try:
            if name is not None:
                return data.decode(name)
        except (LookupError, ValueError):
            continue
    return data.decode("latin-1")


def _printable(text: str) -> str:
    """Without lone surrogates, which no encoder takes."""
    return text.encode("utf-8", "replace").decode()


def _without_tags(rich: str) -> str:
    return html.unescape(nh3.clean(rich, tags=set())).strip()
