"""Commands: all that the router reacts to, as they stand on ``vaxel.work``.

They hold ids, codes and derived facts, never a name, an address or text. ``DATA`` maps each type
to the model of its ``data``.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from vaxel_shared.contracts.base import Contract

ActorKind = Literal["customer", "agent", "supervisor", "system", "author"]


class Actor(Contract):
    """Who wants it."""

    kind: ActorKind
    id: str


class Command(Contract):
    """One command; ``id`` is deterministic and is its CloudEvents id."""

    id: str
    type: str
    pool: str
    actor: Actor
    via: str
    case_id: str | None = None
    agent_id: str | None = None
    token: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)


class Requires(Contract):
    """What an agent must bring: skills with their least level (1-10), one of the languages."""

    skills: dict[str, int] = Field(default_factory=dict)
    languages: list[str] = Field(default_factory=list)
    at_most: dict[str, int] | None = None
    """The highest level of a skill that whoever takes it may have."""
    lapse_ms: dict[str, int] | None = None
    """Of a skill: it isn't asked for any more once the work has waited so long."""
    wishes: dict[str, int] | None = None
    """What each level of a skill counts in choosing among those who may take it."""
    needs: str | None = None
    """An expression over skills that must hold: see :mod:`vaxel_shared.needs`."""
    only: list[str] | None = None
    """The agents who may take it. This and what follows is a policy's alone: in a contact it is
    refused."""
    without: list[str] | None = None
    """Agents who may not."""
    prefer: dict[str, int] | None = None
    """By agent, how much rather than others."""
    choice: str | None = None
    """What agents of equal rank go by; left out, the longest idle."""
    spare: bool | None = None
    """Whether what somebody could do besides counts against, the rarer the more."""


class Rule(Contract):
    """Which line of the configuration said so: ``at`` is ``file:line``."""

    id: str
    at: str


class Handed(Contract):
    """A case that comes from another pool, whose router ended it there with this."""

    from_pool: str
    case_id: str
    number: str
    """What the customer knows the case by."""
    hand_over: str | None = None
    """The effect by which it was handed over: what the answer names."""
    to_queue: str | None = None
    """The queue that somebody named; left out, one of that name or the pool's first."""
    opened_ms: int
    since_ms: int
    """The age of its work."""
    bounces: int = 0
    answered: bool | None = None
    """Somebody has replied to it there."""
    conversations: list[str]
    note_ref: str
    note_sha256: str
    note_size: int


class Forwarded(Contract):
    """A contact that another pool passes on: its conversation's case had been handed over."""

    from_pool: str
    case_id: str
    """The first case that was handed over."""
    hops: int
    """How often it was passed on."""


class ContactAdd(Contract):
    """An interaction, handed to the router."""

    contact_id: str
    conversation_key: str
    customer_id: str
    channel: str
    account: str
    language: str = "und"
    queue: str
    priority: int = 0
    requires: Requires = Field(default_factory=Requires)
    labels: list[str] = Field(default_factory=list)
    received_at_ms: int
    missing: list[str] = Field(default_factory=list)
    src: tuple[int, int]
    automatic: bool = False
    no_auto_response: bool = False
    claims: str | None = None
    begin_ms: int | None = None
    """When its work begins, where that is in the future."""
    rule: Rule | None = None
    handed: Handed | None = None
    """Not new: a case that another pool hands over."""
    forwarded: Forwarded | None = None


class ContactEnd(Contract):
    """The customer left a conversation."""

    conversation_key: str
    reason: Literal["left", "hung_up"]


class OfferAnswer(Contract):
    """An agent's answer to an offer; the command's ``token`` is the offer's."""

    offer_id: str
    reason: str | None = None
    retry_at_ms: int | None = None
    """Of a decline: from then on the agent may be asked again; left out, as the policy says."""


class CaseReply(Contract):
    """An answer to the customer; its text is a blob."""

    body_ref: str
    body_sha256: str
    body_size: int
    then: Literal["open", "waiting", "resolved"] | None = None
    expected_seq: int | None = None
    amount: int | None = None
    """What it grants the customer: beyond the agent's authority it needs an approval."""
    explanation: bool | None = None
    """It explains the outcome of a complaint, which may be resolved then."""


