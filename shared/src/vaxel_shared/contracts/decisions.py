"""Decisions: facts that the router wrote, as they stand on ``vaxel.decisions``.

One record is one batch: a fixed binary header (see :mod:`vaxel_shared.kafka.chain`) and the JSON
of a :class:`Batch`. Like commands they hold ids, codes and derived facts only. ``DATA`` maps each
type to the model of its ``data``.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from vaxel_shared.contracts import people, ties
from vaxel_shared.contracts.base import Contract
from vaxel_shared.contracts.commands import ContactAdd, Handed, Requires, Rule
from vaxel_shared.contracts.ties import Answered, Asked, CaseMerged, CaseSplit, HandedFrom, Parent

BATCH_TYPE = "vaxel.decisions.batch.v1"
"""The CloudEvents type of a record of ``vaxel.decisions``."""


class Decision(Contract):
    """One fact; ``cause`` is the id of the command, or ``timer:<kind>:<id>``."""

    type: str
    at_ms: int
    pool: str
    cause: str
    policy: str | None = None
    case_id: str | None = None
    work_id: str | None = None
    offer_id: str | None = None
    agent_id: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)


class Batch(Contract):
    """The JSON body of one record of ``vaxel.decisions``.

    ``claim`` stands only in the first record of a router's run: ``{instance, run_id}``.
    """

    engine: str
    wall_ms: int
    tick_ms: int | None = None
    state_digest: str | None = None
    claim: dict[str, str] | None = None
    open: str | None = None
    """The cause of an input that ``through`` doesn't cover yet: its decisions go on in the next."""
    decisions: list[Decision] = Field(default_factory=list)


class Rejection(Contract):
    """The first predicate that a candidate failed, e.g. ``skill_level`` with what it was."""

    agent_id: str
    code: str
    params: dict[str, Any] = Field(default_factory=dict)


class Term(Contract):
    """One term of the winner's score, in the order of comparison."""

    code: str
    value: int


class Window(Contract):
    """How well a window's works and agents were matched together."""

    method: str
    """``best``, or ``one_by_one``, where there was too much for that (``reason``)."""
    works: int | None = None
    agents: int | None = None
    matched: int | None = None
    gap: int | None = None
    """At most so many more works could have been served; 0: it is the best there is."""
    reason: str | None = None
    alone: str | None = None
    """The agent to whom this work would have gone by itself."""


class Explain(Contract):
    """Why this agent: who was looked at, what ruled the others out, what made the winner win."""

    candidates: int
    eligible: int
    by_code: dict[str, int] = Field(default_factory=dict)
    rejected: list[Rejection] = Field(default_factory=list)
    terms: list[Term] = Field(default_factory=list)
    tie_break: str | None = None
    step: Rule | None = None
    window: Window | None = None
    """It was matched together with what a window collected."""
    queue_order: list[str] | None = None
    """Queues whose work this agent takes before that of others, the first of them first."""


class PolicyAdopted(Contract):
    """From here on this version decides."""

    kind: str
    version: str
    ref: str
    names: list[str] | None = None
    """The agents whom it names."""
    in_flight: Literal["old", "next_step"] | None = None
    """What the work that is there goes on under; left out, under this version."""
    share: int | None = None
    """Of a hundred cases, how many a second policy (of the kind ``shadow``) decides for."""


class RosterAdopted(Contract):
    """Followed by one ``agent.changed`` or ``agent.removed`` for each agent that differs."""

    source: str
    version: str
    directory_ref: str
    directory_sha256: str
    agents: int


class Reason(Contract):
    """A decision that needs nothing but its reason."""

    reason: str | None = None


class SwitchChanged(Contract):
    """A switch is on until an instant, or off; ``look``: to go on; ``window``: collects."""

    switch: str | None = None
    queue: str | None = None
    value: str | None = None
    on: bool = True
    reason: str | None = None
    until_ms: int | None = None
    window: Window | None = None


class CaseContact(Contract):
    """``case.opened``, ``case.joined``, ``case.reopened``: a contact, and what came of it."""

    number: str
    contact_id: str | None = None
    conversation_key: str | None = None
    customer_id: str | None = None
    channel: str | None = None
    account: str | None = None
    language: str | None = None
    queue: str | None = None
    priority: int | None = None
    requires: Requires | None = None
    labels: list[str] = Field(default_factory=list)
    received_at_ms: int | None = None
    src: tuple[int, int] | None = None
    automatic: bool = False
    linked_case_id: str | None = None
    missing: list[str] = Field(default_factory=list)
    rule: Rule | None = None
    reason: str | None = None
    code: str | None = None
    """Why another pool didn't take it."""
    handed: Handed | None = None
    """It comes from another pool."""
    parent: Parent | None = None
    """It is no customer's: somebody asks for help with another case."""


