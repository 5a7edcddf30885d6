"""Who may do what through the API: one table of role, action and how near the thing is.

The router authorises what a command may change; this table decides who may ask at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a bearer token says its holder is."""

    ADMIN = "admin"
    SUPERVISOR = "supervisor"
    SENIOR = "senior"
    AGENT = "agent"
    READONLY = "readonly"


class Action(StrEnum):
    """What a route asks for."""

    CASE_READ = "case.read"
    QUEUE_READ = "queue.read"
    AGENT_READ = "agent.read"
    INBOX_READ = "inbox.read"
    COMMAND_READ = "command.read"
    DEADLETTER_READ = "deadletter.read"
    OFFER_ANSWER = "offer.answer"
    CASE_REPLY = "case.reply"
    CASE_NOTE = "case.note"
    CASE_RESOLVE = "case.resolve"
    CASE_WAIT = "case.wait"
    CASE_TRANSFER = "case.transfer"
    CASE_ESCALATE = "case.escalate"
    CASE_CONSULT = "case.consult"
    CASE_DRAFT = "case.draft"
    CASE_SUSPEND = "case.suspend"
    CASE_MERGE = "case.merge"
    AGENT_PRESENCE = "agent.presence"
    SWITCH_SET = "switch.set"
    CHANGE_READ = "change.read"
    DEMO_SEND = "demo.send"
    SELF_READ = "self.read"


class Relation(StrEnum):
    """How a thing belongs to who asks.

    ``former``: it was theirs and they name the token that proves it; the router will refuse it as
    stale, which tells more than a 403 would.
    """

    OWN = "own"
    FORMER = "former"
    POOL = "pool"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. ``pool`` is the roster's; None for an agent means that no roster has them."""

    role: Role
    subject: str
    pool: str | None = None

    @property
    def everywhere(self) -> bool:
        """Whether no pool bounds them: the deployment's own tokens, of people in no roster."""
        if self.role is Role.ADMIN:
            return True
        return self.pool is None and self.role in (Role.SUPERVISOR, Role.READONLY)


_READS = (
    Action.CASE_READ, Action.QUEUE_READ, Action.AGENT_READ, Action.INBOX_READ, Action.CHANGE_READ,
    Action.SELF_READ,
)  # fmt: skip
_HANDS = (
    Action.CASE_REPLY, Action.CASE_NOTE, Action.CASE_RESOLVE, Action.CASE_WAIT,
    Action.CASE_TRANSFER, Action.CASE_ESCALATE, Action.CASE_CONSULT, Action.CASE_DRAFT,
    Action.CASE_MERGE,
)  # fmt: skip
"""What one does with a case in one's own hands."""

_NONE: frozenset[Relation] = frozenset()
_MINE = frozenset({Relation.OWN})
_HELD = frozenset({Relation.OWN, Relation.FORMER})
_NEAR = frozenset({Relation.OWN, Relation.FORMER, Relation.POOL})
_ALL = frozenset(Relation)

_AGENT: dict[Action, frozenset[Relation]] = {
    **dict.fromkeys(_READS, _NEAR),
    Action.INBOX_READ: _MINE,
    Action.COMMAND_READ: _MINE,
    Action.DEADLETTER_READ: _NONE,
    Action.OFFER_ANSWER: _MINE,
    **dict.fromkeys(_HANDS, _HELD),
    Action.AGENT_PRESENCE: _MINE,
    Action.SWITCH_SET: _NONE,
    Action.CASE_SUSPEND: _NONE,
    Action.DEMO_SEND: _NONE,
}

TABLE: dict[Role, dict[Action, frozenset[Relation]]] = {
    Role.ADMIN: dict.fromkeys(Action, _ALL),
    Role.SUPERVISOR: dict.fromkeys(Action, _NEAR),
    Role.SENIOR: {
        **_AGENT,
        Action.INBOX_READ: _NEAR,
        Action.CASE_NOTE: _NEAR,
        Action.CASE_ESCALATE: _NEAR,
    },
    Role.AGENT: _AGENT,
    Role.READONLY: {
        action: (
            _NEAR if action in (*_READS, Action.COMMAND_READ, Action.DEADLETTER_READ) else _NONE
        )
        for action in Action
    },
}
"""The whole of it; a test goes through every cell."""


def relation(
    principal: Principal, *, pool: str | None, owner: str | None = None, former: bool = False
) -> Relation:
    """How a thing of ``pool`` in the hands of ``owner`` belongs to the principal.

    ``former``: it was once theirs and they named the token that proves it.
    """
    if owner is not None and owner == principal.subject:
        return Relation.OWN
    if former:
        return Relation.FORMER
    if principal.everywhere or (pool is not None and pool == principal.pool):
        return Relation.POOL
    return Relation.OTHER


def may(principal: Principal, action: Action, how: Relation) -> bool:
    """Whether the table says yes."""
    return how in TABLE[principal.role][action]


def may_ever(principal: Principal, action: Action) -> bool:
    """Whether there is anything at all that they may do this to."""
    return bool(TABLE[principal.role][action])
