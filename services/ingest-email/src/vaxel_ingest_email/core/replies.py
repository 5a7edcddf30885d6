"""What the receiver says, with enhanced status codes (RFC 3463) on every reply (RFC 2034)."""

from __future__ import annotations

import re

from vaxel_ingest_email.core.charsets import clean

GOODBYE = "421 4.3.2 Stopping; try again in a minute"
TROUBLE = "451 4.3.0 Trouble of our own; try again, nothing was lost"
BUSY = "452 4.3.1 Too much mail at once; try again in a minute"
TOO_LARGE = "552 5.3.4 Message larger than {limit} bytes"
TOO_MANY_RECIPIENTS = "452 4.5.3 More than {limit} recipients; send the rest separately"
TOO_MANY_CONNECTIONS = "421 4.7.0 Too many connections; try again in a minute"
TOO_FAST = "451 4.7.1 Too many mails from your network; try again in a minute"
TOO_SLOW = "421 4.4.2 Too slow; try again"
TOO_MANY_UNKNOWN = "421 4.7.0 Too many unknown recipients"
LOOP = "554 5.4.6 Passed more than {limit} servers: it goes round in circles"
ACCEPTED = "250 2.0.0 Accepted as {ids}"

_ENHANCED = re.compile(r"^\d{3}[ -]\d\.\d{1,3}\.\d{1,3}(?: |$)")
_CODES = {
    "250": "2.0.0", "251": "2.1.5", "252": "2.5.2", "221": "2.0.0", "421": "4.3.2", "450": "4.2.0",
    "451": "4.3.0", "452": "4.3.1", "454": "4.7.0", "500": "5.5.2", "501": "5.5.4", "502": "5.5.1",
    "503": "5.5.1", "504": "5.5.4", "550": "5.1.1", "552": "5.3.4", "553": "5.1.3", "554": "5.0.0",
    "555": "5.5.4",
}  # fmt: skip


def enhance(reply: str) -> str:
    """A one-line reply with its enhanced code, where it has none and its class allows one."""
    code = _CODES.get(reply[:3])
    if code is None or _ENHANCED.match(reply) or reply[3:4] != " ":
        return reply
    return f"{reply[:3]} {code}{reply[3:]}"


def unknown_recipient(address: str) -> str:
    """The refusal of an address that isn't ours."""
    return f"550 5.1.1 <{printable(address)}> is no mailbox of ours"


def printable(text: str) -> str:
    """``text`` for a reply line: clean, on one line, bounded."""
    return re.sub(r"[\r\n<>]", " ", clean(text))[:320]


def hops(raw: bytes) -> int:
    """How many servers say that they passed a mail on (its Received fields)."""
    head = raw[:262_144]
    end = head.find(b"\r\n\r\n")
    return len(re.findall(rb"(?im)^received:", head if end < 0 else head[:end]))
