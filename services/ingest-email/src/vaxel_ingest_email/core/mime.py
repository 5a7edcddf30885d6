"""A mail as a tree of parts, split by boundaries from the outside in.

An outer boundary always wins over an inner one, so an unclosed part ends where its parent's next
begins. Parts beyond the limits raise; a multipart without its boundary is read as text.
Source: RFC 2046, section 5.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from vaxel_ingest_email.core import encodings, params
from vaxel_ingest_email.core.headers import Headers, split
from vaxel_ingest_email.core.limits import Limits, TooMuch

_TYPE = re.compile(r"^[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}$")
_FIRST_DELIMITER = re.compile(rb"^--([!-~]{1,200})[ \t]*\r?$", re.MULTILINE)


@dataclass(slots=True)
class Part:
    """One part: its fields, type, and either bytes as sent or children."""

    headers: Headers
    mime: str
    params: dict[str, str]
    disposition: str
    disposition_params: dict[str, str]
    encoding: str
    sent: bytes
    children: list[Part] = field(default_factory=list)

    @property
    def multipart(self) -> bool:
        """Whether it was split."""
        return bool(self.children)

    def data(self) -> bytes:
        """The bytes with the transfer encoding undone."""
        return encodings.transfer(self.sent, self.encoding)

    @property
    def file_name(self) -> str | None:
        """The name a sender gave it as a file."""
        for given in (self.disposition_params.get("filename"), self.params.get("name")):
            if given and (name := params.file_name(given)):
                return name
        return None


def parse(raw: bytes, limits: Limits) -> Part:
    """The tree of a mail. Raises :class:`TooMuch` beyond the limits."""
    budget = [limits.parts]
    return _parse(raw, limits, budget, depth=0, default="text/plain")


def _parse(data: bytes, limits: Limits, budget: list[int], *, depth: int, default: str) -> Part:
    if depth > limits.nesting:
        raise TooMuch("nesting")
    budget[0] -= 1
    if budget[0] < 0:
        raise TooMuch("parts")
    headers, start = split(data, limits)
    part = _leaf(headers, data[start:], default)
    if part.mime.startswith("multipart/"):
        inner = "message/rfc822" if part.mime == "multipart/digest" else "text/plain"
        slices = _slices(part.sent, part.params.get("boundary", ""), budget[0])
        part.children = [
            _parse(piece, limits, budget, depth=depth + 1, default=inner) for piece in slices
        ]
        if not part.children:
            part.mime = "text/plain"
    return part


def _leaf(headers: Headers, sent: bytes, default: str) -> Part:
    given = headers.raw("content-type")
    mime, found = params.parse(given) if given is not None else (default, {})
    if not _TYPE.match(mime):
        mime = "application/octet-stream" if found.get("name") else "text/plain"
    disposition, extra = params.parse(headers.raw("content-disposition") or b"")
    encoding = (headers.raw("content-transfer-encoding") or b"").decode("ascii", "replace")
    return Part(
        headers, mime, found, disposition, extra, encoding.partition(";")[0].strip().lower(), sent
    )


def _slices(body: bytes, boundary: str, most: int) -> list[bytes]:
    """The bytes between the delimiters of ``boundary``."""
    if boundary:
        marker = b"--" + boundary.encode("utf-8", "replace").rstrip()
    else:
        guessed = _FIRST_DELIMITER.search(body[:65_536])
        if guessed is None:
            return []
        marker = b"--" + guessed[1]
    out: list[bytes] = []
    start = -1
    position = 0
    while (found := body.find(marker, position)) >= 0:
        position = found + len(marker)
        if found and body[found - 1 : found] != b"\n":
            continue
        end = body.find(b"\n", position)
        tail = body[position : len(body) if end < 0 else end].strip(b" \t\r")
        if tail not in (b"", b"--"):
            continue  # another boundary that begins like this one
        if start >= 0:
            out.append(_content(body, start, found))
            if len(out) > most:
                raise TooMuch("parts")
        if tail == b"--" or end < 0:
            return out
        start = position = end + 1
    if start >= 0:
        out.append(body[start:])
    return out


def _content(body: bytes, start: int, stop: int) -> bytes:
    """The line end before a delimiter belongs to the delimiter."""
    if stop > start and body[stop - 1 : stop] == b"\n":
        stop -= 1
        if stop > start and body[stop - 1 : stop] == b"\r":
            stop -= 1
    return body[start:stop]
