"""Between frames and interactions: what a visitor wrote, and what a visitor is shown."""

from __future__ import annotations

from typing import Any

from vaxel_ingest_chat.core.cursor import Cursor
from vaxel_ingest_chat.core.protocol import Message
from vaxel_ingest_chat.core.visitor import Visitor
from vaxel_shared.contracts.cloudevents import iso_ms
from vaxel_shared.contracts.interaction import Alias, Interaction, Kind, Party, Provider
from vaxel_shared.ids import event_id

CHANNEL = "chat"


def message_id(visitor: Visitor, client_id: str) -> str:
    """The id of a message: the same for every repeat of it."""
    return event_id(CHANNEL, visitor.account_id, visitor.conversation_id, client_id)


def of_message(
    visitor: Visitor, message: Message, conversation_key: str, now_ms: int
) -> Interaction:
    """What a visitor wrote, as it stands on the log."""
    return Interaction(
        id=message_id(visitor, message.client_id),
        conversation_key=conversation_key,
        channel=CHANNEL,
        account=visitor.account_id,
        direction="inbound",
        kind="message",
        sender=_party(visitor, message.name, message.email),
        text=message.text,
        language=message.language,
        provider=Provider(message_id=message.client_id),
        occurred_at=iso_ms(now_ms),
        received_at=iso_ms(now_ms),
        contact={"locale": message.locale} if message.locale else None,
    )


def of_signal(
    visitor: Visitor, kind: Kind, number: int, conversation_key: str, now_ms: int
) -> Interaction:
    """Typing or read; ``number`` tells those of one moment apart."""
    return Interaction(
        id=event_id(CHANNEL, visitor.conversation_id, kind, str(now_ms), str(number)),
        conversation_key=conversation_key,
        channel=CHANNEL,
        account=visitor.account_id,
        direction="inbound",
        kind=kind,
        sender=_party(visitor, None, None),
        occurred_at=iso_ms(now_ms),
        received_at=iso_ms(now_ms),
    )


def of_leaving(visitor: Visitor, conversation_key: str, now_ms: int) -> Interaction:
    """The visitor left; ``status`` says so as it does of a call."""
    return of_signal(visitor, "membership", 0, conversation_key, now_ms).model_copy(
        update={"status": {"state": "left"}}
    )


def shown(interaction: Interaction, text: str, cursor: Cursor) -> dict[str, Any] | None:
    """The frame that shows an interaction in the widget; None for what isn't shown there."""
    if interaction.kind != "message":
        return None
    ours = interaction.direction != "inbound"
    flags = interaction.flags
    automatic = flags is not None and flags.auto_reply is not None and flags.auto_reply.value
    frame = {
        "type": "message",
        "id": interaction.id,
        "client_id": interaction.provider.message_id if interaction.provider else None,
        "from": "us" if ours else "visitor",
        "name": interaction.sender.name if ours else None,
        "automatic": automatic or None,
        "text": text,
        "at": interaction.received_at,
        "cursor": str(cursor),
    }
    return {name: value for name, value in frame.items() if value is not None}


def _party(visitor: Visitor, name: str | None, email: str | None) -> Party:
    """Nobody proved who they are: no alias is verified."""
    aliases = [Alias(scheme="visitor", value=visitor.visitor_id)]
    if email is not None:
        aliases.append(Alias(scheme="mailto", value=email))
    return Party(external_id=visitor.visitor_id, name=name, aliases=aliases)
