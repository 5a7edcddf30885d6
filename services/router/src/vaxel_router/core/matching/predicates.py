"""The predicates that rule agents out, in their order, and the lasting ones of them.

Tried in one fixed order, lasting ones first: the first that fails is the reason.
"""

from __future__ import annotations

from typing import Any

from vaxel_router.core.matching.shapes import Asks, Extra, Profile
from vaxel_shared import needs

PREDICATES = (
    "not_in_tier",
    "channel_closed",
    "skill_missing",
    "skill_level",
    "skill_above",
    "needs_unmet",
    "language_missing",
    "left_out",
    "presence_offline",
    "presence_away",
    "presence_lost",
    "presence_off_shift",
    "channel_off",
    "barred",
    "reserved_for_other",
    "resting",
    "share_full",
    "occupancy_full",
    "offers_full",
    "channel_full",
    "capacity_full",
)
"""In the order of evaluation; who fails late was near."""

NEARNESS = {code: place for place, code in enumerate(PREDICATES)}

Rejection = tuple[str, dict[str, Any]]
"""A predicate, and what it was about."""


def lasting(profile: Profile, asks: Asks) -> Rejection | None:
    """The first lasting predicate that the profile fails; None where only room can be missing."""
    if profile.tier not in asks.tiers:
        return "not_in_tier", {"tier": profile.tier, "tiers": list(asks.tiers)}
    if not any(channel[0] == asks.channel for channel in profile.channels):
        return "channel_closed", {"channel": asks.channel}
    if asks.skills or asks.extra is not None:
        why = _levels(profile, asks)
        if why is not None:
            return why
    if asks.languages and not any(tag in profile.languages for tag in asks.languages):
        return "language_missing", {"languages": list(asks.languages)}
    if asks.extra is not None and is_left_out(profile.name, asks.extra):
        return "left_out", {}
    return None


def is_left_out(name: str, extra: Extra) -> bool:
    """Whether an agent is one whom the policy doesn't name, or names as one who may not."""
    return name in extra.without or (bool(extra.only) and name not in extra.only)


def _levels(profile: Profile, asks: Asks) -> Rejection | None:
    """The first predicate about skills that the profile fails."""
    levels = dict(profile.skills)
    for skill, least in asks.skills:
        if skill not in levels:
            return "skill_missing", {"skill": skill}
        if levels[skill] < least:
            return "skill_level", {"skill": skill, "level": levels[skill], "least": least}
    if asks.extra is None:
        return None
    for skill, most in asks.extra.at_most:
        if levels.get(skill, most) > most:
            return "skill_above", {"skill": skill, "level": levels[skill], "most": most}
    if asks.extra.needs and not needs.holds(needs.parse(asks.extra.needs), levels):
        return "needs_unmet", {"needs": asks.extra.needs}
    return None
