"""What the API takes: every body and query, checked; an unknown field is an error.

A ``reason`` is a code, because commands stand on a topic that holds no text; words go into a note.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from vaxel_register.core.limits import (
    DEADLETTERS_MAX,
    NOTE_CHARS_MAX,
    PAGE_DEFAULT,
    PAGE_MAX,
    QUERY_CHARS_MAX,
    REPLY_CHARS_MAX,
    SLA_ITEMS_MAX,
)

Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
"""A short word such as ``on_break``; never a sentence, never a name."""

Token = Annotated[str, StringConstraints(pattern=r"^\d{1,19}\.\d{1,5}$")]
"""``<seq>.<index>`` of the offer or assignment that the client saw."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
"""The id of an agent or the name of a queue."""

Status = Literal[
    "open",
    "waiting_customer",
    "waiting_third_party",
    "waiting_internal",
    "resolved",
    "closed",
    "merged",
    "handed_over",
]


class Request(BaseModel):
    """A body or query: immutable, nothing unknown in it."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Answer(Request):
    """The answer to an offer."""

    token: Token | None = Field(default=None, description="The offer's, where the client saw one.")
    reason: Code | None = Field(default=None, description="A code, such as `wrong_language`.")
    retry_at: AwareDatetime | None = Field(
        default=None, description="Of a decline: from then on the agent may be asked again."
    )


class Write(Request):
    """Anything done to a case."""

    token: Token | None = Field(
        default=None, description="The assignment that the client saw; left out, the present one."
    )


class Reply(Write):
    """An answer to the customer."""

    text: str = Field(min_length=1, max_length=REPLY_CHARS_MAX)
    then: Literal["open", "waiting", "resolved"] | None = Field(
        default=None, description="What follows; left out, what the channel's policy says."
    )
    expected_seq: int | None = Field(
        default=None,
        ge=0,
        lt=2**63,
        description="`last_contact_seq` as the client saw it: refused if the customer wrote since.",
    )
    amount: int | None = Field(
        default=None, ge=0, le=2**31, description="What it grants, in the smallest unit."
    )
    explanation: bool | None = Field(
        default=None,
        description="It explains the outcome of a complaint, which may be resolved then.",
    )


class Note(Write):
    """A note that no customer sees."""

    text: str = Field(min_length=1, max_length=NOTE_CHARS_MAX)


class Resolve(Write):
    """Done."""

    reason: Code | None = None
    follow_up_at: AwareDatetime | None = Field(
        default=None, description="Then somebody looks at it again."
    )
    queue: Name | None = Field(default=None, description="With `follow_up_at`: where that waits.")


class Cancel(Write):
    """There is nothing to do: it ends without an answer."""

    reason: Code = Field(description="Such as `spam`, `duplicate`, `test` or `mistake`.")


class Wait(Write):
    """Nobody works on it until somebody answers or it wakes."""

    waits_for: Literal["customer", "third_party", "internal"] = Field(alias="for")
    wake_at: AwareDatetime | None = None
    queue: Name | None = Field(
        default=None, description="Where it goes when it wakes, such as a queue for callbacks."
    )
    reason: Code | None = None


Number = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{3,40}$")]
"""A case's number."""


class Merge(Write):
    """Let it go into another case; both numbers go on being known."""

    into: Number
    reason: Code | None = None


class Split(Write):
    """Take a case out again that had gone into this one."""

    merged: Number
    reason: Code | None = None


class Suspend(Write):
    """Offer what waits to nobody."""

    until: AwareDatetime | None = Field(default=None, description="Left out: until it is resumed.")
    reason: Code | None = None


class Resume(Write):
    """Let it wait again, in its place."""

    reason: Code | None = None


class Transfer(Write):
    """To an agent, a queue or another pool, with a note for whoever gets it."""

    to_agent: Name | None = None
    to_queue: Name | None = Field(default=None, description="With `to_pool`: a queue there.")
    to_pool: Name | None = None
    note: str = Field(min_length=1, max_length=NOTE_CHARS_MAX)

    @model_validator(mode="after")
    def _one_target(self) -> Transfer:
        if self.to_pool is not None and self.to_agent is not None:
            raise ValueError("in another pool only a queue can be named, not an agent")
        if self.to_pool is None and (self.to_agent is None) == (self.to_queue is None):
            raise ValueError("name exactly one of to_agent and to_queue, or to_pool")
        return self


class Consult(Write):
    """Ask others for help: an agent, a queue or a tier."""

    to_agent: Name | None = None
    to_queue: Name | None = Field(default=None, description="Left out: the case's own queue.")
    tier: int | None = Field(default=None, ge=1, le=9)
    wait: bool = Field(default=False, description="The case waits for the answer.")
    note: str = Field(min_length=1, max_length=NOTE_CHARS_MAX, description="What is asked.")