class CaseNote(Contract):
    """A note that no customer ever sees; its text is a blob."""

    note_ref: str
    note_sha256: str
    note_size: int


class CaseOutcome(Contract):
    """``case.resolve``, ``case.reopen``, ``case.cancel``."""

    reason: str | None = None
    follow_up_ms: int | None = None
    """Of a case that is resolved: somebody looks at it again then."""
    queue: str | None = None
    """Where that waits; left out, where it was."""


class CaseWait(Contract):
    """The case waits for somebody; its work ends and frees capacity."""

    waits_for: Literal["customer", "third_party", "internal"]
    wake_ms: int | None = None
    queue: str | None = None
    """Where its work goes when it wakes by itself, such as one for callbacks."""
    reason: str | None = None


class CaseSuspend(Contract):
    """Waiting work is offered to nobody, until an instant or until it is resumed."""

    until_ms: int | None = None
    reason: str | None = None


class CaseTransfer(Contract):
    """To an agent, a queue or another pool (there perhaps to a queue); needs a note."""

    to_agent: str | None = None
    to_queue: str | None = None
    to_pool: str | None = None
    note_ref: str
    note_sha256: str
    note_size: int


class CaseHanded(Contract):
    """What the other pool says of a case that was handed over to it."""

    hand_over: str
    state: Literal["taken", "refused", "closed"]
    code: str | None = None
    """Why it was refused."""
    to_case_id: str | None = None
    to_number: str | None = None


class CaseEscalate(Contract):
    """To a tier, or to the next one where none is named."""

    tier: int | None = None
    reason: str | None = None
    since_ms: int | None = None
    """A supervisor's: instead of a tier, since when the work counts as waiting."""


class CaseAssign(Contract):
    """A supervisor's typed override."""

    to_agent: str
    reason: str


class AgentPresence(Contract):
    """Whether an agent takes work, and what becomes of the work in hand when not."""

    presence: Literal["available", "away", "offline"]
    mode: Literal["keep", "keep_no_new", "return_work"] = "keep"
    until_ms: int | None = None
    """Back by then; where it is ``available``, known to be there until then."""
    reason: str | None = None
    name: str | None = None
    """A presence of the policy's own: it says which presence and mode that is."""
    channels: list[str] | None = None
    """Meant of these channels only; left out, of all."""
    lost: bool | None = None
    """Nobody said so: the connection broke. Nothing is taken before the policy's grace is over."""


class AgentElsewhere(Contract):
    """What an agent has in hand in a tool of their own: all of it, in place of what was said."""

    source: str
    """Which tool."""
    channels: dict[str, int]
    """How many works that aren't ours, by channel."""
    until_ms: int
    """It counts until then, unless it is said again."""
    cases: list[str] | None = None
    """Our cases that the tool shows as the agent's; left out, it doesn't say."""


class ChannelCapacity(Contract):
    """What one work of a channel costs an agent, and how many at once."""

    cost: int = 1
    max: int = 1
    interrupted_by: list[str] | None = None
    """Channels for whose work this one's is put aside: it takes no capacity from them."""


class Share(Contract):
    """So many works within a time, and no more."""

    most: int
    within_ms: int


class Occupancy(Contract):
    """Work in hand for at most so much of a time."""

    most: int
    """Percent, 1 to 99."""
    within_ms: int


class AgentProfile(Contract):
    """What the router may know of an agent: never a name or an address."""

    id: str
    tier: int = 1
    skills: dict[str, int] = Field(default_factory=dict)
    languages: dict[str, int] = Field(default_factory=dict)
    capacity: int = 1
    channels: dict[str, ChannelCapacity] = Field(default_factory=dict)
    present: bool = False
    max_offers: int | None = None
    """So many offers may be open at once."""
    auto_accept: list[str] | None = None
    """Channels whose work needs no answer."""
    backup: str | None = None
    """Who stands in with the agent's own customers."""
    shift: str | None = None
    """The policy's calendar by which the agent takes new work."""
    share: Share | None = None
    occupancy: Occupancy | None = None
    authority: int | None = None
    """What the agent may grant, in the deployment's smallest unit; left out, nothing."""
    queue_order: list[str] | None = None
    """Queues whose work the agent takes before that of others, the first of them first."""


