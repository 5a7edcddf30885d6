"""What people see of a mail: its text, its HTML, its files.

A part is text to read unless it says attachment, or is a named file beside other text. Of
alternatives the plain one is the text and the HTML one is what is shown.
"""

from __future__ import annotations

import html as html_escapes
import re
from dataclasses import dataclass, field

from vaxel_ingest_email.core import charsets, html, params
from vaxel_ingest_email.core.headers import split
from vaxel_ingest_email.core.limits import Limits, TooMuch
from vaxel_ingest_email.core.mime import Part

_MARKUP = re.compile(r"<[^<>]{0,200}>")
_IGNORED = frozenset({"text/x-amp-html", "text/watch-html"})
_ENDINGS = {"message/rfc822": ".eml", "text/calendar": ".ics", "text/vcard": ".vcf"}


@dataclass(slots=True)
class File:
    """An attachment with its bytes."""

    name: str | None
    mime: str
    data: bytes
    inline: bool


@dataclass(slots=True)
class Block:
    """A stretch of the body, as text, as HTML, or both."""

    plain: str | None = None
    html: str | None = None


@dataclass(slots=True)
class Body:
    """All that was found; ``marks`` are ranges of ``text`` that the HTML set off."""

    text: str = ""
    html: str | None = None
    marks: list[tuple[str, int, int]] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    flowed: bool = False


def collect(root: Part, limits: Limits) -> Body:
    """The body of a mail."""
    files: list[File] = []
    blocks = _walk(root, files, limits, is_root=True)
    body = Body(files=files)
    for block in blocks:
        _append(body, block, limits)
    if any(block.html is not None for block in blocks):
        body.html = "\n".join(
            block.html
            if block.html is not None
            else f"<pre>{html_escapes.escape(block.plain or '')}</pre>"
            for block in blocks
        )
    body.text = body.text[: limits.text_chars]
    return body


def _append(body: Body, block: Block, limits: Limits) -> None:
    """Add a block's text: the plain one unless it is blank."""
    marks: list[tuple[str, int, int]] = []
    text = block.plain or ""
    if not text.strip() and block.html is not None:
        made = html.to_text(block.html, limits)
        text, marks = made.text, made.marks
    if not text.strip():
        return
    if body.text:
        body.text += "" if body.text.endswith("\n") else "\n"
    start = len(body.text)
    body.text += text
    body.marks += [(kind, begin + start, end + start) for kind, begin, end in marks]


def _walk(part: Part, files: list[File], limits: Limits, *, is_root: bool = False) -> list[Block]:
    if not part.multipart:
        return _leaf(part, files, limits, is_root=is_root)
    if part.mime == "multipart/alternative":
        return _alternative(part, files, limits)
    blocks: list[Block] = []
    shown = next((child for child in part.children if child.multipart or _readable(child)), None)
    for child in part.children:
        if part.mime == "multipart/related" and child is not shown and not child.multipart:
            files.append(_file(child, inline=True))
        else:
            blocks += _walk(child, files, limits, is_root=False)
    return _rescue(blocks, part, files)


def _rescue(blocks: list[Block], part: Part, files: list[File]) -> list[Block]:
    """Where no text was found, a named text that isn't an attachment is the text."""
    if blocks or part.mime != "multipart/mixed":
        return blocks
    for child in part.children:
        if child.mime in ("text/plain", "text/html") and child.disposition != "attachment":
            same = next((file for file in files if file.data == child.data()), None)
            if same is not None:
                files.remove(same)
            return [_block(child)]
    return blocks


def _alternative(part: Part, files: list[File], limits: Limits) -> list[Block]:
    blocks = [block for child in part.children for block in _walk(child, files, limits)]
    plain = [block.plain for block in blocks if block.plain is not None]
    rich = [block.html for block in blocks if block.html is not None]
    if not blocks:
        return []
    return [Block("\n".join(plain) if plain else None, "\n".join(rich) if rich else None)]


def _leaf(part: Part, files: list[File], limits: Limits, *, is_root: bool) -> list[Block]:
    if part.mime in _IGNORED:
        return []
    named = part.file_name is not None
    if _readable(part) and part.disposition != "attachment" and (is_root or not named):
        return [_block(part)]
    inline = part.disposition == "inline" or (
        part.disposition != "attachment" and part.headers.has("content-id")
    )
    if part.mime == "message/rfc822" and part.file_name is None:
        files.append(_message(part, limits, inline=inline))
    elif part.sent.strip() or named or part.mime.startswith("image/"):
        files.append(_file(part, inline=inline))
    return []


def _readable(part: Part) -> bool:
    return part.mime in ("text/plain", "text/html", "text/enriched", "text/richtext")


def _block(part: Part) -> Block:
    text = charsets.decode(part.data(), part.params.get("charset"))
    if part.mime == "text/html":
        return Block(html=text)
    if part.mime in ("text/enriched", "text/richtext"):
        text = _MARKUP.sub("", text)
    return Block(plain=text)


def _file(part: Part, *, inline: bool) -> File:
    name = part.file_name
    for header in ("content-description", "content-location"):
        given = part.headers.text(header)
        if name is None and given and "." in given[-6:]:
            name = params.file_name(given) or None
    return File(name, part.mime, part.data(), inline)


def _message(part: Part, limits: Limits, *, inline: bool) -> File:
    """A mail inside a mail is named by its subject."""
    data = part.data()
    try:
        headers, _ = split(data, limits)
    except TooMuch:
        return File(None, part.mime, data, inline)
    subject = headers.text("subject")
    name = params.file_name(subject.replace("/", "-"))[:200] if subject else ""
    return File(f"{name}{_ENDINGS[part.mime]}" if name else None, part.mime, data, inline)
