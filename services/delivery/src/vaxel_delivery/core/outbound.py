"""What we sent, as an interaction: it stands on the log and in the timeline like any other."""

from __future__ import annotations

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
        flags=Flags(auto_reply=Flag(value=True, evidence=["own_notice"])) if automatic else None,
    )
