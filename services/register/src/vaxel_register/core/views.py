"""What the API answers: every shape, so that nothing leaves that isn't named here."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class View(BaseModel):
    """A response, or part of one. Instants are ISO 8601, UTC, with milliseconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Customer(View):
    """Who wrote first; the name and address that the first message carried."""

    id: str | None
    name: str | None
    address: str | None


class CaseItem(View):
    """A case in a list. ``agent`` has it, or had it last while it waits or is resolved."""

    number: str
    subject: str | None
    status: str
    channel: str | None
    language: str | None
    queue: str | None
    agent: str | None
    priority: int | None
    tier: int | None
    customer: Customer
    opened_at: str | None
    updated_at: str | None
    sla: dict[str, Any] = Field(default_factory=dict)


class CaseList(View):
    """A page, the newest case first; ``next`` is the cursor of the following one."""

    items: list[CaseItem]
    next: str | None


class WorkItem(View):
    """One stretch of a case in one pair of hands; ``token`` is its assignment's."""

    id: str
    case_id: str | None
    stretch: int | None
    """Which one of its case, counted from 1; ``number`` is a case's, here as everywhere."""
    state: str | None
    queue: str | None
    language: str | None
    priority: int | None
    requires: dict[str, Any] | None
    tiers: list[int] | None
    agent: str | None
    token: str | None
    since: str | None
    assigned_at: str | None
    until: str | None
    ended_at: str | None


class OfferItem(View):
    """Work shown to an agent; ``token`` goes with the answer."""

    id: str
    case_id: str | None
    work_id: str | None
    agent: str | None
    state: str | None
    token: str | None
    queue: str | None
    attempt: int | None
    reason: str | None
    made_at: str | None
    expires_at: str | None
    ended_at: str | None


class Place(View):
    """Where it stands on its topic; ``index`` in the batch."""

    partition: int
    offset: int
    seq: int | None
    index: int


class TimelineEntry(View):
    """An interaction, a decision or an SLA event (``kind``).

    Of an interaction: ``message``. Of a decision: ``data`` with its reasons, what caused it, whom
    it speaks of, and the ``text`` that it refers to where it is an answer or a note.
    """

    kind: str
    at: str
    type: str
    place: Place
    cause: str | None = None
    policy: str | None = None
    work_id: str | None = None
    offer_id: str | None = None
    agent: str | None = None
    data: dict[str, Any] | None = None
    message: dict[str, Any] | None = None
    text: str | None = None


class CaseDetail(CaseItem):
    """A case with all that happened to it, in order."""

    case_id: str
    pool: str
    account: str | None
    labels: list[str]
    rule: dict[str, Any] | None
    wake_at: str | None
    linked_case_id: str | None
    stage: int | None = None
    """Of a complaint."""
    last_contact_seq: int | None
    works: list[WorkItem]
    offers: list[OfferItem]
    timeline: list[TimelineEntry]
    timeline_truncated: bool
    draft_by: str | None = None
    """Who is writing an answer."""


class QueueItem(View):
    """A queue and what is in it."""

    pool: str
    queue: str
    waiting: int
    offered: int
    assigned: int
    oldest_since: str | None


class QueueList(View):
    """All queues."""

    items: list[QueueItem]


class ElsewhereItem(View):
    """What an agent has in a tool of the agent's own; it takes capacity as work in hand does."""

    source: str
    channels: dict[str, int]
    capacity: int
    """What all of it takes."""
    until: str | None
    """Until then it counts, unless the tool says otherwise."""


class AgentItem(View):
    """An agent and what they have in hand."""

    id: str
    name: str | None
    role: str | None
    pool: str | None
    presence: str | None
    mode: str | None
    until: str | None
    reachable_until: str | None = None
    """The connection broke: until then nothing is taken from the agent."""
    closed: dict[str, str | None] = {}
    """Channels that the agent takes nothing of, each until when; null: until it is said."""
    off_shift: bool = False
    shift_changes_at: str | None = None
    rests_until: str | None = None
    """A pause after hard work."""
    occupied: bool = False
    """Had work in hand for as much of the time as the roster allows."""
    tier: int | None
    skills: dict[str, int]
    languages: dict[str, int]
    capacity: int | None
    offers: int
    works: int
    elsewhere: list[ElsewhereItem] = []


