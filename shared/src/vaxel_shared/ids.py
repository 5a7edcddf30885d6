"""Deterministic ids: the same event has the same id, however often it is delivered."""

from __future__ import annotations

import hashlib
from uuid import UUID

NAMESPACE = UUID("6a3f2f0e-6a0c-5c1d-9d0b-766178656c00")
"""Every UUIDv5 of Vaxel is made under this namespace (RFC 9562, section 5.5)."""
_SPACE = NAMESPACE.bytes


def event_id(*parts: str) -> str:
    """The UUIDv5 of what identifies an event.

    Parts are joined by U+001F, which none of them may hold, so that ``("a", "bc")`` and
    ``("ab", "c")`` differ. Raises ``ValueError`` if one does.
    """
    joined = "\x1f".join(parts)
    if joined.count("\x1f") >= len(parts):
        raise ValueError("an id's part must not hold U+001F")
    # As uuid.uuid5 does it, in a fifth of the time: the router makes one for every offer.
    digits = hashlib.sha1(_SPACE + joined.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def case_id(contact_id: str) -> str:
    """The case that a first contact opens."""
    return event_id("case", contact_id)


def work_id(case: str, number: int) -> str:
    """The ``number``-th stretch of a case in one pair of hands, counted from 1."""
    return f"{case}.{number}"


def offer_id(work: str, agent: str, attempt: int) -> str:
    """The ``attempt``-th offer of a work, made to an agent."""
    return event_id("offer", work, agent, str(attempt))


def effect_id(log_id: str, partition: int, seq: int, index: int) -> str:
    """The effect that one decision asks for: (log, partition, record, place in it)."""
    return f"{log_id}:{partition}:{seq}:{index}"


def token(seq: int, index: int) -> str:
    """What proves that a command speaks of the current offer or assignment."""
    return f"{seq}.{index}"
