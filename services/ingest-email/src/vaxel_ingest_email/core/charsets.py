"""Bytes to text, whatever the label says; the result always encodes to UTF-8.

Labels lie: ``iso-8859-1`` is windows-1252 in practice, ``gb2312`` is GB 18030, ``us-ascii`` is
anything, Japanese phones write vendor rows under ``iso-2022-jp``. Order: what the label means, else
UTF-8 where it fits, else a guess on more than 200 bytes, else windows-1252, which never fails.
"""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes

GUESS_BYTES_MIN = 200
"""Below this, charset guessing is wrong more often than windows-1252 is."""

GUESS_BYTES_MAX = 8 * 1024
"""More changes no guess and costs time."""

_ALIASES = {
    "gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "gb_2312-80": "gb18030",
    "cp936": "gb18030", "euc-cn": "gb18030", "ks_c_5601": "cp949", "ks_c_5601-1987": "cp949",
    "ks_c_5601-1989": "cp949", "ksc5601": "cp949", "euc-kr": "cp949", "x-windows-949": "cp949",
    "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932", "x-sjis": "cp932",
    "windows-31j": "cp932", "x-ms-cp932": "cp932", "big5": "cp950", "x-x-big5": "cp950",
    "iso-8859-8-i": "iso8859_8", "iso-8859-8-e": "iso8859_8", "windows-874": "cp874",
    "tis-620": "cp874", "iso-8859-11": "cp874", "iso-8859-9": "cp1254", "utf8": "utf-8",
    "utf8mb4": "utf-8", "utf-8mb4": "utf-8", "unicode-1-1-utf-8": "utf-8", "x-utf-8": "utf-8",
    "unicode-1-1-utf-7": "utf-7", "x-mac-roman": "mac_roman", "macintosh": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic", "cp-850": "cp850", "koi8-ru": "koi8-u", "x-euc-jp": "euc_jp",
}  # fmt: skip

_WESTERN = frozenset({"ascii", "iso8859-1", "cp1252"})
"""Labels that say little: senders use them by default for whatever they have."""

_NOT_FOR_MAIL = frozenset({
    "unicode_escape", "raw-unicode-escape", "unicode-escape", "raw_unicode_escape", "idna",
    "punycode", "undefined", "mbcs", "oem", "cp65001", "palmos",
})  # fmt: skip
"""Codecs of Python's own that no mail means; idna and punycode are quadratic besides."""

_ISO2022 = re.compile(rb"\x1b(\$@|\$B|\$\(D|\(B|\(J|\(I)")
_UNCLEAN = re.compile(r"[\ud800-\udfff\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ufffe\uffff]")


def clean(text: str) -> str:
    """Without lone surrogates (they become U+FFFD), control characters and byte-order marks.

    Tab and line feed stay; other line ends become line feeds.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not _UNCLEAN.search(text):
        return text
    return _UNCLEAN.sub(lambda found: "\ufffd" if "\ud800" <= found[0] <= "\udfff" else "", text)


def decode(data: bytes, label: str | None) -> str:
    """The text of ``data``; never raises. ``label`` is the charset as the sender names it."""
    name = _canonical(label)
    if name is None or name in _WESTERN:
        if b"\x1b$" in data:
            return clean(_iso2022_jp(data))
        return clean(_guess(data, western=name is not None))
    if name.startswith("iso2022_jp"):
        return clean(_iso2022_jp(data))
    try:
        return clean(data.decode(name))
    except (UnicodeError, ValueError):
        return clean(_damaged(data, name))


def _canonical(label: str | None) -> str | None:
    """Python's name of a charset label, or None where it says nothing."""
    wanted = (label or "").strip().strip("\"'").lower()
    if not wanted or len(wanted) > 40 or not wanted.isascii():
        return None
    wanted = _ALIASES.get(wanted, wanted)
    for name in (wanted, wanted.removeprefix("x-"), wanted.removeprefix("charset=")):
        try:
            found = codecs.lookup(name)
        except (LookupError, ValueError):
            continue
        if found.name not in _NOT_FOR_MAIL and getattr(found, "_is_text_encoding", True):
            return found.name
    return None


def _guess(data: bytes, *, western: bool) -> str:
    """Text of bytes whose label says nothing, or only that it is some Western text."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        whole = data[: error.start]
        if error.reason == "unexpected end of data" and not whole.isascii():
            return data.decode("utf-8", "replace")  # cut off in the middle of a character
    if not western and len(data) > GUESS_BYTES_MIN:
        best = from_bytes(data[:GUESS_BYTES_MAX]).best()
        if best is not None and best.encoding not in _NOT_FOR_MAIL:
            try:
                return data.decode(best.encoding)
            except (UnicodeError, LookupError):
                pass  # the guess held for the sample only
    return _windows_1252(data)


def _windows_1252(data: bytes) -> str:
    """Never fails: the five bytes it leaves undefined are read as ISO 8859-1."""
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return "".join(
            piece.decode("cp1252") if piece not in _UNDEFINED_1252 else piece.decode("latin-1")
            for piece in re.split(rb"([\x81\x8d\x8f\x90\x9d])", data)
        )


_UNDEFINED_1252 = frozenset({b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d"})


def _damaged(data: bytes, name: str) -> str:
    """Bytes that aren't wholly what the label says: the reading that loses least."""
    if name != "utf-8":
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            pass
    try:
        text = data.decode(name, "replace")
    except (UnicodeError, ValueError):
        return _guess(data, western=False)
    high = sum(byte > 0x7F for byte in data[:GUESS_BYTES_MAX])
    lost = text[:GUESS_BYTES_MAX].count("\ufffd")
    if name == "utf-8" and lost * 2 > high:  # more wrong than right: it isn't UTF-8 at all
        return _guess(data, western=len(data) <= GUESS_BYTES_MIN)
    return text


def _iso2022_jp(data: bytes) -> str:
    """ISO-2022-JP with what Windows and phones add to it (NEC and IBM rows, half-width kana).

    Two-byte runs are carried over to Shift JIS, whose Microsoft table (cp932) knows those rows.
    """
    out: list[str] = []
    mode = b"(B"
    for index, piece in enumerate(_ISO2022.split(data)):
        if index % 2:
            mode = piece
        elif mode in (b"$@", b"$B"):
            out.append(_jis_run(piece))
        elif mode == b"(I":
            out.append(bytes(byte | 0x80 for byte in piece).decode("cp932", "replace"))
        elif mode == b"$(D":
            out.append((b"\x1b$(D" + piece).decode("iso2022_jp_ext", "replace"))
        else:
            out.append(_guess(piece, western=True))
    return "".join(out)


def _jis_run(run: bytes) -> str:
    """Pairs of JIS X 0208 bytes as text; a line end inside a run ends it by the standard."""
    shifted = bytearray()
    position = 0
    while position < len(run):
        first = run[position]
        if first < 0x21 or position + 1 >= len(run) or run[position + 1] < 0x21:
            shifted.append(first)
            position += 1
            continue
        first, second = first & 0x7F, run[position + 1] & 0x7F
        low = second + (0x1F if second < 0x60 else 0x20) if first % 2 else second + 0x7E
        high = (first - 0x21) // 2 + (0x81 if first < 0x5F else 0xC1)
        shifted += bytes((high & 0xFF, low & 0xFF))
        position += 2
    return bytes(shifted).decode("cp932", "replace")
