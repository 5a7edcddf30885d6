"""Deterministic ids: the same event has the same id, however often it is delivered."""

from __future__ import annotations

from uuid import UUID, uuid5

NAMESPACE = UUID("6a3f2f0e-6a0c-5c1d-9d0b-766178656c00")
"""Every UUIDv5 of Vaxel is made under this namespace (RFC 9562, section 5.5)."""


def event_id(*parts: str) -> str:
    """The UUIDv5 of what identifies an event.

    Parts are joined by U+001F, which none of them may hold, so that ``("a", "bc")`` and
    ``("ab", "c")`` differ. Raises ``ValueError`` if one does.
    """
    if any("\x1f" in part for part in parts):
        raise ValueError("an id's part must not hold U+001F")
    return str(uuid5(NAMESPACE, "\x1f".join(parts)))


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
