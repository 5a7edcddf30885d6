"""What header fields and the envelope tell: who, to whom, when, in which thread."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vaxel_ingest_email.core import identity
from vaxel_ingest_email.core.addresses import Mailbox, clean_address, parse_list
from vaxel_ingest_email.core.dates import parse_ms
from vaxel_ingest_email.core.headers import Headers
from vaxel_ingest_email.core.limits import Limits, TooMuch
from vaxel_shared.contracts.cloudevents import iso_ms
from vaxel_shared.contracts.interaction import Alias, Party, Recipient, Relations

_SENDER_FIELDS = ("from", "reply-to", "return-path", "sender")
"""The first of them that holds an address names the sender."""

_LANGUAGE = re.compile(r"^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,2}$")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What SMTP said: an empty ``mail_from`` is the null sender, None is not known."""

    mail_from: str | None = None
    rcpt_to: tuple[str, ...] = ()


def sender(headers: Headers, envelope: Envelope, limits: Limits) -> Party:
    """Whoever wrote; ``external_id`` is empty where nobody can be told."""
    given: dict[str, list[Mailbox]] = {}
    for name in _SENDER_FIELDS:
        boxes = [box for value in headers.all(name) for box in parse_list(value, limits)]
        given[name] = boxes
    every = [box for name in _SENDER_FIELDS for box in given[name]]
    found = next((box for box in every if box.address), None)
    address = found.address if found else clean_address(envelope.mail_from or "")
    called = found.name if found else None
    if called is None:
        same = (box.name for box in every if box.name and box.address.lower() == address.lower())
        called = next(same, None) or next((box.name for box in given["from"] if box.name), None)
    aliases = [Alias(scheme="mailto", value=address.lower())] if address else []
    return Party(external_id=address, name=called, aliases=aliases)


def reply_to(headers: Headers, author: Party, limits: Limits) -> dict[str, object] | None:
    """Where answers go, where that isn't the sender."""
    for value in headers.all("reply-to"):
        for box in parse_list(value, limits):
            if box.address and box.address.lower() != author.external_id.lower():
                return {"reply_to": box.address, **({"name": box.name} if box.name else {})}
            if box.address:
                return None
    return None


def recipients(headers: Headers, envelope: Envelope, limits: Limits) -> list[Recipient]:
    """Everybody it was sent to, then the envelope's."""
    out: list[Recipient] = []
    seen: set[tuple[str, str]] = set()
    left = limits.addresses
    for role in ("to", "cc", "bcc"):
        for value in headers.all(role):
            boxes = parse_list(value, limits)
            left -= len(boxes)
            if left < 0:
                raise TooMuch("addresses")
            for box in boxes:
                key = (role, box.address.lower())
                if box.address and key not in seen:
                    seen.add(key)
                    out.append(
                        Recipient.model_validate(
                            {"role": role, "external_id": box.address, "name": box.name}
                        )
                    )
    return out + envelope_recipients(envelope)


def envelope_recipients(envelope: Envelope) -> list[Recipient]:
    """The envelope's recipients alone."""
    cleaned = dict.fromkeys(clean_address(item) for item in envelope.rcpt_to)
    return [Recipient(role="envelope", external_id=item) for item in cleaned if item]


def null_sender(headers: Headers, envelope: Envelope) -> bool:
    """Whether it came from nobody (RFC 5321, 4.5.5): an automatic message that wants no answer."""
    if envelope.mail_from is not None:
        return envelope.mail_from in ("", "<>")
    values = [value.strip() for value in headers.all("return-path")]
    return bool(values) and values[0] in (b"<>", b"< >", b'<"">')


def relations(headers: Headers, message_id: str, limits: Limits) -> Relations:
    """The thread: the first of References, else In-Reply-To, else the mail itself."""
    chain = identity.references(headers, limits)
    answered = identity.message_ids(headers.text("in-reply-to"))
    root = chain[0] if chain else answered[0] if answered else message_id
    return Relations(
        in_reply_to=answered[0] if answered else None, references=chain, thread_root=root
    )


def occurred(headers: Headers) -> str | None:
    """When the sender says it was sent, else when the first server that says so received it."""
    instant = parse_ms(headers.text("date"))
    if instant is None:
        for value in reversed(headers.all("received")[-20:]):
            instant = parse_ms(value.rpartition(b";")[2].decode("ascii", "replace"))
            if instant is not None:
                break
    return None if instant is None else iso_ms(instant)


def language(headers: Headers) -> str | None:
    """The one language that the sender's program names, if it does."""
    tag = (headers.text("content-language") or "").strip()
    return tag if _LANGUAGE.match(tag) else None
