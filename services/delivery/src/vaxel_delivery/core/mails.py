"""The mails that delivery writes: an answer, an acknowledgement, an offer, an assignment.

Pure: everything is handed in, the instant included, so that a repeat is the same mail. Raises
:class:`.addresses.BadAddress` where an address must not be used. Sources: RFC 3834 section 3
(automatic mail: empty return path, Auto-Submitted), RFC 5322 (headers).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from vaxel_delivery.core.addresses import address, clean, domain_of, is_safe
from vaxel_delivery.core.kept import Kept
from vaxel_delivery.core.mime import mailbox, render, text_value
from vaxel_delivery.core.texts.shape import Texts
from vaxel_delivery.core.threads import message_id, references, subject

NAME_CHARS_MAX = 120


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one recipient, ready to be sent; ids without angle brackets."""

    envelope_from: str
    """Empty for mail that nobody wrote: its bounces go nowhere, so they can't start a loop."""
    envelope_to: str
    message_id: str
    subject: str
    text: str
    in_reply_to: str | None
    references: tuple[str, ...]
    raw: bytes

    def __post_init__(self) -> None:
        # The SMTP client cuts an address at a line break instead of refusing it.
        assert is_safe(self.envelope_from), "an envelope sender that was checked"
        assert self.envelope_to, "a recipient"
        assert is_safe(self.envelope_to), "a recipient that was checked"


@dataclass(frozen=True, slots=True)
class Sender:
    """Which of our accounts writes, and under which name people see it."""

    address: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFacts:
    """What an agent is told of a case. No other customer's data, no other agent's."""

    number: str
    queue: str
    language: str | None
    priority: int | None
    since_ms: int | None
    subject: str
    first_lines: str
    known: bool = True
    """Whether the interaction behind it has been read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferFacts(CaseFacts):
    """What an offer's mail and page say."""

    made_ms: int
    expires_ms: int
    explain: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """What an answer answers, and as whom."""

    effect_id: str
    kept: Kept
    sender: Sender
    number: str | None
    now_ms: int


def reply(thread: Thread, text: str) -> Mail:
    """An agent's answer, in the customer's thread."""
    return _answer(thread, text, automatic=False)


def acknowledgement(thread: Thread, words: Texts, *, full: bool = False) -> Mail:
    """The message that a message has arrived: in its thread, in the customer's language.

    ``full``: and that it can't be taken up now.
    """
    said = words.full if full else words.acknowledgement
    text = said.format(number=thread.number, team=thread.sender.name)
    return _answer(thread, text, automatic=True)