class AgentList(View):
    """All agents."""

    items: list[AgentItem]


class InboxOffer(OfferItem):
    """A pending offer with what one needs to choose."""

    number: str | None
    subject: str | None
    channel: str | None
    language: str | None
    priority: int | None


class InboxWork(WorkItem):
    """Work in hand with the case that it belongs to."""

    number: str | None
    subject: str | None
    channel: str | None
    status: str | None


class Inbox(View):
    """What one agent is shown and has in hand, oldest first."""

    agent: str
    offers: list[InboxOffer]
    works: list[InboxWork]


class DecisionItem(View):
    """A decision that a command led to."""

    type: str
    at: str
    case_id: str | None
    work_id: str | None
    offer_id: str | None
    agent: str | None
    data: dict[str, Any]


class Draft(View):
    """An answer that is being written; ``version`` 0 and an empty text where there is none."""

    number: str
    text: str
    then: str | None
    based_on_seq: int | None
    by: str | None
    version: int


class Change(View):
    """The data of an event: what happened to what. Details are read where they stand.

    The event ``hello`` begins a stream, ``reset`` says that changes were missed and all must be
    read again, ``change`` is a change. ``id`` goes into ``Last-Event-ID``.
    """

    type: str
    at: str
    pool: str | None
    number: str | None
    agent: str | None
    offer: str | None


class SlaItem(View):
    """A clock of a case."""

    number: str
    subject: str | None
    status: str
    queue: str | None
    agent: str | None
    priority: int | None
    tier: int | None
    clock: str
    cycle: int
    state: str
    risk: str
    due_at: str | None


class SlaList(View):
    """Clocks that run, the one that is due first comes first."""

    items: list[SlaItem]


class Session(View):
    """Who asks, and what of the console is for them."""

    role: str
    subject: str
    name: str | None
    pool: str | None
    is_agent: bool
    """Whether a roster has them: then they have an inbox."""
    actions: list[str]
    """What the role may do at all."""
    demo: bool


class Texts(View):
    """The console's words and those of the reason codes, by key, with {places} to fill."""

    language: str
    languages: dict[str, str]
    texts: dict[str, str]


class Done(View):
    """It is done; there is nothing to say of it."""

    status: str


class DemoContact(View):
    """An example that can be sent in."""

    name: str
    sender: str
    to: str
    subject: str


class DemoMail(View):
    """A mail that the system sent, as the local mailbox took it."""

    id: int
    sender: str
    to: list[str]
    subject: str
    text: str
    received_at: str


class Demo(View):
    """What there is to try: examples to send, and what came out."""

    contacts: list[DemoContact]
    mails: list[DemoMail]
    mailbox_url: str


class DemoSent(View):
    """What the mail server said to an example."""

    name: str
    said: str
    message_id: str


class CommandResult(View):
    """What became of a command: ``status`` is done, refused or pending."""

    command_id: str
    status: str
    code: str | None
    decisions: list[DecisionItem]


class LetterItem(View):
    """A dead letter, without its bytes."""

    id: str
    service: str | None
    topic: str | None
    partition: int | None
    offset: int | None
    at: str | None
    error_class: str | None
    reason: str | None
    code_version: str | None


class LetterList(View):
    """Dead letters, the newest first."""

    items: list[LetterItem]


class Live(View):
    """What the router's memory says right now, and the place in the log that it speaks from."""

    model_config = ConfigDict(extra="allow", frozen=True)

    as_of: dict[str, Any] | list[dict[str, Any]]


class FieldError(View):
    """What is wrong with one field."""

    field: str
    message: str


class Problem(View):
    """An error (RFC 9457): ``title`` is a stable code, ``detail`` says what to do."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None
    command_id: str | None = None