class CaseClosed(Contract):
    """Over: the next contact opens another case."""

    reason: str | None = None
    handed: HandedFrom | None = None
    """Where it came from, which is to hear of it."""


class CaseResolved(Contract):
    """Done, as far as we know; it can be reopened until ``close_ms``."""

    reason: str | None = None
    close_ms: int | None = None
    follow_up_ms: int | None = None
    """Somebody looks at it again then."""
    queue: str | None = None
    """Where that waits; left out, where it was."""
    outcome: Literal["abandoned", "cancelled"] | None = None
    """It ended without an answer: the customer left, or there was nothing to do."""


class CaseReplied(Contract):
    """An accepted answer: delivery sends it to the conversation that it answers."""

    reply_id: str
    body_ref: str
    body_sha256: str
    body_size: int
    then: Literal["open", "waiting", "resolved"]
    conversation_key: str
    channel: str
    account: str
    answers_contact_id: str
    amount: int | None = None
    """What it grants the customer."""
    explanation: bool | None = None
    """It explains the outcome of a complaint."""


class CaseNoted(Contract):
    """A note, by reference."""

    note_ref: str
    note_sha256: str
    note_size: int
    asks: Asked | None = None
    """It asks others."""
    answer: Answered | None = None
    """It answers what was asked of others."""


class CaseWaiting(Contract):
    """Nobody works on it until somebody answers or it wakes."""

    waits_for: Literal["customer", "third_party", "internal"]
    wake_ms: int | None = None
    queue: str | None = None
    """Where its work goes when it wakes by itself; left out, where it was."""
    reason: str | None = None


class WorkSuspended(Contract):
    """Offered to nobody, until an instant or until it is resumed."""

    until_ms: int | None = None
    reason: str


class Shadow(Contract):
    """What a second policy would have decided of new work: whom it would be offered to."""

    policy: str
    agent_id: str | None = None
    differs: bool


class WorkQueued(Contract):
    """Work waits in a queue; ``since_ms`` is its age, which every requeue keeps."""

    number: int
    queue: str
    requires: Requires
    language: str
    priority: int
    tiers: list[int]
    since_ms: int
    clock_ms: int
    """When it began to wait: what the steps of the queue count from."""
    step: int
    step_at: str
    reason: str
    asks: Requires
    """What the contact itself asked for; ``requires`` is that at this step of the queue."""
    floor: int
    """The least tier that it was escalated to."""
    next_ms: int | None = None
    """When waiting widens it next."""
    prefer_agent: str | None = None
    prefer_until_ms: int | None = None
    barred: dict[str, int] = Field(default_factory=dict)
    """Agents who may not have it until an instant."""
    place_ms: int | None = None
    """Its place in the order of service, where that goes by time."""
    stage: int | None = None
    """It begins this stage of a complaint."""
    share_of: str | None = None
    """The queue that divided its work by percentage, where that chose this one."""
    escalations: int = 0
    home: str | None = None
    """The queue that it was meant for, where another took it."""
    detour: str | None = None
    """Why another took it: ``divert``, ``full``, ``overflow``."""
    ahead_ms: int | None = None
    """So much further than its age is it, by steps that nobody was there for."""
    stands_in_for: str | None = None
    """Whose customer it is, where ``prefer_agent`` stands in."""
    bounces: int = 0
    """How often it was handed on, or came back without a reply."""
    rules: str | None = None
    """The policy by which it waits, where that is the second one."""
    shadow: Shadow | None = None


class WorkStepped(Contract):
    """Waiting widened it: another step of the queue, another queue, the fall-back languages."""

    step: int
    step_at: str
    tiers: list[int]
    requires: Requires
    next_ms: int | None = None
    place_ms: int | None = None
    reason: str
    queue: str | None = None
    """Where it waits from here on, if that changed; its steps begin anew there."""
    clock_ms: int | None = None
    ahead_ms: int | None = None
    rules: Literal["new"] | None = None
    """From here on the present policy holds for it, not that under which it came."""


