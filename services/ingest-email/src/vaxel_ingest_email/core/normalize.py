"""Raw RFC 5322 bytes in, a normalised interaction out: pure, total, deterministic.

Nothing a sender writes makes this raise. A mail beyond the limits, or one that meets a bug of ours,
becomes an interaction of kind ``unsupported`` that names the reason and the raw mail.

:func:`parse` needs no key and no account, so that it can run in a process of its own;
:func:`address` makes the result an interaction of one account.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from vaxel_ingest_email.core import body as bodies
from vaxel_ingest_email.core import bounce, fields, flags, identity, mime, sanitize, segments
from vaxel_ingest_email.core.addresses import clean_address
from vaxel_ingest_email.core.fields import Envelope
from vaxel_ingest_email.core.headers import one_line, split
from vaxel_ingest_email.core.limits import DEFAULT, Limits, TooMuch, check_size
from vaxel_shared.blobs import ref_of
from vaxel_shared.contracts.cloudevents import iso_ms
from vaxel_shared.contracts.interaction import (
    Attachment,
    Interaction,
    Party,
    Provider,
    Relations,
)
from vaxel_shared.crypto.keys import Keyring

TEXT_BYTES_MAX = 64 * 1024
"""Longer text travels by reference (design 3.1)."""

REPLY_CHARS_MAX = 16 * 1024
"""What of the reply stands in the record where the whole text is referred to."""

SUBJECT_CHARS_MAX = 2_000
"""No honest subject comes near; the whole one stands in the raw mail."""


@dataclass(frozen=True, slots=True)
class AccountRef:
    """One of our addresses, as ``channels.yaml`` has it."""

    id: str
    address: str
    pool: str


RECORD_BYTES_MAX = 900 * 1024
"""The topic takes 1 MiB with key and headers."""

_TRIMMED = (("recipients", 500), ("segments", 500), ("attachments", 500), ("recipients", 0))
"""What a record too large loses, in this order; the raw mail has it all."""

UNKNOWN_ACCOUNT = AccountRef("unknown", "", "unknown")
"""Stands for the account where a mail is looked at outside a deployment."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes to store before the record; ``ref`` is what the record calls them."""

    kind: str
    data: bytes
    ref: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """A mail understood, not yet anybody's: ids and account of ``interaction`` are blank."""

    interaction: Interaction
    message_id: str
    content_sha256: str
    blobs: list[Blob] = field(default_factory=list)
    limit: str | None = None


@dataclass(frozen=True, slots=True)
class Normalized:
    """An interaction and what must be stored before it is told: raw mail, text, HTML, files."""

    interaction: Interaction
    parts: list[Blob]


def normalize(
    raw: bytes,
    envelope: Envelope | None,
    account: AccountRef | None,
    keyring: Keyring,
    received_at_ms: int,
    *,
    limits: Limits = DEFAULT,
) -> Normalized:
    """The interaction of a mail at one account. Never raises.

    Without an account the first recipient's address stands for it.
    """
    parsed = parse(raw, envelope, received_at_ms, limits)
    if account is None:
        first = next((item.external_id for item in parsed.interaction.recipients), "")
        account = AccountRef(UNKNOWN_ACCOUNT.id, first, UNKNOWN_ACCOUNT.pool)
    return Normalized(address(parsed, account, keyring), parsed.blobs)


def address(parsed: Parsed, account: AccountRef, keyring: Keyring) -> Interaction:
    """A parsed mail as an interaction of one account, small enough for its topic."""
    relations = parsed.interaction.relations
    thread = (relations.thread_root if relations else None) or parsed.message_id
    root = keyring.pseudonym("conversation", thread)
    interaction = parsed.interaction.model_copy(
        update={
            "id": identity.interaction_id(account.id, parsed.message_id, parsed.content_sha256),
            "conversation_key": f"{account.pool}|email|{account.id}|{root}",
            "account": account.address,
        }
    )
    for field_name, most in _TRIMMED:
        if len(interaction.to_json()) <= RECORD_BYTES_MAX:
            break
        kept = getattr(interaction, field_name)[:most]
        interaction = interaction.model_copy(update={field_name: kept})
    return interaction


def parse(
    raw: bytes, envelope: Envelope | None, received_at_ms: int, limits: Limits = DEFAULT
) -> Parsed:
    """A mail understood. Never raises; its time is bounded by the limits."""
    try:
        check_size(raw, limits)
        return _parse(raw, envelope or Envelope(), received_at_ms, limits)
    except TooMuch as error:
        return unsupported(raw, envelope, received_at_ms, f"limit:{error.limit}", limits)
    except Exception as error:  # noqa: BLE001 - a bug of ours must not cost anybody's mail
        return unsupported(raw, envelope, received_at_ms, f"error:{type(error).__name__}", limits)


