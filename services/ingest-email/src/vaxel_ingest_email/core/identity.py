"""What makes a mail this mail: its ids, its thread, its conversation.

An interaction's id is made of the account, the Message-ID and what the sender wrote (From, Date,
Subject, body), so a retry has the same id whatever trace lines relays put on top, and a Message-ID
used again for other words does not.
"""

from __future__ import annotations

import hashlib
import re

from vaxel_ingest_email.core.headers import Headers, one_line
from vaxel_ingest_email.core.limits import Limits
from vaxel_shared.ids import event_id

ID_CHARS_MAX = 900
"""A Message-ID must fit on one line of 998."""

_ANGLE = re.compile(r"<([^<>]{1,2000})>")
_BARE = re.compile(r"[^\s<>\"'(),;]{1,900}@[^\s<>\"'(),;]{1,255}")
_SPACE = re.compile(r"\s+")
_FIELDS = ("message-id", "from", "date", "subject")


def content_sha256(headers: Headers, body: bytes) -> str:
    """The hash of what the sender wrote; line ends and white space of folding don't count."""
    digest = hashlib.sha256()
    for name in _FIELDS:
        value = headers.raw(name) or b""
        digest.update(name.encode() + b":" + b" ".join(value.split()) + b"\n")
    digest.update(body.replace(b"\r\n", b"\n").rstrip(b"\n"))
    return digest.hexdigest()


def message_ids(value: str | None) -> list[str]:
    """Message ids of a field, without angle brackets and without the folds in them."""
    if not value:
        return []
    found = [_SPACE.sub("", item) for item in _ANGLE.findall(value)]
    if not found:
        found = _BARE.findall(value)
    return list(dict.fromkeys(item[:ID_CHARS_MAX] for item in found if item))


def own_id(headers: Headers, content: str) -> str:
    """The Message-ID, or one made of the content where the sender gave none."""
    value = headers.text("message-id") or ""
    found = message_ids(value)
    if found:
        return found[0]
    bare = _SPACE.sub("", one_line(value)).strip("<>")[:ID_CHARS_MAX]
    return bare or f"{content[:32]}@generated.invalid"


def references(headers: Headers, limits: Limits) -> list[str]:
    """The ids of References in order; of too many the first and the newest."""
    found = message_ids(b" ".join(headers.all("references")).decode("utf-8", "replace"))
    if len(found) > limits.references:
        found = [found[0], *found[-(limits.references - 1) :]]
    return [one_line(item) for item in found]


def interaction_id(account_id: str, message_id: str, content: str) -> str:
    """The id of a mail at one account."""
    return event_id("email", account_id, message_id.replace("\x1f", ""), content)
