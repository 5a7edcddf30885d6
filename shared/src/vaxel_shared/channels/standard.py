"""Any program that signs by the Standard Webhooks specification.

Signature: ``webhook-signature: v1,<base64 HMAC-SHA256>`` over the webhook-id, the
webhook-timestamp (seconds) and the body, with dots between; several stand side by side, separated
by spaces, while a secret is exchanged. A secret is base64 after ``whsec_``.
Source: Standard Webhooks 1.0, sections "Signature scheme" and "Payload".

Body: ``{"type": "message.received", "timestamp": INSTANT, "data": {…}}``; ``data`` of a message:

    conversation_id   what belongs together; left out, all from one sender does
    message_id        the sender's own id; left out, the webhook-id
    sender            {id, name, email, email_verified, phone, phone_verified, locale}
    subject, text, language (what the customer chose), in_reply_to, target_id (edit, delete)
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Any

from vaxel_shared.channels import reading
from vaxel_shared.channels.platform import Home, Manifest, Platform, Request
from vaxel_shared.contracts.interaction import (
    Alias,
    Interaction,
    Kind,
    Party,
    Provider,
    Relations,
    Verification,
)
from vaxel_shared.ids import event_id

TOLERANCE_S = 300
"""As the specification's libraries: more than clocks differ by, too little to store and replay."""

MANIFEST = Manifest(
    slug="standard",
    channel="webhook",
    title="Standard Webhooks",
    scheme="standard-webhooks",
    tolerance_s=TOLERANCE_S,
)

SIGNATURES_MAX = 16
"""In one header: more than two live secrets need."""
TEXT_CHARS_MAX = 200_000
"""The body's limit holds first for all but ASCII."""

_ID = re.compile(r"[\x21-\x7e]{1,256}")
_SECONDS = re.compile(r"[0-9]{1,12}")
_KINDS: dict[str, Kind] = {
    "message": "message",
    "message.created": "message",
    "message.received": "message",
    "message.edited": "edit",
    "message.deleted": "delete",
    "message.read": "read",
}


def verify(request: Request, secrets: Sequence[str], now_ms: int) -> Verification:
    """Whether one of the secrets signed the request within the tolerance; the reason if not."""
    reason, key_id = _misfit(request, secrets, now_ms), None
    if reason is None:
        key_id = _matching_key(request, secrets)
        reason = None if key_id is not None else "signature_mismatch"
    return Verification(scheme=MANIFEST.scheme, key_id=key_id, ok=reason is None, reason=reason)


def sign(secret: str, webhook_id: str, seconds: int, body: bytes) -> str:
    """The header ``webhook-signature`` for a body. Raises ``ValueError`` for a bad secret."""
    key = _key(secret)
    if key is None:
        raise ValueError("a secret is base64 after whsec_")
    return f"v1,{base64.b64encode(_mac(key, webhook_id, str(seconds), body)).decode()}"


def _misfit(request: Request, secrets: Sequence[str], now_ms: int) -> str | None:
    """Why no signature can hold, before any is computed."""
    webhook_id, seconds, signature = _signed(request)
    if not (webhook_id and seconds and signature):
        return "header_missing"
    if not secrets:
        return "no_secret"
    if any(_key(secret) is None for secret in secrets):
        return "secret_invalid"
    if not _ID.fullmatch(webhook_id):
        return "id_invalid"
    if not _macs(signature):
        return "signature_malformed"
    return _untimely(seconds, now_ms)


def _untimely(seconds: str, now_ms: int) -> str | None:
    if not _SECONDS.fullmatch(seconds):
        return "timestamp_invalid"
    age_s = now_ms // 1000 - int(seconds)
    if abs(age_s) <= TOLERANCE_S:
        return None
    return "timestamp_old" if age_s > 0 else "timestamp_future"


def _matching_key(request: Request, secrets: Sequence[str]) -> str | None:
    """The number of the secret that signed, from 1; all are compared, so that time tells little."""
    webhook_id, seconds, signature = _signed(request)
    found: list[str] = []
    for number, secret in enumerate(secrets, 1):
        expected = _mac(_key(secret) or b"", webhook_id, seconds, request.body)
        found += [str(number) for mac in _macs(signature) if hmac.compare_digest(mac, expected)]
    return found[0] if found else None


