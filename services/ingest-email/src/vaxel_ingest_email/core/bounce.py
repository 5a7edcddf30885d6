"""Delivery failures that came back: RFC 3464 reports, and the best known forms before them.

A report of a delay or of success is no bounce. The class is read from the enhanced status code:
4.x.x and full mailboxes are soft, other 5.x.x hard.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from vaxel_ingest_email.core import charsets
from vaxel_ingest_email.core.addresses import clean_address
from vaxel_ingest_email.core.headers import Headers, split
from vaxel_ingest_email.core.limits import Limits, TooMuch
from vaxel_ingest_email.core.mime import Part
from vaxel_shared.contracts.interaction import Bounce

RECIPIENTS_MAX = 100
"""Recipients kept of one report."""

_TEXT_MAX = 20_000
_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_REPLY = re.compile(r"\b([45]\d\d)\b(?:[ -]|$)")
_SOFT = re.compile(r"^(?:4\.|5\.2\.2|5\.3\.1|5\.4\.5|5\.3\.4\b)")
_IDS = re.compile(r"<([^<>\s]{1,900})>")
_ADDRESS = re.compile(r"<?([^\s<>()\[\],;:\"]{1,64}@[A-Za-z0-9.-]{1,190}[A-Za-z0-9])>?")
_DAEMON = re.compile(
    r"^(?:mailer-?daemon|postmaster|mail\.?delivery|bounce-?handler)\b", re.IGNORECASE
)
_SUBJECT = re.compile(
    r"^\W{0,4}(?:undeliver(?:able|ed)|returned (?:mail|to sender)|mail (?:delivery )?(?:failed"
    r"|failure|system error)|delivery (?:status notification|failure|failed|has failed"
    r"|notification|problem|error)|failure notice|non[ -]?delivery|message (?:undeliverable"
    r"|not delivered|could not be delivered)|unzustellbar|nicht zustellbar|non remis"
    r"|échec de (?:la )?remise|no se puede entregar|mancato recapito|non recapitabile"
    r"|niet bezorg|olevererbar|ikke levert|kan ikke leveres|kunne ikke leveres"
    r"|toimittaminen epäonnistui|niedostarczalne|nie można dostarczyć|недоставлен|配信(?:不能"
    r"|エラー)|投递失败|邮件退回|退信)",
    re.IGNORECASE,
)
_QMAIL = "this is the qmail-send program"
_FAILED = re.compile(
    r"(?:permanent fatal errors|could not be delivered|couldn't be delivered|was not delivered"
    r"|delivery to the following|following address(?:es)? (?:had|failed)|unable to deliver"
    r"|user unknown|mailbox unavailable|mailbox is full|over quota|does not exist|no such user"
    r"|recipient (?:address )?rejected)",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Report:
    """What was found: ``evidence`` is empty where it is no bounce."""

    kind: str = ""
    evidence: list[str] = field(default_factory=list)
    bounce: Bounce | None = None


@dataclass(frozen=True, slots=True)
class Suspect:
    """A mail that may be a bounce; ``null_sender``: it came from the empty address."""

    root: Part
    sender: str
    subject: str
    text: str
    null_sender: bool


@dataclass(slots=True)
class _Found:
    statuses: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)


def detect(mail: Suspect, limits: Limits) -> Report:
    """The report in a mail, if it is one."""
    root = mail.root
    kind = root.params.get("report-type", "").lower() if root.mime == "multipart/report" else ""
    status = _part(root, ("message/delivery-status", "message/global-delivery-status"))
    if status is not None:
        found = _status_fields(status, limits)
        kind = kind or "delivery-status"
        if found.actions and not {"failed"} & set(found.actions):
            return Report(f"delivery-status-{found.actions[0]}"[:40])
        original = _original_id(root, "", limits)
        return Report(kind, [f"report:{kind}"], _bounce(found, original))
    if kind == "disposition-notification" or _part(root, ("message/disposition-notification",)):
        return Report("disposition-notification")
    if kind and kind != "delivery-status":
        return Report(re.sub(r"[^a-z-]", "", kind)[:40])
    return _without_report(mail, limits)


def _without_report(mail: Suspect, limits: Limits) -> Report:
    """Bounces of programs that don't write RFC 3464: at least two signs are needed."""
    root, head = mail.root, mail.text[:_TEXT_MAX]
    failed = root.headers.text("x-failed-recipients")
    signs = {
        "header:x-failed-recipients": failed is not None,
        "sender:daemon": _DAEMON.match(mail.sender) is not None,
        "subject:bounce": _SUBJECT.match(mail.subject) is not None,
        "text:qmail": _QMAIL in head.lower(),
        "text:failed": _FAILED.search(head) is not None,
    }
    evidence = [code for code, seen in signs.items() if seen]
    if mail.null_sender:
        evidence.append("return-path:null")
    own = {"header:x-failed-recipients", "text:qmail"} & set(evidence)
    from_daemon = bool({"sender:daemon", "return-path:null"} & set(evidence))
    if not own and not (from_daemon and signs["text:failed"]):
        return Report()
    found = _Found(statuses=_STATUS.findall(head)[:10])
    if not found.statuses and (reply := _REPLY.search(head)):
        found.statuses = [f"{reply[1][0]}.0.0"]
    listed = failed or head
    found.recipients = [
        address
        for item in _ADDRESS.findall(listed)[:20]
        if (address := clean_address(item)) and not _DAEMON.match(address)
    ][: RECIPIENTS_MAX if failed else 1]
    return Report("", evidence, _bounce(found, _original_id(root, head, limits)))


