"""Any tool by signed webhooks: it hears of offers, assignments and their ends, and answers back.

Both ways are signed by the Standard Webhooks specification (see ``channels/standard.py``). What it
hears is ``{"type", "timestamp", "data": {…}}`` with the effect's id as webhook-id: the same news
has the same id, however often it comes, and one case's news come in order. What it answers is
:class:`Answer`. ``authority: vaxel`` only: a tool follows, it doesn't assign.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from vaxel_shared.connectors.connector import Connector, Manifest
from vaxel_shared.contracts.cloudevents import iso_ms
from vaxel_shared.contracts.commands import DATA

MANIFEST = Manifest(
    slug="webhook",
    title="Signed webhook",
    told=("offer", "assigned", "ended"),
    verbs={
        "presence": "native",
        "accept": "native",
        "decline": "native",
        "note": "native",
        "reply": "native",
        "wait": "native",
        "transfer": "native",
        "consult": "native",
        "answer": "native",
        "escalate": "native",
        "resolve": "native",
        "elsewhere": "native",
    },
    authority=("vaxel",),
    bound="the signature of its connector, that connector's agents, and the token it was told",
)

CONNECTOR = Connector(MANIFEST)

TEXT_CHARS_MAX = 60_000
"""Of a reply; the body's limit holds first for scripts that take more bytes a character."""
NOTE_CHARS_MAX = 20_000
REASON = r"^[a-z0-9][a-z0-9_.-]{0,63}$"


# What a tool hears


@dataclass(frozen=True, slots=True)
class Post:
    """One event for one webhook; it is signed when it is sent, with the secrets of then."""

    connector: str
    webhook_id: str
    body: bytes


TYPES: Mapping[str, str] = {
    "offer": "offer.made",
    "assigned": "work.assigned",
    "offer_ended": "offer.ended",
    "work_ended": "work.ended",
}
"""The ``type`` of each event."""


def event(what: str, at_ms: int, data: Mapping[str, Any]) -> bytes:
    """The body of an event: ``what`` is a key of :data:`TYPES`; fields without a value stay out."""
    said = {name: value for name, value in data.items() if value not in (None, "")}
    payload = {"type": TYPES[what], "timestamp": iso_ms(at_ms), "data": said}
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


# What its server answered


@dataclass(frozen=True, slots=True)
class Judged:
    """What an HTTP answer comes to.

    ``later``: it may pass; ``trouble``: and everything else to this target would meet the same.
    ``gone``: the target wants nothing any more, ever.
    """

    verdict: Literal["done", "refused", "later"]
    code: str | None = None
    trouble: bool = False
    gone: bool = False
    wait_ms: int | None = None


_PASSING = frozenset({408, 425, 429})
_MISCONFIGURED = frozenset({401, 403, 404, 405, 407})
"""Of no single event: a secret or an address is wrong, so all wait for whoever mends it."""


def judge(status: int, retry_after: str | None, now_ms: int) -> Judged:
    """What a status says about the event and about the target; redirects are never followed."""
    code = f"http_{status}"
    if 200 <= status < 300:
        return Judged("done")
    if status == 410:
        return Judged("refused", code, gone=True)
    if status in _PASSING or status in _MISCONFIGURED or status >= 500:
        return Judged("later", code, trouble=True, wait_ms=wait_ms(retry_after, now_ms))
    return Judged("refused", code)


def wait_ms(retry_after: str | None, now_ms: int) -> int | None:
    """A ``Retry-After`` as milliseconds from now: seconds or a date (RFC 9110, section 10.2.3)."""
    if retry_after is None or len(retry_after) > 64:
        return None
    if retry_after.strip().isascii() and retry_after.strip().isdigit():
        return int(retry_after.strip()[:9]) * 1000
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0, int(at.timestamp() * 1000) - now_ms)


# What it answers back

Code = Annotated[str, StringConstraints(pattern=REASON)]
Id = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,64}$")]
AgentId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
AnswerVerb = Literal[
    "accept", "decline", "reply", "note", "resolve", "wait", "transfer", "consult", "answer",
    "escalate", "presence", "elsewhere",
]  # fmt: skip

_TYPES: Mapping[AnswerVerb, str] = {
    "accept": "offer.accept",
    "decline": "offer.decline",
    "reply": "case.reply",
    "note": "case.note",
    "resolve": "case.resolve",
    "wait": "case.wait",
    "transfer": "case.transfer",
    "consult": "case.consult",
    "answer": "case.answer",
    "escalate": "case.escalate",
    "presence": "agent.presence",
    "elsewhere": "agent.elsewhere",
}
_FIELDS: Mapping[AnswerVerb, frozenset[str]] = {
    "accept": frozenset(),
    "decline": frozenset({"reason"}),
    "reply": frozenset({"text", "then", "amount", "explanation"}),
    "note": frozenset({"text"}),
    "resolve": frozenset({"reason"}),
    "wait": frozenset({"for", "wake_at", "reason"}),
    "transfer": frozenset({"text", "to_agent", "to_queue"}),
    "consult": frozenset({"text", "to_agent", "to_queue", "tier", "amount", "waits"}),
    "answer": frozenset({"text", "verdict", "score"}),
    "escalate": frozenset({"tier", "reason"}),
    "presence": frozenset({"presence", "mode", "until", "reason"}),
    "elsewhere": frozenset({"channels", "cases", "until"}),
}
_SAYING = ("reply", "note", "transfer", "consult", "answer")
"""What needs words."""
_OF_AGENTS = ("presence", "elsewhere")
"""What speaks of an agent, and of no case."""
_COMMON = frozenset({"verb", "agent", "offer_id", "case_id", "token"})


