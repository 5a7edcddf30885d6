"""What a decision says of the other cases that a case is tied to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vaxel_shared.contracts.base import Contract
from vaxel_shared.contracts.commands import Asking, ContactAdd


class Parent(Contract):
    """The case for which another was opened, by somebody who asks for help or an approval."""

    case_id: str
    number: str
    kind: Asking
    agent_id: str | None = None
    """Who asks."""
    amount: int | None = None
    waits: bool = False
    """Whether the case waits for the answer."""


class Asked(Contract):
    """What is asked of others, as which case."""

    case_id: str
    number: str
    kind: Asking
    amount: int | None = None


class Answered(Contract):
    """The answer to what was asked, on the case for which it was."""

    case_id: str
    number: str
    kind: Asking
    verdict: Literal["answered", "approved", "refused", "passed", "failed"]
    score: int | None = None
    amount: int | None = None


class HandedFrom(Contract):
    """The case of another pool that this one goes on with."""

    pool: str
    case_id: str
    hand_over: str


class CaseMerged(Contract):
    """This case went into another, with its conversations; it has no work any more."""

    into: str | None = None
    number: str | None = None
    into_number: str | None = None
    conversations: list[str] = Field(default_factory=list)
    waiting_since_ms: int | None = None
    """Its first message that nobody had answered yet."""
    reason: str | None = None


class CaseSplit(Contract):
    """This case, which had gone into another, is open again by itself."""

    out_of: str | None = None
    number: str | None = None
    answered: bool | None = None
    """Somebody replied to it, or to the other while it was part of that."""
    reason: str | None = None


class ContactForwarded(Contract):
    """A contact that belongs to a case in another pool."""

    contact_id: str
    to_pool: str
    contact: ContactAdd | None = None
    """What the other pool is to be told."""
