"""Scenario files: what comes in, what people do, how time passes, and what must come of it.

They are read like the deployment's own files: an unknown key is an error with its line.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from vaxel_shared.calendars.instants import parse_instant
from vaxel_shared.config import source
from vaxel_shared.config.base import ConfigModel, Duration, Located
from vaxel_shared.config.document import ConfigError, Document

Presence = Literal["available", "away", "offline"]
Flag = Literal["auto_reply", "no_auto_response", "bounce", "list", "spam", "spoofed", "reused_id"]
CONTACT_ID = r"^[a-z][a-z0-9_-]{0,31}$"


class Contact(ConfigModel):
    """A message as a customer writes it: the rules choose its queue, the text its language."""

    id: str = Field(pattern=CONTACT_ID)
    """What the steps after it call it."""
    account: str | None = None
    """An account of channels.yaml by its id; left out, the first."""
    from_: str = Field(default="customer@customer.example", alias="from")
    subject: str = ""
    text: str = ""
    language: str | None = None
    """As if it had been detected; left out, it is."""
    flags: list[Flag] = []
    attachments: list[str] = []
    """MIME types of attached files."""
    reply_to: str | None = None
    """An earlier contact, whose conversation this goes on with."""


class Ready(ConfigModel):
    """A contact as triage hands it over, past all rules."""

    id: str = Field(pattern=CONTACT_ID)
    account: str | None = None
    queue: str | None = None
    """Left out, the account's."""
    language: str = "und"
    languages: list[str] = []
    """Of which an agent must speak one."""
    skills: dict[str, int] = {}
    at_most: dict[str, int] = {}
    lapse_ms: dict[str, Duration] = Field(default={}, alias="lapse")
    wishes: dict[str, int] = {}
    needs: str = ""
    priority: int = 0
    labels: list[str] = []
    automatic: bool = False
    reply_to: str | None = None


class Expectation(ConfigModel):
    """What must hold of a contact; what is left out may be anything."""

    rule: str | None = None
    """The rule that chose the queue; `account-default` and the like where none did."""
    language: str | None = None
    priority: int | None = None
    """What the rules gave it."""
    skills: dict[str, int] | None = None
    """What the rules ask for beyond the queue."""
    labels: list[str] | None = None
    acknowledged: bool | None = None
    """Whether the customer was told the number."""
    reopened: bool | None = None
    same_case_as: str | None = None
    queue: str | None = None
    case: Literal[
        "open", "waiting_customer", "waiting_third_party", "waiting_internal", "resolved", "closed",
        "merged",
    ] | None = None  # fmt: skip
    state: Literal["waiting", "offered", "assigned", "wrapping", "none"] | None = None
    """Of its work."""
    offered: str | None = None
    """The agent whom it is offered to now; `nobody`."""
    assigned: str | None = None
    """The agent who has it now; `nobody`."""
    tier: int | None = None
    """Of that agent."""
    tiers: list[int] | None = None
    """Those that the step of its age reaches."""
    position: int | None = None
    """In its queue, counted from 1."""
    offers: list[str] | None = None
    """Everybody whom it was ever offered to, in order."""
    escalated: list[str] | None = None
    """The reasons of its escalations, in order."""
    why_not: dict[str, str] | None = None
    """Agents by the code of the first predicate that rules them out: at the offer, or now."""
    counts: dict[str, int] | None = None
    """How many agents each code rules out."""
    wins_by: dict[str, int] | None = None
    """Terms of the winner's score at the last offer, like `sticky: 1`."""


class AgentExpectation(ConfigModel):
    """What must hold of an agent."""

    presence: Presence | None = None
    offers: int | None = None
    """Pending ones."""
    works: int | None = None
    """In hand."""


class SwitchStep(ConfigModel):
    """A switch, turned by a supervisor: ``on`` for a time, or ``off``."""

    on: Literal["close", "divert", "all_hands"] | None = None
    off: Literal["close", "divert", "all_hands"] | None = None
    pool: str | None = None
    """Left out, the first."""
    queue: str | None = None
    to: str | None = None
    """Where `divert` leads to."""
    for_ms: Duration = Field(default=3_600_000, alias="for")

    @model_validator(mode="after")
    def _one_way(self) -> SwitchStep:
        if (self.on is None) == (self.off is None):
            raise ValueError("a switch goes `on` or `off`")
        return self


class ElsewhereStep(ConfigModel):
    """What a tool says that an agent has in hand there, all of it."""

    agent: str
    channels: dict[str, int] = {}
    """How many, by channel; left out, nothing any more."""
    source: str = "tool"
    for_ms: Duration = Field(default=900_000, alias="for")


