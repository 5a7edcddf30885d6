"""How much of a mail is parsed at all, checked by one linear pass before anything else.

Hostile mail makes parsers slow or deep: a hundred thousand addresses in one header, parts nested a
thousand deep. A mail beyond a limit is kept whole (its raw bytes are stored) and becomes an
interaction of kind ``unsupported`` that names the limit; it is never an exception to the caller.
"""

from __future__ import annotations

from dataclasses import dataclass


class TooMuch(Exception):
    """A limit was passed; ``limit`` is its name in :class:`Limits`."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Limits:
    """Every limit of the parser, with its reason."""

    mail_bytes: int = 35 * 1024 * 1024
    """What SMTP's SIZE announces: larger mails are refused before they arrive."""
    header_bytes: int = 256 * 1024
    """All header fields of the mail, or of one of its parts, together."""
    header_one_bytes: int = 128 * 1024
    """One unfolded field: room for the longest honest To, ten thousand addresses are none."""
    header_count: int = 2_000
    """Fields in one header block."""
    addresses: int = 10_000
    """Mailboxes in all recipient fields together."""
    parts: int = 1_000
    """MIME parts of all levels together."""
    nesting: int = 100
    """MIME parts inside each other; below it the walk recurses."""
    text_chars: int = 2 * 1024 * 1024
    """Characters of text that are kept and segmented; what follows stands in the raw mail."""
    html_chars: int = 2 * 1024 * 1024
    """Characters of HTML that are turned into text or sanitised."""
    html_nesting: int = 256
    """Elements inside each other that the sanitiser is given; it is quadratic in this."""
    html_work: int = 4_000_000
    """Depth times elements: unclosed formatting is repeated in every block that follows."""
    references: int = 200
    """Message ids kept of a References field: the first and the newest."""


DEFAULT = Limits()


def check_size(raw: bytes, limits: Limits) -> None:
    """Raise :class:`TooMuch` for a mail larger than is parsed."""
    if len(raw) > limits.mail_bytes:
        raise TooMuch("mail_bytes")
