"""Cursors of lists: where a page ended, opaque to clients so that its meaning may change."""

from __future__ import annotations

import base64
import binascii
import json


def encode_cursor(opened_ms: int, case_id: str) -> str:
    """The cursor after a case."""
    raw = json.dumps([opened_ms, case_id], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> tuple[int, str]:
    """The inverse. Raises ``ValueError`` for anything that isn't one of ours."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        opened_ms, case_id = json.loads(raw)
    except (binascii.Error, TypeError, ValueError) as error:
        raise ValueError("not a cursor") from error
    if type(opened_ms) is not int or abs(opened_ms) >= 2**53 or not isinstance(case_id, str):
        raise ValueError("not a cursor")
    return opened_ms, case_id