def _bounce(found: _Found, original: str | None) -> Bounce:
    statuses = list(dict.fromkeys(status for status in found.statuses if status[0] in "45"))
    soft = bool(statuses) and all(_SOFT.match(status) for status in statuses)
    return Bounce.model_validate(
        {
            "class": "soft" if soft else "hard",
            "status": statuses,
            "recipients": list(dict.fromkeys(found.recipients))[:RECIPIENTS_MAX],
            "original_message_id": original,
        }
    )


def _status_fields(part: Part, limits: Limits) -> _Found:
    """The groups of fields of a delivery-status part, separated by blank lines."""
    found = _Found()
    data = part.data().replace(b"\r\n", b"\n")[: limits.header_bytes]
    for group in re.split(rb"\n[ \t]*\n", data)[: RECIPIENTS_MAX + 1]:
        try:
            headers, _ = split(group.lstrip(b"\n") + b"\n\n", limits)
        except TooMuch:
            continue
        _one_group(headers, found)
    return found


def _one_group(headers: Headers, found: _Found) -> None:
    action = (headers.text("action") or "").lower()
    if not action and not headers.has("final-recipient") and not headers.has("status"):
        return
    if action:
        found.actions.append(action.split()[0].strip(";,"))
    if action and not action.startswith("failed"):
        return
    given = headers.text("original-recipient") or headers.text("final-recipient") or ""
    final = headers.text("final-recipient") or given
    if address := clean_address(final.rpartition(";")[2]) or clean_address(
        given.rpartition(";")[2]
    ):
        found.recipients.append(address)
    diagnostic = (headers.text("diagnostic-code") or "")[:2_000]
    status = _STATUS.search(headers.text("status") or "")
    precise = _STATUS.search(diagnostic)
    if status and not (precise and status[1].endswith(".0.0") and precise[1][0] in "45"):
        found.statuses.append(status[1])
    elif precise:
        found.statuses.append(precise[1])
    elif reply := _REPLY.search(diagnostic):
        found.statuses.append(f"{reply[1][0]}.0.0")


def _original_id(root: Part, text: str, limits: Limits) -> str | None:
    """The Message-ID of the mail that came back, from what the report returns of it."""
    returned = _part(
        root, ("message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers")
    )
    data = returned.data() if returned is not None else b""
    if data:
        try:
            headers, _ = split(data, limits)
        except TooMuch:
            return None
        found = _IDS.search(headers.text("message-id") or "")
        return found[1] if found else None
    line = re.search(
        r"^[> ]{0,4}message-id:\s*<([^<>\s]{1,900})>", text, re.IGNORECASE | re.MULTILINE
    )
    return charsets.clean(line[1]) if line else None


def _part(root: Part, kinds: tuple[str, ...]) -> Part | None:
    """The first part of one of these types, mails inside the mail not searched."""
    stack = [root]
    while stack:
        part = stack.pop()
        if part.mime in kinds:
            return part
        stack.extend(reversed(part.children))
    return None
