"""The mails that `vaxel send email` sends: examples that come along, or one made up on the spot.

Examples are whole mails as customers would write them (``examples/*.eml``), so that each also works
with `vaxel normalize email`. What makes a mail *this* one, Message-ID and Date, is new every time.
"""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid, parseaddr
from importlib import resources
from typing import Any

from vaxel_cli.console import wrong_use

CUSTOMER = "Casey Customer <casey@customer.example>"
"""Who writes when nobody is named."""
MARK = "X-Vaxel-Example"
"""A header of an example that says how to send it; it never leaves this machine."""
MESSAGE_ID_DOMAIN = "mail.customer.example"
REFERENCES_MAX = 20
"""Ids of a thread that are kept; the first names the conversation, so it always stays."""


@dataclass(frozen=True, slots=True)
class Fields:
    """What the caller says of a mail; what is None comes from the example or a default."""

    sender: str | None = None
    to: str | None = None
    subject: str | None = None
    text: str | None = None
    in_reply_to: str | None = None


def example_names() -> list[str]:
    """The examples, by name."""
    files = (resources.files("vaxel_cli") / "examples").iterdir()
    return sorted(file.name.removesuffix(".eml") for file in files if file.name.endswith(".eml"))


def example(name: str) -> EmailMessage:
    """One example. Raises (exit 2) for an unknown name."""
    if name not in example_names():
        raise wrong_use(f"no example {name!r}; there are {', '.join(example_names())}")
    raw = (resources.files("vaxel_cli") / "examples" / f"{name}.eml").read_bytes()
    return email.message_from_bytes(raw, policy=email.policy.SMTP)


def is_reply(message: EmailMessage) -> bool:
    """Whether an example only makes sense as an answer to a mail of ours."""
    return str(message[MARK]) == "reply"


def prepare(message: EmailMessage, fields: Fields, mailboxes: list[str]) -> EmailMessage:
    """The message with the caller's fields, a new Message-ID and the present date.

    ``mailboxes`` are the deployment's addresses: the first is written to where nothing else says.
    Raises (exit 2) where an address is none.
    """
    _replace(message, "From", _address(fields.sender or message["From"] or CUSTOMER))
    _replace(message, "To", _address(fields.to or message["To"] or (mailboxes or [""])[0]))
    if fields.subject is not None or message["Subject"] is None:
        _replace(message, "Subject", fields.subject or "A question")
    if fields.text is not None:
        _set_text(message, fields.text)
    del message[MARK]
    _replace(message, "Date", format_datetime(datetime.now(UTC)))
    _replace(message, "Message-ID", make_msgid(domain=MESSAGE_ID_DOMAIN))
    if fields.in_reply_to is not None:
        _thread(message, fields.in_reply_to, [])
    return message


def answer(message: EmailMessage, ours: dict[str, Any]) -> None:
    """Make ``message`` an answer to a mail of ours, as a customer's mail program would.

    ``ours`` is an item of the sink's API: ``{"subject", "headers": {…}}``.
    """
    headers = {str(name).lower(): str(value) for name, value in ours["headers"].items()}
    _thread(message, headers.get("message-id", ""), headers.get("references", "").split())
    address = parseaddr(headers.get("reply-to") or headers.get("from") or "")[1]
    if address:
        _replace(message, "To", address)
    subject = str(ours.get("subject") or "")
    if subject:
        _replace(message, "Subject", subject if _answers(subject) else f"Re: {subject}")


def address_of(header: str) -> str:
    """The bare address of a From or To header."""
    return parseaddr(header)[1]


def _answers(subject: str) -> bool:
    return subject.lower().startswith("re:")


def _thread(message: EmailMessage, parent: str, ancestors: list[str]) -> None:
    parent = parent if parent.startswith("<") else f"<{parent}>"
    known = [item for item in ancestors if item != parent]
    kept = known[:1] + known[1:][-(REFERENCES_MAX - 2) :]
    _replace(message, "In-Reply-To", parent)
    _replace(message, "References", " ".join([*kept, parent]))


def _set_text(message: EmailMessage, text: str) -> None:
    for name in ("Content-Type", "Content-Transfer-Encoding", "Content-Disposition"):
        del message[name]
    message.set_content(text if text.endswith("\n") else f"{text}\n")


def _address(header: str) -> str:
    if "@" not in address_of(header) or any(mark in header for mark in "\r\n"):
        raise wrong_use(f"{header!r} is no mail address; write it like casey@customer.example")
    return header


def _replace(message: EmailMessage, name: str, value: str) -> None:
    del message[name]
    message[name] = value
