"""The normalised interaction: one message or call event, whatever channel it came by.

It stands on ``vaxel.interactions`` and is what ``vaxel normalize`` prints. A field that doesn't
apply is absent. Ranges are half-open, in Unicode code points over ``text``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vaxel_shared.contracts.base import Contract

INTERACTION_TYPE = "vaxel.interaction.received.v1"

Kind = Literal[
    "message", "edit", "delete", "reaction", "postback", "command", "typing", "read", "delivery",
    "membership", "optin", "optout", "call", "system", "unsupported",
]  # fmt: skip


class Alias(Contract):
    """One way to recognise a person, e.g. ``mailto`` and an address."""

    scheme: str
    value: str
    verified: bool = False


class Party(Contract):
    """Whoever sent it; for mail ``external_id`` is the address."""

    external_id: str
    name: str | None = None
    aliases: list[Alias] = Field(default_factory=list)
    is_bot: bool = False


class Recipient(Contract):
    """Whoever it was sent to."""

    role: Literal["to", "cc", "bcc", "envelope"]
    external_id: str
    name: str | None = None


class Segment(Contract):
    """What a range of ``text`` is."""

    kind: Literal["new", "quote", "signature", "disclaimer", "forward_header"]
    start: int
    end: int
    confidence: float


class Attachment(Contract):
    """A file that came along; ``ref`` names its blob."""

    name: str | None = None
    mime: str
    size: int
    sha256: str
    ref: str | None = None
    state: Literal["stored", "refused", "pending"] = "stored"
    inline: bool = False


class Relations(Contract):
    """How it hangs together with others; message ids without angle brackets."""

    in_reply_to: str | None = None
    references: list[str] = Field(default_factory=list)
    target_id: str | None = None
    thread_root: str | None = None
    forwarded_from: str | None = None


class Provider(Contract):
    """What the provider calls it."""

    message_id: str | None = None
    event_id: str | None = None
    redelivery: bool = False


class Flag(Contract):
    """A verdict with the codes of what led to it."""

    value: bool
    evidence: list[str] = Field(default_factory=list)


class Flags(Contract):
    """Verdicts about the message as a whole."""

    auto_reply: Flag | None = None
    no_auto_response: Flag | None = None
    bounce: Flag | None = None
    list: Flag | None = None
    spam: Flag | None = None
    spoofed: Flag | None = None
    reused_id: Flag | None = None


class Bounce(Contract):
    """A delivery failure that came back (RFC 3464)."""

    class_: str = Field(alias="class")
    status: list[str] = Field(default_factory=list)
    recipients: list[str] = Field(default_factory=list)
    original_message_id: str | None = None


class Verification(Contract):
    """Whether the sender could be proven, and how."""

    scheme: str
    key_id: str | None = None
    ok: bool
    reason: str | None = None


class Interaction(Contract):
    """One message or call event, normalised."""

    id: str
    conversation_key: str
    channel: str
    account: str
    direction: Literal["inbound", "outbound", "echo"]
    kind: Kind
    sender: Party
    recipients: list[Recipient] = Field(default_factory=list)
    subject: str | None = None
    text: str | None = None
    text_ref: str | None = None
    reply_text: str | None = None
    html_ref: str | None = None
    language: str | None = None
    segments: list[Segment] = Field(default_factory=list)
    attachments: list[Attachment] = Field(default_factory=list)
    relations: Relations | None = None
    provider: Provider | None = None
    occurred_at: str | None = None
    received_at: str
    flags: Flags | None = None
    bounce: Bounce | None = None
    call: dict[str, object] | None = None
    status: dict[str, object] | None = None
    reply_context: dict[str, object] | None = None
    location: dict[str, object] | None = None
    contact: dict[str, object] | None = None
    raw_ref: str | None = None
    raw_sha256: str | None = None
    verification: Verification | None = None