def _signed(request: Request) -> tuple[str, str, str]:
    """Id, time and signatures, as they stand in the headers; empty where one is missing."""
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    webhook_id, seconds, signature = (request.header(name) or "" for name in names)
    return webhook_id, seconds, signature


def _mac(key: bytes, webhook_id: str, seconds: str, body: bytes) -> bytes:
    return hmac.digest(key, f"{webhook_id}.{seconds}.".encode() + body, hashlib.sha256)


def _macs(header: str) -> list[bytes]:
    """The signatures of version 1 in a header; others are of schemes that we don't know."""
    found = []
    for item in header.split()[:SIGNATURES_MAX]:
        version, _, encoded = item.partition(",")
        mac = _base64(encoded) if version == "v1" else None
        if mac:
            found.append(mac)
    return found


def _key(secret: str) -> bytes | None:
    """The bytes of a secret; None where it holds none, which must never count as a key."""
    return _base64(secret.strip().removeprefix("whsec_")) or None


def _base64(encoded: str) -> bytes | None:
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def normalize(request: Request, home: Home) -> list[Interaction]:
    """The one interaction of a request."""
    decoded = reading.decoded(request.body)
    payload = decoded if isinstance(decoded, dict) else {}
    data, name = reading.section(payload, "data"), payload.get("type")
    kind: Kind = _KINDS.get(name, "unsupported") if isinstance(name, str) else "unsupported"
    webhook_id = reading.identifier(request.header("webhook-id"))
    message_id = reading.identifier(data.get("message_id")) or webhook_id
    written = reading.text(data.get("text"), TEXT_CHARS_MAX)
    reason = _unsupported(kind, decoded, written)
    about = reading.section(data, "sender")
    sender, locale = _sender(about), reading.language(about.get("locale"))
    thread = reading.identifier(data.get("conversation_id"))
    if thread is None:
        thread = f"sender:{sender.external_id}" if sender.external_id else f"raw:{home.raw_sha256}"
    target = reading.identifier(data.get("target_id"))
    answered = reading.identifier(data.get("in_reply_to"))
    return [
        Interaction(
            # The body is part of it: an id used again for other words is another interaction.
            id=event_id("webhook", home.account_id, webhook_id or "", home.raw_sha256),
            conversation_key=home.conversation_key(MANIFEST.channel, thread),
            channel=MANIFEST.channel,
            account=home.account_id,
            direction="inbound",
            kind="unsupported" if reason else kind,
            sender=sender,
            subject=reading.line(data.get("subject"), reading.SUBJECT_CHARS_MAX),
            text=written,
            language=reading.language(data.get("language")),
            relations=(
                Relations(in_reply_to=answered, target_id=target) if answered or target else None
            ),
            provider=Provider(message_id=message_id, event_id=webhook_id),
            occurred_at=reading.instant(payload.get("timestamp")),
            received_at=home.received_at,
            status={"reason": reason} if reason else None,
            contact={"locale": locale} if locale else None,
            raw_ref=home.raw_ref,
            raw_sha256=home.raw_sha256,
            verification=home.verification,
        )
    ]


def _unsupported(kind: Kind, payload: Any, written: str | None) -> str | None:
    """Why a request tells nothing that we know; None where it does."""
    if not isinstance(payload, dict):
        return "body_not_json"
    if kind == "unsupported":
        return "type_unknown"
    return "text_missing" if kind in ("message", "edit") and written is None else None


def _sender(given: dict[str, Any]) -> Party:
    """Whoever wrote; what the signing program says it verified is verified."""
    aliases = []
    for scheme, key in (("mailto", "email"), ("tel", "phone")):
        value = reading.line(given.get(key), reading.NAME_CHARS_MAX)
        if value is not None:
            verified = given.get(f"{key}_verified") is True
            aliases.append(Alias(scheme=scheme, value=value, verified=verified))
    own = reading.identifier(given.get("id"))
    return Party(
        external_id=own or next((alias.value for alias in aliases), ""),
        name=reading.line(given.get("name"), reading.NAME_CHARS_MAX),
        aliases=aliases,
    )


PLATFORM = Platform(MANIFEST, verify, normalize)
