"""What ties a case to others: where it went, where it came from, what it is asked for."""

from __future__ import annotations

import msgspec


class Handed(msgspec.Struct, gc=False, omit_defaults=True):
    """Where a case went: to another pool, which answers by ``id``, and as which case there."""

    id: str
    pool: str
    since_ms: int
    """The age that its work had."""
    bounces: int = 0
    agent: str | None = None
    """Who had it."""
    case_id: str | None = None
    number: str | None = None


class Origin(msgspec.Struct, gc=False):
    """The case of another pool that a case goes on with."""

    id: str
    pool: str
    case_id: str


class Parent(msgspec.Struct, gc=False, omit_defaults=True):
    """The case for which somebody asks others, and what is asked."""

    case_id: str
    kind: str
    agent: str | None = None
    amount: int = 0
    waits: bool = False