class Approve(Consult):
    """Ask somebody who may grant as much for an approval."""

    amount: int = Field(ge=1, le=2**31, description="In the smallest unit, such as cents.")


class Verdict(Write):
    """The answer to what was asked."""

    verdict: Literal["answered", "approved", "refused", "passed", "failed"]
    score: int | None = Field(default=None, ge=0, le=100, description="Of a review.")
    note: str = Field(min_length=1, max_length=NOTE_CHARS_MAX)


class Escalate(Write):
    """To a tier, or to the next one; or, by a supervisor, to another age."""

    tier: int | None = Field(default=None, ge=1, le=9)
    since: AwareDatetime | None = Field(
        default=None, description="Instead of a tier: since when it counts as waiting."
    )
    reason: Code | None = None


class Draft(Request):
    """An answer so far; empty: none. What is stored is what any browser sees next."""

    text: str = Field(max_length=REPLY_CHARS_MAX)
    then: Literal["open", "waiting", "resolved", "explained"] | None = Field(
        default=None, description="`explained` resolves a complaint with its explanation."
    )
    based_on_seq: int | None = Field(
        default=None, ge=0, lt=2**63, description="`last_contact_seq` that its writer has read."
    )
    version: int = Field(
        ge=0, lt=2**63, description="Of the draft that this one follows; 0 where there was none."
    )


class Presence(Request):
    """Whether an agent takes work."""

    presence: Literal["available", "away", "offline"]
    mode: Literal["keep", "keep_no_new", "return_work"] = Field(
        default="keep", description="What becomes of the work in hand."
    )
    until: AwareDatetime | None = None
    reason: Code | None = None
    name: Code | None = Field(
        default=None, description="A presence of the policy's own; it says what that means."
    )
    channels: list[Code] | None = Field(
        default=None, max_length=50, description="Meant of these only; left out, of all."
    )
    lost: bool | None = Field(
        default=None, description="Nobody said so, the connection broke: the policy's grace begins."
    )


class Elsewhere(Request):
    """All that an agent has in hand in one tool and that isn't ours: in place of what was said."""

    source: Name = Field(default="api", description="Which tool.")
    channels: dict[Code, Annotated[int, Field(ge=0, le=100)]] = Field(
        max_length=20, description="How many, by channel; empty: nothing any more."
    )
    until: AwareDatetime = Field(description="It counts until then; say it again before.")


class Switch(Request):
    """A switch, on with a reason and an end, or off before it."""

    pool: Name | None = Field(default=None, description="Left out, the caller's own.")
    switch: Literal["close", "divert", "all_hands"]
    queue: Name | None = Field(default=None, description="For `all_hands` left out: every queue.")
    to: Name | None = Field(default=None, description="Where `divert` leads to.")
    on: bool = True
    until: AwareDatetime | None = None
    reason: Code | None = None

    @model_validator(mode="after")
    def _whole(self) -> Switch:
        if self.queue is None and self.switch != "all_hands":
            raise ValueError("name the queue")
        if self.on and (self.until is None or self.reason is None):
            raise ValueError("what is switched on needs `until` and a `reason`")
        if self.on and (self.to is None) == (self.switch == "divert"):
            raise ValueError("`to` belongs to `divert`, and to nothing else")
        return self


class CasesQuery(Request):
    """Which cases."""

    q: str | None = Field(
        default=None,
        max_length=QUERY_CHARS_MAX,
        description="Words that number, subject, customer or messages hold, all of them.",
    )
    status: Status | None = None
    queue: str | None = Field(default=None, max_length=64)
    agent: str | None = Field(default=None, max_length=64)
    channel: str | None = Field(default=None, max_length=32)
    limit: int = Field(default=PAGE_DEFAULT, ge=1, le=PAGE_MAX)
    cursor: str | None = Field(
        default=None, max_length=200, description="`next` of the page before."
    )


class LettersQuery(Request):
    """How many dead letters."""

    limit: int = Field(default=DEADLETTERS_MAX, ge=1, le=DEADLETTERS_MAX)


class SlaQuery(Request):
    """Which clocks."""

    risk: Literal["any", "warned", "breached", "all"] = Field(
        default="any", description="`any`: warned or breached; `all`: those on time as well."
    )
    limit: int = Field(default=SLA_ITEMS_MAX, ge=1, le=SLA_ITEMS_MAX)


class EventsQuery(Request):
    """Where a stream goes on."""

    who: str | None = Field(
        default=None, alias="as", max_length=80, description="Whose session, in a browser."
    )
    last_event_id: int | None = Field(
        default=None, ge=0, lt=2**63,
        description="The same as the header `Last-Event-ID`, which goes first.",
    )  # fmt: skip


class TextsQuery(Request):
    """In which language; one that there isn't is answered in English."""

    language: str = Field(default="en", max_length=35)
