"""What delivery keeps of an interaction: only what an answer to it needs.

``quiet`` is the first reason why no automatic mail may answer it, decided here once, when the
whole interaction is at hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vaxel_delivery.core.addresses import bare, clean
from vaxel_delivery.core.threads import valid_ids
from vaxel_shared.contracts.interaction import Interaction

FIRST_LINES_CHARS_MAX = 1_500
"""What an offer shows of the customer's own words."""

NAME_CHARS_MAX = 120
SUBJECT_CHARS_MAX = 800
ADDRESS_CHARS_MAX = 1_000
"""Far beyond what any server takes: it only bounds what is stored; sending checks the address."""

_DAEMON = re.compile(
    r"^(mailer-?daemon|postmaster|no-?reply|do-?not-?reply|noreply-.*|no-reply-.*|bounces?([-+].*)?|"
    r"owner-.*|.*-(request|bounces?|owner)|listserv|majordomo|mdaemon|daemon|auto-?reply|nobody|root)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Kept:
    """One inbound interaction as delivery remembers it; ids without angle brackets.

    ``sender_address`` is what the channel calls the sender: of mail the address.
    """

    contact_id: str
    conversation_key: str
    account: str
    sender_address: str
    sender_name: str
    subject: str
    message_id: str | None
    in_reply_to: str | None
    references: tuple[str, ...]
    first_lines: str
    quiet: str | None


def keep(interaction: Interaction) -> Kept | None:
    """What stays of an interaction; None for one that nobody answers (ours, or no message)."""
    said = interaction.kind == "message" or interaction.channel == "email"
    if interaction.direction != "inbound" or not said:
        return None
    relations = interaction.relations
    provider = interaction.provider
    own_words = interaction.reply_text or interaction.text or ""
    parent = valid_ids([provider.message_id] if provider and provider.message_id else [])
    return Kept(
        contact_id=interaction.id,
        conversation_key=interaction.conversation_key,
        account=interaction.account,
        sender_address=_stored(interaction.sender.external_id)[:ADDRESS_CHARS_MAX],
        sender_name=clean(interaction.sender.name, NAME_CHARS_MAX),
        subject=clean(interaction.subject, SUBJECT_CHARS_MAX),
        message_id=parent[0] if parent else None,
        in_reply_to=next(iter(valid_ids([relations.in_reply_to or ""] if relations else [])), None),
        references=tuple(valid_ids(relations.references)) if relations else (),
        first_lines=first_lines(own_words),
        quiet=_quiet(interaction),
    )


def first_lines(text: str) -> str:
    """The beginning of a text, cut at :data:`FIRST_LINES_CHARS_MAX`."""
    text = _stored(text).strip()
    if len(text) <= FIRST_LINES_CHARS_MAX:
        return text
    return text[: FIRST_LINES_CHARS_MAX - 1].rstrip() + "…"


def _stored(text: str) -> str:
    """Text that every database takes: PostgreSQL refuses U+0000."""
    return text.replace("\x00", "\ufffd")


def _quiet(interaction: Interaction) -> str | None:
    """Why automatic mail must not answer this (RFC 3834 section 2); None where it may."""
    flags = interaction.flags
    if flags is not None:
        for code in ("auto_reply", "no_auto_response", "bounce", "list", "spam", "spoofed"):
            flag = getattr(flags, code)
            if flag is not None and flag.value:
                return code
    if interaction.sender.is_bot:
        return "daemon_sender"
    return _quiet_mail(interaction) if interaction.channel == "email" else None


def _quiet_mail(interaction: Interaction) -> str | None:
    sender = interaction.sender.external_id.strip()
    local = sender.rpartition("@")[0]
    if not local:
        return "null_sender"
    if _DAEMON.match(local):
        return "daemon_sender"
    ours = bare(interaction.account)
    named = (bare(item.external_id) for item in interaction.recipients if item.role != "envelope")
    return None if ours in named else "not_addressed"