def _answer(thread: Thread, text: str, *, automatic: bool) -> Mail:
    kept = thread.kept
    ours, theirs = address(thread.sender.address), address(kept.sender_address)
    chain = references(kept.references, kept.in_reply_to, kept.message_id)
    titled = subject(kept.subject, thread.number)
    own_id = message_id(thread.effect_id, domain_of(ours))
    headers = [
        ("From", mailbox(clean(thread.sender.name, NAME_CHARS_MAX), ours)),
        ("To", mailbox(clean(kept.sender_name, NAME_CHARS_MAX), theirs)),
        *_head(titled, own_id, thread.now_ms),
        *([("In-Reply-To", f"<{kept.message_id}>")] if kept.message_id else []),
        *([("References", " ".join(f"<{item}>" for item in chain))] if chain else []),
        *(_automatic("auto-replied") if automatic else []),
    ]
    return Mail(
        envelope_from="" if automatic else ours,
        envelope_to=theirs,
        message_id=own_id,
        subject=titled,
        text=text,
        in_reply_to=kept.message_id,
        references=tuple(chain),
        raw=render(headers, text),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ToAgent:
    """A mail to an agent: by which effect, from which account, to whom, in which words, when."""

    effect_id: str
    sender: Sender
    to: str
    to_name: str
    words: Texts
    now_ms: int


def offer(to_agent: ToAgent, facts: OfferFacts, link: str) -> Mail:
    """An offer to an agent, with the link that accepts or declines it."""
    words = to_agent.words
    titled = words.offer_subject.format(number=facts.number, queue=facts.queue)
    return _to_agent(to_agent, titled, offer_text(facts, words, to_agent.now_ms, link))


def assigned(to_agent: ToAgent, facts: CaseFacts, via: str) -> Mail:
    """That a case is an agent's who was never asked: by itself, or by a supervisor."""
    words = to_agent.words
    titled = words.assigned_subject.format(number=facts.number, queue=facts.queue)
    parts = [
        words.assigned_override if via == "override" else words.assigned_auto,
        _rows(facts, words, to_agent.now_ms),
        _quoted(facts, words),
        words.do_not_answer,
    ]
    return _to_agent(to_agent, titled, "\n\n".join(part for part in parts if part))


def _to_agent(to_agent: ToAgent, titled: str, text: str) -> Mail:
    ours, theirs = address(to_agent.sender.address), address(to_agent.to)
    own_id = message_id(to_agent.effect_id, domain_of(ours))
    headers = [
        ("From", mailbox(clean(to_agent.sender.name, NAME_CHARS_MAX), ours)),
        ("To", mailbox(clean(to_agent.to_name, NAME_CHARS_MAX), theirs)),
        *_head(titled, own_id, to_agent.now_ms),
        *_automatic("auto-generated"),
    ]
    return Mail("", theirs, own_id, titled, text, None, (), render(headers, text))


def offer_text(facts: OfferFacts, words: Texts, now_ms: int, link: str) -> str:
    """The body of an offer."""
    parts = [
        words.offer_intro,
        _rows(facts, words, now_ms),
        _quoted(facts, words),
        f"{words.why_you}: {why(facts.explain, words)}",
        until(facts, words),
        f"{words.open_link}\n{link}",
        words.do_not_answer,
    ]
    return "\n\n".join(part for part in parts if part)


def _rows(facts: CaseFacts, words: Texts, now_ms: int) -> str:
    return "\n".join(f"{label}: {value}" for label, value in offer_rows(facts, words, now_ms))


def _quoted(facts: CaseFacts, words: Texts) -> str:
    quoted = "\n".join(f"> {line}" for line in facts.first_lines.splitlines())
    return f"{words.first_lines}:\n{quoted}" if quoted else ""


def offer_rows(facts: CaseFacts, words: Texts, now_ms: int) -> list[tuple[str, str]]:
    """What is known of the case, as label and value."""
    waiting = "" if facts.since_ms is None else span(now_ms - facts.since_ms)
    rows = [
        (words.number, facts.number),
        (words.queue, facts.queue),
        (words.case_language, facts.language or ""),
        (words.priority, "" if facts.priority is None else str(facts.priority)),
        (words.waiting, waiting),
        (words.subject, facts.subject),
    ]
    return [(label, value) for label, value in rows if value]


def why(explain: dict[str, Any], words: Texts) -> str:
    """Why this agent, in words: how many could, and what made this one win."""
    eligible, candidates = int(explain.get("eligible", 1)), int(explain.get("candidates", 1))
    if eligible <= 1:
        return words.only_one.format(candidates=candidates)
    said = []
    for term in explain.get("terms", []):
        template = words.terms.get(str(term.get("code")))
        # The sticky term counts only where it is set; the others always say something.
        if template is not None and (term.get("code") != "sticky" or term.get("value")):
            said.append(template.format(value=term.get("value")))
    counted = words.candidates.format(eligible=eligible, candidates=candidates)
    return f"{counted} {'; '.join(said)}".strip()


def until(facts: OfferFacts, words: Texts) -> str:
    """How long the offer lasts, with the instant in UTC: an agent's zone isn't known here."""
    instant = datetime.fromtimestamp(facts.expires_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return words.until.format(limit=span(facts.expires_ms - facts.made_ms), instant=instant)


def span(duration_ms: int) -> str:
    """A duration for people, in units that all our languages share: ``2 h 5 min``, ``40 s``."""
    seconds = max(0, duration_ms) // 1000
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def _head(titled: str, own_id: str, now_ms: int) -> list[tuple[str, str]]:
    return [
        ("Subject", text_value(clean(titled, 400))),
        ("Date", format_datetime(datetime.fromtimestamp(now_ms // 1000, UTC))),
        ("Message-ID", f"<{own_id}>"),
    ]


def _automatic(how: str) -> list[tuple[str, str]]:
    return [("Auto-Submitted", how), ("X-Auto-Response-Suppress", "All")]
