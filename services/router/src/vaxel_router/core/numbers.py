"""Case numbers: a pool's letter, the log's epoch, a counter and a check character.

``S7K-00042-P``: short enough to say on the phone; a mistyped character or two swapped neighbours
are noticed (Luhn's algorithm over 36 characters, ISO/IEC 7812-1 generalised). The epoch comes from
the log's identity, so a log that was begun anew doesn't give old numbers again.
"""

from __future__ import annotations

import hashlib
from functools import cache

from vaxel_router.core.step import Step

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_EPOCH = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without 0, 1, I and O, which people confuse."""


_EVEN = {character: value for value, character in enumerate(ALPHABET)}
_ODD = {character: value * 2 // 36 + value * 2 % 36 for character, value in _EVEN.items()}


@cache
def _epoch(log_id: str) -> str:
    seed = hashlib.sha256(log_id.encode()).digest()
    return _EPOCH[seed[0] % 32] + _EPOCH[seed[1] % 32]


def case_number(letter: str, log_id: str, counter: int) -> str:
    """The number of a pool's ``counter``-th case."""
    epoch = _epoch(log_id)
    body = f"{letter}{epoch}{counter:05d}"
    return f"{letter}{epoch}-{counter:05d}-{check_character(body)}"


def check_character(body: str) -> str:
    """Luhn mod 36 of a string of digits and capital letters."""
    total = sum([_ODD[character] for character in body[::-2]])
    total += sum([_EVEN[character] for character in body[-2::-2]])
    return ALPHABET[-total % 36]


def is_valid(number: str) -> bool:
    """Whether the check character fits the rest."""
    plain = number.replace("-", "").upper()
    if len(plain) < 2 or any(character not in ALPHABET for character in plain):
        return False
    return check_character(plain[:-1]) == plain[-1]


def next_number(step: Step) -> str:
    """The number that the pool's next case gets."""
    letter = step.policy.letter if step.policy is not None else step.pool.name[:1].upper()
    return case_number(letter, step.world.state.log_id, step.pool.counter + 1)
