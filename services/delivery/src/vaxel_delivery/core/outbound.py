"""What we sent, as an interaction: it stands on the log and in the timeline like any other."""

from __future__ import annotations

from dataclasses import dataclass

from vaxel_delivery.core.kept import Kept
from vaxel_delivery.core.mails import Mail, Sender
from vaxel_shared.contracts.cloudevents import iso_ms
from vaxel_shared.contracts.interaction import (
    Flag,
    Flags,
    Interaction,
    Party,
    Provider,
    Recipient,
    Relations,
)
from vaxel_shared.ids import event_id

TEXT_BYTES_MAX = 64 * 1024
"""A longer text stands on the topic by reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message in a live chat. ``to`` is the visitor, where the message answered is known."""

    effect_id: str
    conversation_key: str
    account_id: str
    team: str
    text: str
    text_ref: str | None
    language: str | None
    answers: str
    to: str | None
    automatic: bool
    at_ms: int


def chat(said: Said) -> Interaction:
    """What we say in a chat: on the log it is said, because the widget reads the log."""
    short = len(said.text.encode()) <= TEXT_BYTES_MAX
    assert short or said.text_ref is not None, "a text too long for a topic needs its blob"
    return Interaction(
        id=event_id("interaction", "outbound", said.effect_id),
        conversation_key=said.conversation_key,
        channel="chat",
        account=said.account_id,
        direction="outbound",
        kind="message",
        sender=Party(external_id=said.account_id, name=said.team, is_bot=said.automatic),
        recipients=[Recipient(role="to", external_id=said.to)] if said.to else [],
        text=said.text if short else None,
        text_ref=None if short else said.text_ref,
        language=said.language,
        relations=Relations(target_id=said.answers),
        occurred_at=iso_ms(said.at_ms),
        received_at=iso_ms(said.at_ms),
        flags=_own_notice() if said.automatic else None,
    )


def _own_notice() -> Flags:
    return Flags(auto_reply=Flag(value=True, evidence=["own_notice"]))


def interaction(
    *,
    effect_id: str,
    kept: Kept,
    mail: Mail,
    sender: Sender,
    automatic: bool,
    language: str | None,
    text_ref: str | None,
    at_ms: int,
) -> Interaction:
    """The outbound interaction of a mail to a customer; its id comes from the effect."""
    short = len(mail.text.encode()) <= TEXT_BYTES_MAX
    assert short or text_ref is not None, "a text too long for a topic needs its blob"
    return Interaction(
        id=event_id("interaction", "outbound", effect_id),
        conversation_key=kept.conversation_key,
        channel="email",
        account=kept.account,
        direction="outbound",
        kind="message",
        sender=Party(external_id=sender.address, name=sender.name),
        recipients=[
            Recipient(role="to", external_id=mail.envelope_to, name=kept.sender_name or None)
        ],
        subject=mail.subject,
        text=mail.text if short else None,
        text_ref=None if short else text_ref,
        language=language,
        relations=Relations(
            in_reply_to=mail.in_reply_to,
            references=list(mail.references),
            thread_root=mail.references[0] if mail.references else None,
            target_id=kept.contact_id,
        ),
        provider=Provider(message_id=mail.message_id),
        occurred_at=iso_ms(at_ms),
        received_at=iso_ms(at_ms),
        flags=_own_notice() if automatic else None,
    )
