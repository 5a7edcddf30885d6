"""What few works ask for beyond skills, languages and tiers, and what of it holds at some age.

A work has these twice, as it has its skills: what the contact itself asked for, and what its queue
makes of that at the present step. Where nothing of it is used there is no object, and nothing of it
stands in a decision or a snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from vaxel_router.core.matching import Extra
from vaxel_shared import needs

CHOICES = ("round_robin", "least_loaded", "most_loaded")

WEIGHT_MAX = 1_000
"""What one level of a wished-for skill may count, either way; as in the configuration."""


class Wants(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """All of it; dicts are in the order of names."""

    at_most: dict[str, int] = {}
    """The highest level of a skill that whoever takes it may have."""
    lapse_ms: dict[str, int] = {}
    """Of a skill: it isn't asked for any more once the work has waited so long."""
    wishes: dict[str, int] = {}
    """What each level of a skill counts in choosing among those who may take it."""
    needs: str = ""
    """An expression over skills that must hold: see :mod:`vaxel_shared.needs`."""
    only: list[str] = []
    """The agents who may take it; none: all may."""
    without: list[str] = []
    """Agents who may not."""
    prefer: dict[str, int] = {}
    """By agent, how much rather than others."""
    choice: str = ""
    """What those of equal rank go by: :data:`CHOICES`; left out, the longest idle."""
    spare: bool = False
    """Whether what somebody could do besides counts against, the rarer the more."""


NOTHING = Wants()
NAMES = Wants.__struct_fields__
_PLAIN = frozenset({"skills", "languages"})
"""What nearly all ask for, and no more."""


def of(requires: Mapping[str, Any]) -> Wants | None:
    """What a decision's or a contact's ``requires`` say of it; None: nothing."""
    if requires.keys() <= _PLAIN:
        return None
    given = {name: _ordered(requires[name]) for name in NAMES if requires.get(name)}
    return Wants(**given) if given else None


def _ordered(value: Any) -> Any:
    return dict(sorted(value.items())) if isinstance(value, Mapping) else value


def plain(wants: Wants | None) -> dict[str, Any]:
    """As it stands in a decision's ``requires``."""
    if wants is None:
        return {}
    found: dict[str, Any] = msgspec.to_builtins(wants)
    return found


def fault(requires: Mapping[str, Any]) -> str | None:
    """What of a contact's wants makes no sense; None: nothing. Its types are the contract's.

    Whom to choose, and by what, is the policy's alone.
    """
    wants = of(requires)
    if wants is None:
        return None
    for name in ("only", "without", "prefer", "choice", "spare"):
        if requires.get(name):
            return name
    if any(level < 0 for level in wants.at_most.values()):
        return "at_most"
    if any(age_ms < 0 for age_ms in wants.lapse_ms.values()):
        return "lapse_ms"
    if any(abs(weight) > WEIGHT_MAX for weight in wants.wishes.values()):
        return "wishes"
    return None if _is_expression(wants.needs) else "needs"


def _is_expression(text: str) -> bool:
    try:
        return len(text) <= needs.CONTACT_MAX and (not text or bool(needs.parse(f"({text})")))
    except ValueError:
        return False


def extra_of(wants: Wants) -> Extra:
    """The same as the matcher compares it."""
    return Extra(
        tuple(wants.at_most.items()),
        tuple(wants.wishes.items()),
        wants.needs,
        tuple(wants.only),
        tuple(wants.without),
        tuple(wants.prefer.items()),
        wants.choice,
        wants.spare,
    )


def least(some: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The least of each name."""
    return _merged(some, min)


def greatest(some: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The greatest of each name."""
    return _merged(some, max)


def _merged(some: Iterable[Mapping[str, int]], better: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in some:
        for name, value in one.items():
            found[name] = better(value, found.get(name, value))
    return dict(sorted(found.items()))