class Answer(BaseModel):
    """What an agent did in the tool. ``reason`` is a code; words go into ``text``.

    ``consult`` asks others, with an ``amount`` for its approval; ``answer`` is what they say.
    ``accept`` and ``decline`` name the offer, ``presence`` and ``elsewhere`` nothing, everything
    else the case, by ``case_id`` or by the offer that led to it, with the token of the assignment.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    verb: AnswerVerb
    agent: AgentId
    offer_id: Id | None = None
    case_id: Id | None = None
    token: Annotated[str, StringConstraints(pattern=r"^\d{1,19}\.\d{1,5}$")] | None = None
    text: Annotated[str, StringConstraints(min_length=1, max_length=TEXT_CHARS_MAX)] | None = None
    reason: Code | None = None
    then: Literal["open", "waiting", "resolved"] | None = None
    waits_for: Literal["customer", "third_party", "internal"] | None = Field(
        default=None, alias="for"
    )
    wake_at: AwareDatetime | None = None
    to_agent: AgentId | None = None
    to_queue: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")] | None = None
    tier: int | None = Field(default=None, ge=1, le=9)
    amount: int | None = Field(default=None, ge=1, le=2**31)
    """In the deployment's smallest unit, such as cents."""
    explanation: bool | None = None
    """It explains the outcome of a complaint."""
    waits: bool | None = None
    """The case waits for the answer."""
    verdict: Literal["answered", "approved", "refused", "passed", "failed"] | None = None
    score: int | None = Field(default=None, ge=0, le=100)
    presence: Literal["available", "away", "offline"] | None = None
    mode: Literal["keep", "keep_no_new", "return_work"] | None = None
    until: AwareDatetime | None = None
    channels: dict[Code, Annotated[int, Field(ge=0, le=100)]] | None = Field(
        default=None, max_length=20
    )
    """All that the agent has in the tool and that isn't ours, by channel."""
    cases: list[Id] | None = Field(default=None, max_length=500)
    """Our cases that the tool shows as the agent's; left out, it doesn't say."""

    @model_validator(mode="after")
    def _whole(self) -> Answer:
        foreign = {self._name(name) for name in self.model_fields_set}
        foreign -= _COMMON | _FIELDS[self.verb]
        needs = {
            "token": self.verb not in (*_OF_AGENTS, "note") and self.token is None,
            "offer_id": self.verb in ("accept", "decline") and self.offer_id is None,
            "case_id": self.verb not in _OF_AGENTS and not (self.case_id or self.offer_id),
            "text": self.verb in _SAYING and self.text is None,
            "verdict": self.verb == "answer" and self.verdict is None,
            "for": self.verb == "wait" and self.waits_for is None,
            "presence": self.verb == "presence" and self.presence is None,
            "channels": self.verb == "elsewhere" and self.channels is None,
            "until": self.verb == "elsewhere" and self.until is None,
        }
        lacking = sorted(name for name, missing in needs.items() if missing)
        if foreign:
            raise ValueError(f"{self.verb} takes no {', '.join(sorted(foreign))}")
        if lacking:
            raise ValueError(f"{self.verb} needs {', '.join(lacking)}")
        if self.verb == "transfer" and (self.to_agent is None) == (self.to_queue is None):
            raise ValueError("transfer needs exactly one of to_agent and to_queue")
        if self.verb != "reply" and self.text is not None and len(self.text) > NOTE_CHARS_MAX:
            raise ValueError(f"a note has at most {NOTE_CHARS_MAX} characters")
        return self

    @staticmethod
    def _name(field: str) -> str:
        return "for" if field == "waits_for" else field

    @property
    def keeps(self) -> Literal["body", "note"] | None:
        """The kind of blob that its text becomes; None where there is none."""
        if self.text is None:
            return None
        return "body" if self.verb == "reply" else "note"


@dataclass(frozen=True, slots=True)
class Text:
    """A text in the blob store; ``size`` in bytes."""

    ref: str
    sha256: str
    size: int


def asked(connector: str, answer: Answer, text: Text | None) -> tuple[str, dict[str, Any]]:
    """Type and data of the command that an answer asks for; ``text`` is its text, stored."""
    kind = _TYPES[answer.verb]
    said: dict[str, Any] = {
        "offer_id": answer.offer_id,
        "reason": answer.reason,
        "then": answer.then,
        "waits_for": answer.waits_for,
        "wake_ms": _ms(answer.wake_at),
        "to_agent": answer.to_agent,
        "to_queue": answer.to_queue,
        "tier": answer.tier,
        "amount": answer.amount,
        "explanation": answer.explanation,
        "wait": answer.waits,
        "verdict": answer.verdict,
        "score": answer.score,
        "presence": answer.presence,
        "mode": answer.mode,
        "until_ms": _ms(answer.until),
        "source": connector,
        "channels": answer.channels,
        "cases": answer.cases,
    }
    if answer.verb == "consult":
        said["kind"] = "approve" if answer.amount is not None else "consult"
    if text is not None:
        name = answer.keeps
        said |= {f"{name}_ref": text.ref, f"{name}_sha256": text.sha256, f"{name}_size": text.size}
    fields = DATA[kind].model_fields
    data = {name: value for name, value in said.items() if name in fields and value is not None}
    return kind, DATA[kind].model_validate(data).to_dict()


def _ms(instant: datetime | None) -> int | None:
    return None if instant is None else round(instant.timestamp() * 1000)
