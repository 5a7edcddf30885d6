"""Addresses and header values that are safe to write into a mail and into SMTP commands.

Whatever comes from outside is either *refused* (an address: sending to half of one is sending to
somebody else) or *cleaned* (a subject, a name: the answer matters more than its decoration).
Sources: RFC 5321 section 4.5.3.1 (lengths), RFC 5322 section 3.2.3 (atoms), RFC 5891 (IDNA).
"""

from __future__ import annotations

import re
import unicodedata

import idna

ADDRESS_CHARS_MAX = 254
"""RFC 5321: a path is at most 256 octets, its angle brackets included."""

LOCAL_CHARS_MAX = 64
DOMAIN_CHARS_MAX = 253

_LOCAL = re.compile(r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+$")
_LABEL = re.compile(r"^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$")
_UNSAFE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories that must not reach a header: controls, surrogates, line separators."""

_HIDDEN = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Marks that turn text around: they make a subject show something that it doesn't say."""


class BadAddress(ValueError):
    """An address that must not be used; ``code`` says why, in a word for logs and results."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def is_safe(value: str) -> bool:
    """Whether ``value`` holds no control character, line break, NUL or lone surrogate."""
    return not any(unicodedata.category(character) in _UNSAFE for character in value)


def clean(value: str | None, chars_max: int) -> str:
    """Foreign text for one header: unsafe characters become spaces, spaces are folded, cut."""
    text = "".join(
        " " if unicodedata.category(character) in _UNSAFE else character
        for character in value or ""
        if character not in _HIDDEN
    )
    text = " ".join(text.split())
    if len(text) <= chars_max:
        return text
    return text[: chars_max - 1].rstrip() + "…"


def address(value: str) -> str:
    """``value`` as it may stand in an envelope: ASCII, its domain as A-labels in lower case.

    Raises :class:`BadAddress`: ``address_unsafe`` (a control character), ``address_needs_smtputf8``
    (a local part beyond ASCII, which few relays take), ``address_invalid`` (anything else).
    """
    if not is_safe(value):
        raise BadAddress("address_unsafe")
    local, at, domain = value.strip().rpartition("@")
    if not at or not local or len(local) > LOCAL_CHARS_MAX:
        raise BadAddress("address_invalid")
    if not local.isascii():
        raise BadAddress("address_needs_smtputf8")
    if not _LOCAL.match(local):
        raise BadAddress("address_invalid")
    plain = f"{local}@{domain_ascii(domain)}"
    if len(plain) > ADDRESS_CHARS_MAX:
        raise BadAddress("address_invalid")
    return plain


def domain_ascii(domain: str) -> str:
    """A domain as A-labels in lower case. Raises :class:`BadAddress` (``address_invalid``)."""
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError as error:
            raise BadAddress("address_invalid") from error
    domain = domain.lower()
    if len(domain) > DOMAIN_CHARS_MAX or not all(_LABEL.match(x) for x in domain.split(".")):
        raise BadAddress("address_invalid")
    return domain


def domain_of(value: str) -> str:
    """The domain of an address that :func:`address` accepted."""
    return value.rpartition("@")[2]


def bare(value: str) -> str:
    """An address for comparison: lower case, without a ``+tag`` in the local part."""
    local, _, domain = value.strip().lower().rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"
