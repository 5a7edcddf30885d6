"""What a language has to provide; a test holds every file to the same placeholders."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The words of one language. Names in braces are filled in; no text says more than it knows."""

    language: str

    acknowledgement: str
    """``{number}``, ``{team}``."""
    chat_acknowledgement: str
    """``{number}``; short: it stands in a small window."""

    full: str
    """``{number}``, ``{team}``: nobody can take it up now; whoever insists writes again."""
    chat_full: str
    """``{number}``."""

    offer_subject: str
    """``{number}``, ``{queue}``."""
    offer_intro: str
    number: str
    queue: str
    case_language: str
    priority: str
    waiting: str
    subject: str
    first_lines: str
    why_you: str
    until: str
    """``{limit}``, ``{instant}``."""
    assigned_subject: str
    """``{number}``, ``{queue}``."""
    assigned_auto: str
    """Nobody is asked about such work."""
    assigned_override: str
    """A supervisor gave it."""
    open_link: str
    do_not_answer: str

    candidates: str
    """``{eligible}``, ``{candidates}``."""
    only_one: str
    """``{candidates}``."""
    terms: dict[str, str]
    """By code of the score's term, ``{value}``; a code that isn't here is left out."""

    accept: str
    decline: str
    decline_reason: str
    decline_reasons: dict[str, str]
    """By code; the code travels, never free text."""

    is_open: str
    accepted: str
    declined: str
    expired: str
    withdrawn: str
    refused: str
    """``{code}``."""
    pending: str
    not_found: str
    try_again: str
    nothing_changed: str
