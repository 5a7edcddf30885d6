"""What a console is told of each record: that something changed, never what it says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vaxel_register.core import views
from vaxel_register.core.access import Action, Principal, may, relation
from vaxel_register.core.rows import Change, Key
from vaxel_shared.contracts.cloudevents import iso_ms


def change_of(key: Key, at_ms: int, type_: str, pool: str | None, **fields: str | None) -> Change:
    """A row of the feed; ``key`` tells the records of one batch apart."""
    values = {"at_ms": at_ms, "type": type_, "pool": pool, **_ALL, **fields}
    return Change("feed", key, values, "insert")


_ALL: dict[str, str | None] = dict.fromkeys(("case_id", "agent_id", "offer_id", "conversation_key"))
"""Rows of one statement have the same columns."""


def pool_of(conversation_key: str) -> str | None:
    """The pool that a conversation belongs to: its key begins with it."""
    pool, mark, _ = conversation_key.partition("|")
    return pool if mark else None


def may_see(principal: Principal, row: Mapping[str, Any]) -> bool:
    """Whether the table of rights lets somebody know of this change."""
    how = relation(principal, pool=row["pool"], owner=row["agent_id"])
    return may(principal, Action.CHANGE_READ, how)


def shown(row: Mapping[str, Any]) -> views.Change:
    """A row of the feed, with its case's number, as an event's data."""
    return views.Change(
        type=row["type"],
        at=iso_ms(row["at_ms"]),
        pool=row["pool"],
        number=row["number"],
        agent=row["agent_id"],
        offer=row["offer_id"],
    )