def _parse(raw: bytes, envelope: Envelope, received_at_ms: int, limits: Limits) -> Parsed:
    root = mime.parse(raw, limits)
    headers = root.headers
    content = identity.content_sha256(headers, root.sent)
    message_id = one_line(identity.own_id(headers, content))
    sender = fields.sender(headers, envelope, limits)
    subject = (headers.text("subject") or "")[:SUBJECT_CHARS_MAX]
    found = bodies.collect(root, limits)
    null_sender = fields.null_sender(headers, envelope)
    report = bounce.detect(
        bounce.Suspect(root, sender.external_id, subject, found.text, null_sender), limits
    )
    parts = segments.segment(found.text, found.marks)
    blobs = [_blob("raw", raw)]
    text_fields = _text_fields(found, segments.reply_text(found.text, parts), blobs, limits)
    interaction = Interaction(
        **_blank(raw, received_at_ms),
        kind="message",
        sender=sender,
        recipients=fields.recipients(headers, envelope, limits),
        subject=subject or None,
        language=fields.language(headers),
        segments=parts,
        attachments=[_attachment(file, blobs) for file in found.files],
        relations=fields.relations(headers, message_id, limits),
        provider=Provider(message_id=message_id),
        occurred_at=fields.occurred(headers),
        flags=flags.judge(
            headers,
            sender=sender.external_id,
            null_sender=null_sender,
            report=report.kind,
            bounced=report.evidence,
            subject=subject,
        ),
        bounce=report.bounce,
        reply_context=fields.reply_to(headers, sender, limits),
        **text_fields,
    )
    return Parsed(interaction, message_id, content, blobs)


def unsupported(
    raw: bytes,
    envelope: Envelope | None,
    received_at_ms: int,
    reason: str,
    limits: Limits = DEFAULT,
) -> Parsed:
    """What is told of a mail that isn't parsed: who wrote, if that can be read, and why."""
    envelope = envelope or Envelope()
    try:
        headers, start = split(raw[: limits.header_bytes], limits)
        sender = fields.sender(headers, envelope, limits)
        content = identity.content_sha256(headers, raw[start:])
        message_id = one_line(identity.own_id(headers, content))
        relations = fields.relations(headers, message_id, limits)
        subject = (headers.text("subject") or "")[:SUBJECT_CHARS_MAX] or None
    except Exception:  # noqa: BLE001 - as above: the raw mail is kept, and that is told
        sender = Party(external_id=clean_address(envelope.mail_from or ""))
        content = hashlib.sha256(raw).hexdigest()
        message_id, subject = f"{content[:32]}@generated.invalid", None
        relations = Relations(thread_root=message_id)
    interaction = Interaction(
        **_blank(raw, received_at_ms),
        kind="unsupported",
        sender=sender,
        recipients=fields.envelope_recipients(envelope),
        subject=subject,
        relations=relations,
        provider=Provider(message_id=message_id),
        status={"reason": reason},
    )
    return Parsed(interaction, message_id, content, [_blob("raw", raw)], limit=reason)


def _blank(raw: bytes, received_at_ms: int) -> dict[str, str]:
    digest = hashlib.sha256(raw).hexdigest()
    return {
        "id": "",
        "conversation_key": "",
        "account": "",
        "channel": "email",
        "direction": "inbound",
        "received_at": iso_ms(received_at_ms),
        "raw_ref": f"raw/{digest}",
        "raw_sha256": digest,
    }


def _blob(kind: str, data: bytes) -> Blob:
    return Blob(kind, data, ref_of(kind, data))


def _text_fields(
    found: bodies.Body, reply: str, blobs: list[Blob], limits: Limits
) -> dict[str, str]:
    """The text itself or, where it is long, its reference; and the HTML's reference."""
    out: dict[str, str] = {}
    data = found.text.encode()
    if len(data) > TEXT_BYTES_MAX:
        blobs.append(_blob("text", data))
        out["text_ref"] = blobs[-1].ref
        out["reply_text"] = reply[:REPLY_CHARS_MAX]
    else:
        out["text"] = found.text
        out["reply_text"] = reply
    clean = sanitize.safe(found.html, limits) if found.html is not None else None
    if clean:
        blobs.append(_blob("html", clean.encode()))
        out["html_ref"] = blobs[-1].ref
    return out


def _attachment(file: bodies.File, blobs: list[Blob]) -> Attachment:
    """A file by reference, its bytes among the blobs."""
    blob = _blob("att", file.data)
    blobs.append(blob)
    return Attachment(
        name=file.name,
        mime=file.mime,
        size=len(file.data),
        sha256=blob.ref.partition("/")[2],
        ref=blob.ref,
        inline=file.inline,
    )