class WorkEscalated(Contract):
    """Another tier, and why."""

    from_tiers: list[int]
    to_tiers: list[int]
    floor: int
    """The least tier from here on; waiting widens without raising it."""
    from_priority: int | None = None
    to_priority: int | None = None
    clock: str | None = None
    """The clock whose alert it was, and when that was due."""
    due_ms: int | None = None
    since_ms: int | None = None
    """Its age from here on, where that was set."""
    place_ms: int | None = None
    reason: str


class OfferMade(Contract):
    """Work shown to an agent until ``expires_ms``; the offer holds capacity."""

    number: str
    queue: str
    attempt: int
    cost: int
    limit_ms: int
    expires_ms: int
    explain: Explain


class OfferEnded(Contract):
    """How an offer ended, and until when it bars the agent from this work."""

    outcome: Literal["accepted", "declined", "expired", "withdrawn", "unseen"]
    reason: str | None = None
    bar_until_ms: int | None = None
    still_open: int | None = None
    """So many others have an offer of this work still."""


class WorkAssigned(Contract):
    """One owner from here on."""

    via: Literal["accept", "auto", "direct", "override"]
    channel: str
    cost: int
    explain: Explain | None = None
    lease_until_ms: int | None = None
    """Without a reply by then it goes to somebody else."""


class WorkWrapping(Contract):
    """Capacity stays held until ``until_ms``."""

    until_ms: int
    reason: str | None = None


class WorkResumed(Contract):
    """It goes on; or its lease begins again, since no reply could have come."""

    reason: str | None = None
    lease_until_ms: int | None = None


class NoticeDue(Contract):
    """An automatic message to the customer."""

    kind: Literal["received", "full"]
    """``full``: it can't be taken now, and nobody will look at it."""
    number: str
    contact_id: str
    conversation_key: str
    channel: str
    account: str
    language: str


class EffectReported(Contract):
    """What delivery said became of an effect."""

    effect_id: str
    effect: str
    state: Literal["sent", "failed", "unknown"]
    code: str | None = None
    expires_ms: int | None = None
    """Where it was an offer that was sent: its limit counts from then."""


class CommandRefused(Contract):
    """Nothing changed, and why: ``code`` is stable, ``params`` explain it."""

    code: str
    params: dict[str, Any] = Field(default_factory=dict)


class InputRejected(Contract):
    """An input that could not be folded; it also stands in the dead letters."""

    offset: int
    error: str


class CaseHandedOver(Contract):
    """The case goes on in another pool with these contacts; then, as which case."""

    to_pool: str
    contacts: list[str]
    number: str | None = None
    since_ms: int | None = None
    bounces: int | None = None
    contact: ContactAdd | None = None
    """What the other pool is to be told; left out once it has taken the case."""
    to_case_id: str | None = None
    to_number: str | None = None


class ContactEnded(Contract):
    """The customer left a conversation; what becomes of the case is a decision of its own."""

    conversation_key: str
    reason: Literal["left", "hung_up"]


DATA: dict[str, type[Contract]] = {
    "policy.adopted": PolicyAdopted,
    "roster.adopted": RosterAdopted,
    "agent.changed": people.AgentChanged,
    "agent.removed": Reason,
    "tool.drifted": people.ToolDrifted,
    "switch.changed": SwitchChanged,
    "case.opened": CaseContact,
    "case.joined": CaseContact,
    "case.reopened": CaseContact,
    "case.replied": CaseReplied,
    "case.noted": CaseNoted,
    "case.waiting": CaseWaiting,
    "case.resolved": CaseResolved,
    "case.closed": CaseClosed,
    "case.merged": CaseMerged,
    "case.split": CaseSplit,
    "case.handed_over": CaseHandedOver,
    "contact.ended": ContactEnded,
    "contact.forwarded": ties.ContactForwarded,
    "work.queued": WorkQueued,
    "work.stepped": WorkStepped,
    "work.escalated": WorkEscalated,
    "work.scheduled": Reason,
    "work.suspended": WorkSuspended,
    "work.resumed": WorkResumed,
    "work.assigned": WorkAssigned,
    "work.wrapping": WorkWrapping,
    "work.closed": Reason,
    "work.cancelled": Reason,
    "work.abandoned": Reason,
    "offer.made": OfferMade,
    "offer.ended": OfferEnded,
    "notice.due": NoticeDue,
    "effect.reported": EffectReported,
    "command.refused": CommandRefused,
    "command.repeated": Reason,
    "input.rejected": InputRejected,
}