class RosterSet(Contract):
    """All agents of a pool; names and addresses stand in the directory blob."""

    source: str
    version: str
    directory_ref: str
    directory_sha256: str
    agents: list[AgentProfile]


class PolicyPublish(Contract):
    """A policy's version is the sha256 of its blob."""

    kind: Literal["routing", "shadow"]
    """``shadow``: a second one, which decides without effect, or for a share of cases."""
    version: str
    ref: str
    share: int | None = None
    """Of a hundred cases, how many a second policy decides for."""


class DeliveryResult(Contract):
    """What became of an effect."""

    effect_id: str
    effect: Literal["offer", "reply", "notice", "assigned", "ended", "relay"]
    """``assigned`` and ``ended`` are what an agent's tool is told, ``relay`` another pool."""
    state: Literal["sent", "failed", "unknown"]
    code: str | None = None
    offer_id: str | None = None


class SwitchSet(Contract):
    """A queue closed, a diversion, all hands: with reason and end."""

    switch: str
    """``close`` a queue, ``divert`` it to another, ``all_hands``: its skills are waived."""
    queue: str | None = None
    """Which; for ``all_hands`` left out: every queue of the pool."""
    value: str | None = None
    """Where it is diverted to."""
    on: bool = True
    reason: str | None = None
    until_ms: int | None = None
    """When it ends by itself; whatever is switched on must say so."""


class SlaAlert(Contract):
    """A clock's alert names the state that it wants, never a step up."""

    clock: str
    cycle: int
    stage: str
    due_ms: int
    tier_at_least: int | None = None
    priority_at_least: int | None = None
    retracted: bool = False


class CaseLink(Contract):
    """``case.merge``, ``case.split``: another case."""

    target: str | None = None
    reason: str | None = None
    note_ref: str | None = None


Asking = Literal["consult", "approve", "review"]
"""``review``: nobody asks; resolved cases are drawn to be looked at."""


class CaseConsult(CaseLink):
    """Help, or an approval, from another agent, queue or tier: a case of its own, beside this."""

    kind: Literal["consult", "approve"] | None = None
    to_agent: str | None = None
    to_queue: str | None = None
    """Left out: the queue that the case is in."""
    tier: int | None = None
    amount: int | None = None
    """Of an approval, in the deployment's smallest unit: whoever answers may grant as much."""
    wait: bool | None = None
    """Whether this case waits for the answer, and its agent goes on with something else."""
    note_sha256: str | None = None
    note_size: int | None = None


class CaseAnswer(Contract):
    """``case.answer``: what whoever was asked says; its text is a blob."""

    verdict: Literal["answered", "approved", "refused", "passed", "failed"]
    score: int | None = None
    """Of a review: 0 to 100."""
    note_ref: str
    note_sha256: str
    note_size: int


DATA: dict[str, type[Contract]] = {
    "contact.add": ContactAdd,
    "contact.end": ContactEnd,
    "offer.accept": OfferAnswer,
    "offer.decline": OfferAnswer,
    "case.reply": CaseReply,
    "case.note": CaseNote,
    "case.resolve": CaseOutcome,
    "case.reopen": CaseOutcome,
    "case.cancel": CaseOutcome,
    "case.suspend": CaseSuspend,
    "case.resume": CaseOutcome,
    "case.wait": CaseWait,
    "case.transfer": CaseTransfer,
    "case.handed": CaseHanded,
    "case.escalate": CaseEscalate,
    "case.assign": CaseAssign,
    "case.consult": CaseConsult,
    "case.answer": CaseAnswer,
    "case.merge": CaseLink,
    "case.split": CaseLink,
    "agent.presence": AgentPresence,
    "agent.elsewhere": AgentElsewhere,
    "roster.set": RosterSet,
    "policy.publish": PolicyPublish,
    "switch.set": SwitchSet,
    "sla.alert": SlaAlert,
    "delivery.result": DeliveryResult,
}


def event_type(command_type: str) -> str:
    """The CloudEvents type of a command, e.g. ``vaxel.command.contact.add.v1``."""
    return f"vaxel.command.{command_type}.v1"