class Step(Located):
    """One thing that happens, and what must hold right after it. One verb, or none."""

    contact: Contact | None = None
    ready: Ready | None = None
    accept: str | None = None
    """A contact, by whoever it is offered to; `by` names another."""
    decline: str | None = None
    reply: str | None = None
    """By whoever has it; `then` says what follows."""
    resolve: str | None = None
    escalate: str | None = None
    """To `tier`, or to the next one."""
    transfer: str | None = None
    """To `to_queue` or `to_agent`."""
    assign: str | None = None
    """By a supervisor, to `to_agent`."""
    alert: str | None = None
    """Of an SLA clock: asks for `tier` and `priority` at least."""
    wait: Duration | None = None
    away: str | None = None
    """An agent; `mode` says what becomes of the work in hand."""
    offline: str | None = None
    lost: str | None = None
    """An agent whose connection breaks."""
    back: str | None = None
    switch: SwitchStep | None = None
    elsewhere: ElsewhereStep | None = None
    by: str | None = None
    then: Literal["open", "waiting", "resolved"] | None = None
    tier: int | None = None
    priority: int | None = None
    to_agent: str | None = None
    to_queue: str | None = None
    mode: Literal["keep", "keep_no_new", "return_work"] | None = None
    channels: list[str] | None = None
    """Of which alone the agent is away or back."""
    retry: Duration | None = None
    """In so long the agent who declines may be asked again."""
    refused: str | None = None
    """The code with which the router must refuse it."""
    expect: dict[str, Expectation] = {}
    """By contact."""
    agents: dict[str, AgentExpectation] = {}

    @property
    def verb(self) -> str | None:
        """What happens; None where only something is expected."""
        return next((name for name in VERBS if getattr(self, name) is not None), None)

    @model_validator(mode="after")
    def _one_verb(self) -> Step:
        verbs = [name for name in VERBS if getattr(self, name) is not None]
        if len(verbs) > 1:
            raise ValueError(f"one step does one thing, not {' and '.join(verbs)}; split it")
        allowed = VERBS[verbs[0]] if verbs else frozenset()
        for name in sorted(_MODIFIERS - allowed):
            if getattr(self, name) is not None:
                raise ValueError(f"{name!r} doesn't belong to {verbs[0] if verbs else 'expect'!r}")
        if not verbs and not self.expect and not self.agents:
            raise ValueError("nothing happens and nothing is expected; delete it")
        return self


VERBS: dict[str, frozenset[str]] = {
    "contact": frozenset(),
    "ready": frozenset(),
    "accept": frozenset({"by", "refused"}),
    "decline": frozenset({"by", "retry", "refused"}),
    "reply": frozenset({"by", "then", "refused"}),
    "resolve": frozenset({"by", "refused"}),
    "escalate": frozenset({"by", "tier", "refused"}),
    "transfer": frozenset({"by", "to_agent", "to_queue", "refused"}),
    "assign": frozenset({"to_agent", "refused"}),
    "alert": frozenset({"tier", "priority", "refused"}),
    "wait": frozenset(),
    "away": frozenset({"mode", "channels"}),
    "offline": frozenset({"mode"}),
    "switch": frozenset({"refused"}),
    "elsewhere": frozenset({"refused"}),
    "lost": frozenset(),
    "back": frozenset({"channels"}),
}
"""What may happen, and which other keys belong to it."""
_MODIFIERS = frozenset().union(*VERBS.values())


class Scenario(Located):
    """One story with its expectations."""

    name: str = Field(min_length=1, max_length=200)
    begins: str = "2026-01-05T09:00:00+02:00"
    """ISO 8601 with an offset; a Monday morning where it doesn't matter."""
    only: list[str] | None = None
    """Who is there; left out, as roster.yaml says with `present`."""
    agents: dict[str, Presence] = {}
    """Who is there, one by one, after `only`."""
    steps: list[Step] = Field(min_length=1)

    @model_validator(mode="after")
    def _instant(self) -> Scenario:
        parse_instant(self.begins)
        return self


class ScenarioFile(ConfigModel):
    """The whole file. Whole files of the deployment may stand in it instead of beside it."""

    channels: dict[str, Any] | None = None
    routing: dict[str, Any] | None = None
    roster: dict[str, Any] | None = None
    sla: dict[str, Any] | None = None
    scenarios: list[Scenario] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file that was read."""

    path: Path
    file: ScenarioFile
    document: Document


def read(path: Path) -> Loaded:
    """Read a scenario file. Raises :class:`ConfigError` with a line for every problem."""
    document = source.read(path)
    if doubled := list(source.duplicates(document, ("scenarios",), "name")):
        raise ConfigError(doubled)
    return Loaded(path, source.validate(ScenarioFile, document), document)
