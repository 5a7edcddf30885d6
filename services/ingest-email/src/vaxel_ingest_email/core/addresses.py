"""Mailboxes of address fields, with one linear pass and without trust in the syntax.

Read as they occur, not only as RFC 5322 allows: unquoted commas in names, encoded words that hide
an address or hold commas, doubled angle brackets, comments as names, groups, source routes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vaxel_ingest_email.core import charsets
from vaxel_ingest_email.core.headers import decode_words, one_line
from vaxel_ingest_email.core.limits import Limits, TooMuch

ADDRESS_CHARS_MAX = 320
"""64 for the local part, 255 for the domain, and the sign between (RFC 5321, 4.5.3.1)."""

NAME_CHARS_MAX = 500
"""A display name beyond it is a text."""

_WORD = re.compile(r"=\?[^?\s]{1,80}\?[bBqQ]\?[^?]{0,2000}\?=")
_BARE = re.compile(r"[^\s<>()\[\],;:\"]{1,200}@[^\s<>()\[\],;:\"]{1,255}")
_QUOTED = re.compile(r'((?:[^"\\]|\\.){0,1000})"', re.DOTALL)
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox; ``address`` is empty where only a name was found."""

    address: str
    name: str | None = None


@dataclass(slots=True)
class _Piece:
    """What stands between two separators."""

    phrase: list[str]
    angle: list[str]
    comment: list[str]
    has_angle: bool = False

    @property
    def blank(self) -> bool:
        return not (self.has_angle or "".join(self.phrase).strip() or self.comment)


def parse_list(value: bytes, limits: Limits) -> list[Mailbox]:
    """All mailboxes of a field, in order.

    Raises :class:`TooMuch` where there are more than ``limits.addresses``.
    """
    text = charsets.decode(value, None)
    found: list[Mailbox] = []
    kept = ""
    for piece in _pieces(text):
        if len(found) > limits.addresses:
            raise TooMuch("addresses")
        mailbox = _mailbox(piece)
        if not mailbox.address and mailbox.name and not kept:
            kept = mailbox.name  # half of "Doe, Jane <jane@…>", or a name without an address
            continue
        if kept and piece.has_angle and mailbox.address:
            mailbox = Mailbox(mailbox.address, f"{kept}, {mailbox.name}" if mailbox.name else kept)
        elif kept:
            found.append(Mailbox("", kept))
        kept = ""
        if mailbox.address or mailbox.name:
            found.append(mailbox)
    if kept:
        found.append(Mailbox("", kept))
    return found


def _pieces(text: str) -> list[_Piece]:
    """Cut at commas and semicolons outside quotes, comments, angle brackets and encoded words."""
    out: list[_Piece] = []
    piece = _Piece([], [], [])
    position = 0
    while position < len(text):
        char = text[position]
        if char in ",;":
            out.append(piece)
            piece = _Piece([], [], [])
        elif char == '"':
            content, position = _quoted(text, position + 1)
            piece.phrase.append(
                f'"{content}"' if text[position + 1 : position + 2] == "@" else content
            )
        elif char == "(":
            content, position = _comment(text, position + 1)
            piece.comment.append(content)
        elif char == "<":
            content, position = _angle(text, position + 1)
            if content.strip() or not piece.has_angle:
                piece.angle = [content]
            piece.has_angle = True
        elif char == ":" and not piece.has_angle and "@" not in "".join(piece.phrase[-80:]):
            piece = _Piece([], [], [])  # a group's name, or a stray "mailto:"
        elif char == "=" and (word := _WORD.match(text, position)) is not None:
            piece.phrase.append(word[0])
            position = word.end() - 1
        else:
            piece.phrase.append(char)
        position += 1
    out.append(piece)
    return [piece for piece in out if not piece.blank]


def _quoted(text: str, position: int) -> tuple[str, int]:
    """The quoted string that begins at ``position``; unclosed, it ends at an angle bracket."""
    found = _QUOTED.match(text, position)
    if found is None:
        bracket = text.find("<", position, position + NAME_CHARS_MAX)
        end = min(len(text), position + NAME_CHARS_MAX) if bracket < 0 else bracket
        return text[position:end], end - 1
    return found[1].replace('\\"', '"').replace("\\\\", "\\"), found.end() - 1


def _comment(text: str, position: int) -> tuple[str, int]:
    depth = 1
    start = position
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] == "(":
            depth += 1
        elif text[position] == ")":
            depth -= 1
            if depth == 0:
                return text[start:position], position
        position += 1
    return text[start:], position


def _angle(text: str, position: int) -> tuple[str, int]:
    """What stands in angle brackets; doubled ones count once, a missing end is the comma's."""
    while text[position : position + 1] == "<":
        position += 1
    end = text.find(">", position, position + ADDRESS_CHARS_MAX * 4)
    if end < 0:
        comma = text.find(",", position)
        end = len(text) if comma < 0 else comma
        return text[position:end], end - 1
    content = text[position:end]
    while text[end + 1 : end + 2] == ">":
        end += 1
    return content, end


def _mailbox(piece: _Piece) -> Mailbox:
    """The address and the name of one piece."""
    phrase = decode_words("".join(piece.phrase))
    comment = decode_words(" ".join(piece.comment))
    if piece.has_angle:
        address = clean_address(decode_words("".join(piece.angle)))
        if not address and (bare := _BARE.search(phrase)):
            address, phrase = clean_address(bare[0]), phrase.replace(bare[0], " ")
        return Mailbox(address, _name(phrase, address) or _name(comment, address))
    joined = phrase.strip()
    address = clean_address(joined) if "@" in joined else ""
    if address:
        return Mailbox(address, _name(comment, address))
    if bare := _BARE.search(phrase):
        address = clean_address(bare[0])
        return Mailbox(
            address, _name(phrase.replace(bare[0], " "), address) or _name(comment, address)
        )
    return Mailbox("", _name(phrase, "") or _name(comment, ""))


def _name(text: str, address: str) -> str | None:
    name = one_line(text).strip("<> ")
    if len(name) > 1 and name[0] == name[-1] and name[0] in "\"'":
        name = name[1:-1].strip()
    if not name or name.lower() == address.lower():
        return None
    return name[:NAME_CHARS_MAX]


def clean_address(text: str) -> str:
    """The address in ``text`` without decoration, or an empty string where it is none."""
    address = one_line(text).strip("<>'\" \t")
    if address.lower().startswith("mailto:"):
        address = address[7:].partition("?")[0]
    if address.startswith("@") and ":" in address:
        address = address.rpartition(":")[2]  # a source route (RFC 5321, appendix C)
    local, at, domain = address.rpartition("@")
    local, domain = local.strip(), domain.strip().rstrip(".")
    quoted = len(local) > 1 and local.startswith('"') and local.endswith('"')
    if (
        not at
        or not local
        or not domain
        or _SPACE.search(domain)
        or len(address) > ADDRESS_CHARS_MAX
    ):
        return ""
    if _SPACE.search(local) and not quoted:
        return ""
    return f"{local}@{domain}"
