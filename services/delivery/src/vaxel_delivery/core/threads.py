"""What keeps a conversation together in the customer's mail program: ids, chain and subject.

Sources: RFC 5322 section 3.6.4 (In-Reply-To, References), RFC 1036 section 3.4 (trimming keeps the
first and the last ids).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vaxel_delivery.core.addresses import clean
from vaxel_shared.ids import event_id

REFERENCES_MAX = 20
"""Longer chains meet relays that refuse the header; the first id is the thread's root."""

ID_CHARS_MAX = 250
SUBJECT_CHARS_MAX = 200

_ID = re.compile(r"^[!-;=?-~]+$")  # printable ASCII without space, < and >
_REPLY = re.compile(
    r"^(re|aw|sv|vs|vast|antw|wg|fw|fwd|rép|réf|tr|vb|vl|auto)\s*(\[\d+\]|\(\d+\))?\s*[:：]\s*",  # noqa: RUF001 - the full-width colon is what some programs write
    re.IGNORECASE,
)


def message_id(effect_id: str, domain: str) -> str:
    """The Message-ID of an effect's mail, without brackets: a repeat has the id it had before."""
    return f"{event_id('message', effect_id)}@{domain}"


def valid_ids(ids: Sequence[str]) -> list[str]:
    """Those of ``ids`` that may stand in a header, each once, in order."""
    kept: dict[str, None] = {}
    for item in ids:
        if len(item) <= ID_CHARS_MAX and _ID.match(item):
            kept.setdefault(item)
    return list(kept)


def references(chain: Sequence[str], in_reply_to: str | None, parent: str | None) -> list[str]:
    """The References of an answer to ``parent``, whose own were ``chain``.

    A parent without References counts its In-Reply-To as its chain. Of more than
    :data:`REFERENCES_MAX` the first and the last stay.
    """
    ids = list(chain) or ([in_reply_to] if in_reply_to else [])
    if parent is not None:
        ids = [item for item in ids if item != parent] + [parent]
    ids = valid_ids(ids)
    if len(ids) > REFERENCES_MAX:
        ids = [ids[0], *ids[-(REFERENCES_MAX - 1) :]]
    return ids


def subject(original: str | None, number: str | None) -> str:
    """``Re: <original> [<number>]``: one ``Re:`` and one number, however often it was answered."""
    text = clean(original, SUBJECT_CHARS_MAX * 4)
    tag = f"[{number}]" if number else ""
    if tag:
        text = " ".join(text.replace(tag, " ").split())
    while found := _REPLY.match(text):
        text = text[found.end() :]
    return " ".join(part for part in ("Re:", clean(text, SUBJECT_CHARS_MAX), tag) if part)
