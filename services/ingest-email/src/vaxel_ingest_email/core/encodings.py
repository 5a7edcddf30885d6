"""Transfer encodings, read as leniently as the mail of the world needs; nothing here raises."""

from __future__ import annotations

import binascii
import re

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
_BEGIN_UU = re.compile(rb"^begin [0-7]{3,4} [^\r\n]{1,255}\r?$", re.MULTILINE)


def base64(data: bytes) -> bytes:
    """Base64 with stray characters, missing padding, or several padded pieces in a row."""
    data = _NOT_BASE64.sub(b"", data)
    out: list[bytes] = []
    for piece in data.split(b"="):
        whole = piece[:-1] if len(piece) % 4 == 1 else piece
        if whole:
            out.append(binascii.a2b_base64(whole + b"=" * (-len(whole) % 4)))
    return b"".join(out)


def quoted_printable(data: bytes) -> bytes:
    """RFC 2045 section 6.7; an ``=`` that starts no code stays."""
    return binascii.a2b_qp(data)


def uuencoded(data: bytes) -> bytes:
    """The file inside ``begin`` … ``end``; damaged lines are left out."""
    start = _BEGIN_UU.search(data)
    if start is None:
        return data
    out: list[bytes] = []
    for line in data[start.end() :].splitlines():
        if line.strip() == b"end":
            break
        if line:
            out.append(_uu_line(line))
    return b"".join(out)


def _uu_line(line: bytes) -> bytes:
    """One line; some encoders write too long ones, so the length byte decides."""
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        chars = (((line[0] - 32) & 63) * 4 + 5) // 3
        try:
            return binascii.a2b_uu(line[:chars])
        except binascii.Error:
            return b""


def transfer(data: bytes, encoding: str) -> bytes:
    """``data`` decoded; an unknown encoding leaves it as it is."""
    match encoding:
        case "base64":
            return base64(data)
        case "quoted-printable":
            return quoted_printable(data)
        case "x-uuencode" | "x-uue" | "uuencode" | "uue":
            return uuencoded(data)
        case _:
            return data
