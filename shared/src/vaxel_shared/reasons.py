"""The reason codes of decisions, in words: the one place that knows them.

Decisions carry codes with parameters, never sentences, so that they mean the same in any language
and hold nobody's data. A code that isn't here is shown as it is: an older reader must not fail on a
newer engine. Pure; the console translates these texts, the command line shows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vaxel_shared.contracts.cloudevents import iso_ms

REJECTIONS = {
    "not_in_tier": "not in a tier that this step reaches",
    "presence_away": "away",
    "presence_offline": "offline",
    "presence_lost": "lost the connection a moment ago",
    "presence_off_shift": "off shift",
    "resting": "has a pause after hard work",
    "share_full": "has had the agreed share of work for now",
    "occupancy_full": "had work in hand for as much of the time as agreed",
    "channel_off": "takes nothing of this channel for now",
    "offers_full": "has as many open offers as allowed",
    "language_missing": "doesn't speak the language",
    "skill_missing": "lacks a skill",
    "skill_level": "skill level too low",
    "skill_above": "skill level above what this needs: kept free for harder work",
    "needs_unmet": "lacks the skills that are asked for together",
    "left_out": "left out by the policy",
    "channel_closed": "doesn't take this channel",
    "channel_full": "has the most work of this channel already",
    "capacity_full": "no capacity left",
    "barred": "declined or missed this work not long ago",
    "offer_pending": "has an offer open already",
    "wrapping": "is finishing up earlier work",
    "reserved_for_other": "the work waits for somebody else first",
}
"""Why a candidate was ruled out: the first predicate that it failed."""

HELD = {
    "queue_closed": "its queue is closed",
    "offered_too_often": "it was offered as often as work may be",
    "collecting": "it is collected, to be matched together with what else comes",
}
"""What keeps a waiting work from everybody alike."""

TERMS = {
    "sticky": "answered this customer last",
    "tier": "in tier (the lowest first)",
    "preferred": "preferred by the policy (the most first)",
    "turn": "had the last turn the longest ago",
    "load": "load in thousandths of the capacity",
    "wished": "skills that are wished for (the most first)",
    "language_level": "level in the language",
    "spare_skill": "skill beyond what is needed (less is better: it keeps rare skills free)",
    "idle_since_ms": "without new work the longest",
}
"""What made the winner win, in the order of comparison."""

_YES_OR_NO = frozenset({"sticky"})

REFUSALS = {
    "unknown_case": "there is no such case",
    "unknown_agent": "there is no such agent in this pool",
    "unknown_offer": "there is no such offer",
    "unknown_queue": "there is no such queue in this pool",
    "stale_token": "the offer or assignment is no longer the current one; look again",
    "not_owner": "somebody else has this work",
    "wrong_state": "the case or work isn't in a state that allows it",
    "newer_message": "the customer has written since; read that first",
    "no_policy": "no routing policy is in force yet",
    "not_supported": "this isn't supported",
    "not_allowed": "the role doesn't allow it",
    "bounce_limit": "it was handed on as often as it may be; keep it, or escalate it",
    "handed_over": "it lives in another pool now",
    "unknown_pool": "there is no such pool, or it has no policy yet",
    "channel_not_served": "nobody in that pool takes this channel",
    "has_questions": "others were asked about it; wait for their answers first",
    "is_question": "no customer would read this; answer what was asked",
    "too_many_questions": "others were asked too often about it",
    "explanation_missing": "a complaint ends with an explanation; say which reply it is",
    "not_independent": "whoever had the complaint doesn't look at it again",
    "stage_over": "that stage of the complaint is over",
    "no_authority": "whoever is asked may not grant as much",
    "needs_approval": "it is more than you may grant; ask for an approval first",
    "queue_full": "as much waits or is open there as may",
    "unknown_presence": "the policy knows no presence of this name",
    "invalid_data": "the command holds data that make no sense",
}
"""Why a command changed nothing."""

OUTCOMES = {
    "accepted": "accepted",
    "declined": "declined",
    "expired": "not answered in time",
    "withdrawn": "withdrawn",
    "unseen": "never reached the agent",
}
"""How an offer ended."""


def rejection(code: str, params: Mapping[str, Any] | None = None) -> str:
    """Why a candidate was ruled out, e.g. ``skill level too low (skill billing, level 2)``."""
    return _text(REJECTIONS, code, params)


def held(code: str, params: Mapping[str, Any] | None = None) -> str:
    """What keeps a waiting work from everybody."""
    return _text(HELD, code, params)


def term(code: str, value: int) -> str:
    """One term of a winner's score: ``level in the language: 8``."""
    return f"{TERMS.get(code, code)}: {_value(code, value)}"


def window(told: Mapping[str, Any], alone: str | None = None) -> str:
    """How well it was matched together with others; ``alone``: whose it would have been."""
    if told.get("method") != "best":
        return "one by one: there was too much to be matched together"
    gap = told.get("gap", 0)
    served = f"{told.get('matched')} of {told.get('works')} works to {told.get('agents')} agents"
    how = f"perhaps {gap} more could have been served" if gap else "the best there is"
    by_itself = f"; by itself it would have gone to {alone}" if alone else ""
    return f"matched together, {served}: {how}{by_itself}"


def queue_order(names: Sequence[str]) -> str:
    """In which order the winner takes work that waits."""
    return f"takes what waits in {', then '.join(names)} before all else"


def refusal(code: str, params: Mapping[str, Any] | None = None) -> str:
    """Why a command changed nothing."""
    return _text(REFUSALS, code, params)


def outcome(code: str) -> str:
    """How an offer ended."""
    return OUTCOMES.get(code, code)


def _text(table: Mapping[str, str], code: str, params: Mapping[str, Any] | None) -> str:
    said = [
        f"{name.removesuffix('_ms').replace('_', ' ')} {_value(name, value)}"
        for name, value in (params or {}).items()
        if value is not None
    ]
    return table.get(code, code) + (f" ({', '.join(said)})" if said else "")


def _value(name: str, value: Any) -> str:
    """A parameter in words: lists as alternatives, instants as such."""
    if isinstance(value, list):
        return " or ".join(map(str, value)) or "none"
    if name in _YES_OR_NO:
        return "yes" if value else "no"
    if name.endswith(("since_ms", "until_ms")) and isinstance(value, int):
        return iso_ms(value) if value > 0 else "ever"
    return str(value)
