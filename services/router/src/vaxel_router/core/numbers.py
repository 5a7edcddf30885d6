"""Case numbers: a pool's letter, the log's epoch, a counter and a check character.

``S7K-00042-P``: short enough to say on the phone; a mistyped character or two swapped neighbours
are noticed (Luhn's algorithm over 36 characters, ISO/IEC 7812-1 generalised). The epoch comes from
the log's identity, so a log that was begun anew doesn't give old numbers again.
"""

from __future__ import annotations

import hashlib

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_EPOCH = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without 0, 1, I and O, which people confuse."""


def case_number(letter: str, log_id: str, counter: int) -> str:
    """The number of a pool's ``counter``-th case."""
    seed = hashlib.sha256(log_id.encode()).digest()
    epoch = _EPOCH[seed[0] % 32] + _EPOCH[seed[1] % 32]
    body = f"{letter}{epoch}{counter:05d}"
    return f"{letter}{epoch}-{counter:05d}-{check_character(body)}"


def check_character(body: str) -> str:
    """Luhn mod 36 of a string of digits and capital letters."""
    total = 0
    for place, character in enumerate(reversed(body)):
        value = ALPHABET.index(character) * (2 if place % 2 == 0 else 1)
        total += value // 36 + value % 36
    return ALPHABET[-total % 36]


def is_valid(number: str) -> bool:
    """Whether the check character fits the rest."""
    plain = number.replace("-", "").upper()
    if len(plain) < 2 or any(character not in ALPHABET for character in plain):
        return False
    return check_character(plain[:-1]) == plain[-1]
