"""From an interaction to the command that hands it to the router.

A function of the interaction, its place on the log and the deployment: the same record gives the
same command, so a repeat after a crash is one that the router knows already.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from vaxel_shared.config.expressions import FLAGS
from vaxel_shared.contracts.commands import Actor, Command, ContactAdd, Requires
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.errors import Poison
from vaxel_triage.core import admission, language
from vaxel_triage.core.choice import choose
from vaxel_triage.core.identity import Pseudonym, alias, customer_id
from vaxel_triage.core.language import Guesser
from vaxel_triage.core.view import Home, View, home_of

TEXT_CHARS_MAX = 16_384
"""Of each text that rules look at: what a message is about stands at its beginning."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)

INSTANT_MS_END = 253_402_300_800_000
"""The end of the year 9999, the last that an ISO 8601 instant of four digits can name."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the shell lends: ``pseudonym`` hides a value under the deployment's key."""

    pseudonym: Pseudonym
    guesser: Guesser


def to_command(
    interaction: Interaction, *, src: tuple[int, int], view: View, tools: Tools, lacking: list[str]
) -> Command:
    """The ``contact.add`` of an interaction; it holds no name, address or text.

    ``src`` is (partition, offset) of the interaction's record, ``lacking`` codes of what could not
    be had. Raises ``Poison`` where the interaction's own instant is none.
    """
    home = home_of(view, interaction.account, interaction.conversation_key)
    automatic = admission.automatic_codes(interaction)
    texts = _texts(interaction)
    spoken = _language(interaction, texts, view, tools.guesser)
    held, failed = view.rules.matching(_facts(interaction, home, texts, spoken))
    choice = choose(home, held, automatic)
    customer = customer_id(interaction, tools.pseudonym)
    missing = [*lacking, *(f"rule:{rule}" for rule in failed)]
    if home.account is None:
        missing.append("account")
    if alias(interaction) is None:
        missing.append("customer")
    # Whoever reads automatic mail reads none of it closely: no language is asked for.
    asks = [] if choice.automatic or spoken == language.UNDETERMINED else [spoken]
    contact = ContactAdd(
        contact_id=interaction.id,
        conversation_key=interaction.conversation_key,
        customer_id=customer,
        channel=interaction.channel,
        account=home.account_id,
        language=spoken,
        queue=choice.queue,
        priority=choice.priority,
        requires=Requires(skills=choice.skills, languages=asks, **choice.more),
        labels=choice.labels,
        received_at_ms=received_at_ms(interaction),
        missing=missing,
        src=src,
        automatic=choice.automatic,
        no_auto_response=choice.automatic or admission.raised(interaction, "no_auto_response"),
        rule=choice.rule,
    )
    return Command(
        id=interaction.id,
        type="contact.add",
        pool=home.pool.name,
        actor=Actor(kind="customer", id=customer),
        via="triage",
        data=contact.to_dict(),
    )


def to_end(interaction: Interaction, reason: str, view: View, pseudonym: Pseudonym) -> Command:
    """The ``contact.end`` of an interaction that says that the customer left."""
    home = home_of(view, interaction.account, interaction.conversation_key)
    return Command(
        id=interaction.id,
        type="contact.end",
        pool=home.pool.name,
        actor=Actor(kind="customer", id=customer_id(interaction, pseudonym)),
        via="triage",
        data={"conversation_key": interaction.conversation_key, "reason": reason},
    )


def received_at_ms(interaction: Interaction) -> int:
    """Milliseconds UTC. Raises ``Poison`` where it is no ISO 8601 instant with an offset."""
    try:
        # Without an offset the subtraction is a TypeError.
        instant_ms = (datetime.fromisoformat(interaction.received_at) - _EPOCH) // _MS
    except (ValueError, TypeError, OverflowError):
        instant_ms = -1
    if not 0 <= instant_ms < INSTANT_MS_END:
        raise Poison(
            "received_at_invalid", "received_at is no ISO 8601 instant with an offset; mend ingest"
        )
    return instant_ms


def _texts(interaction: Interaction) -> dict[str, str]:
    """What was written, bounded; ``content`` is what is new: the subject and the own words."""
    subject, text = _bounded(interaction.subject), _bounded(interaction.text)
    reply = text if interaction.reply_text is None else _bounded(interaction.reply_text)
    return {
        "subject": subject,
        "text": text,
        "reply_text": reply,
        "content": f"{subject}\n{reply}" if subject else reply,
    }


def _facts(
    interaction: Interaction, home: Home, texts: dict[str, str], spoken: str
) -> dict[str, Any]:
    """The variables of an expression; see ``expressions.VARIABLES``."""
    return {
        **texts,
        "channel": interaction.channel,
        "account": home.account_id,
        "language": spoken,
        "sender_domain": _domain(interaction),
        "has_attachment": any(not item.inline for item in interaction.attachments),
        "is_reply": _is_reply(interaction),
        "attachments": [item.mime for item in interaction.attachments if not item.inline],
        **{f"flags.{name}": admission.raised(interaction, name) for name in FLAGS},
    }


def _language(interaction: Interaction, texts: dict[str, str], view: View, guesser: Guesser) -> str:
    """The language of an interaction. A reply's subject is that of what it answers.

    What a mail program or a browser is set to is a hint; what was picked in a widget is a choice.
    """
    is_mail = interaction.channel == "email"
    locale = (interaction.contact or {}).get("locale")
    return language.of_message(
        [texts["reply_text"], "" if _is_reply(interaction) else texts["content"]],
        view.channels.languages,
        guesser,
        chosen=None if is_mail else interaction.language,
        hinted=interaction.language if is_mail else (locale if isinstance(locale, str) else None),
    )


def _domain(interaction: Interaction) -> str:
    """The domain of the sender's address, a given one where the channel has none; else empty."""
    given = (item.value for item in interaction.sender.aliases if item.scheme == "mailto")
    for address in (interaction.sender.external_id, *given):
        if "@" in address:
            return address.rpartition("@")[2].strip().lower()
    return ""


def _is_reply(interaction: Interaction) -> bool:
    relations = interaction.relations
    return relations is not None and bool(relations.in_reply_to or relations.references)


def _bounded(text: str | None) -> str:
    """At most :data:`TEXT_CHARS_MAX` code points."""
    return (text or "")[:TEXT_CHARS_MAX]
