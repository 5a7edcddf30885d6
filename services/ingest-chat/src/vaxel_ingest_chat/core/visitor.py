"""Who chats: an anonymous visitor with one conversation at one account, proven by a signed token.

The token is all that the widget keeps; it names no person and opens nothing but its conversation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from vaxel_ingest_chat.core import cursor
from vaxel_ingest_chat.core.cursor import Cursor
from vaxel_shared.crypto import tokens
from vaxel_shared.crypto.keys import Keyring

PURPOSE = "visitor"
RENEW_SHARE = 2
"""A token is renewed once half of its life is over."""

_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Visitor:
    """``start`` is where the log stood when the conversation began: nothing of it is before."""

    account_id: str
    visitor_id: str
    conversation_id: str
    start: Cursor
    issued_ms: int

    def token(self, keyring: Keyring) -> str:
        """The visitor's token."""
        payload = {
            "a": self.account_id,
            "v": self.visitor_id,
            "c": self.conversation_id,
            "s": str(self.start),
            "i": self.issued_ms,
        }
        return tokens.sign(keyring, PURPOSE, payload)

    def conversation_key(self, pool: str, keyring: Keyring) -> str:
        """The key of the conversation on the log."""
        root = keyring.pseudonym("conversation", self.conversation_id)
        return f"{pool}|chat|{self.account_id}|{root}"

    def is_due(self, now_ms: int, ttl_ms: int) -> bool:
        """Whether the token should be renewed."""
        return now_ms - self.issued_ms > ttl_ms // RENEW_SHARE


def read(
    keyring: Keyring, token: object, account_id: str, now_ms: int, ttl_ms: int
) -> Visitor | None:
    """The visitor that a token names; None for one of others, of another account, too old."""
    payload = tokens.verify(keyring, PURPOSE, token) if isinstance(token, str) else None
    found = _of(payload) if payload is not None else None
    if found is None or found.account_id != account_id or found.issued_ms + ttl_ms < now_ms:
        return None
    return found


def _of(payload: dict[str, Any]) -> Visitor | None:
    start, issued = cursor.parse(payload.get("s")), payload.get("i")
    names = [payload.get(name) for name in ("v", "c")]
    if start is None or not isinstance(issued, int):
        return None
    if not all(isinstance(name, str) and _ID.fullmatch(name) for name in names):
        return None
    return Visitor(str(payload.get("a")), str(names[0]), str(names[1]), start, issued)
