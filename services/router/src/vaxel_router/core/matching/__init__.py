"""Who may take what, and in which order: the structure that matching asks, and nothing else.

It knows no cases, offers or records, only *items* that wait and *agents* who take them, so the
engine and the simulation drive the very same one. Nothing here looks at all items or all agents:
items that ask for the same form a class, agents who bring the same and have the same room form
another, and what is compared is classes.

    items ──► Asked, by what they ask for ◄── rows: which may ──► Crew, by profile ◄── agents
              (a heap each)                  take which now       and room (a heap each)

Use (all instants are integers of one clock that never goes back)::

    matcher = Matcher()
    matcher.join("ann", Profile(1, (("billing", 5),), (), (("email", 1, 2),), capacity=2), idle=0)
    matcher.put("w1", Asks("email", tiers=(1,), skills=(("billing", 3),)), key=1, now=0)
    matcher.choose("w1", now=0)             # "ann": who takes this item now
    matcher.next_item("ann", now=0)         # "w1": what this agent takes now
    matcher.drop("w1"); matcher.hold("ann", "email", 1, idle=0)

The one rule of service: the item with the least ``key`` goes first, the agent with the least
(rank, idle, id) takes it. Deterministic: no hash order, no clock, no randomness shows in an answer.
"""

from vaxel_router.core.matching.accounts import Account
from vaxel_router.core.matching.best import TooMuch, solve
from vaxel_router.core.matching.matcher import Matcher
from vaxel_router.core.matching.predicates import NEARNESS, PREDICATES, Rejection, lasting
from vaxel_router.core.matching.ranked import Rarity, load_of, rarity_of, terms_of
from vaxel_router.core.matching.shapes import Asks, Extra, Profile
from vaxel_router.core.matching.together import Together, TooMany, gather

__all__ = [
    "NEARNESS", "PREDICATES", "Account", "Asks", "Extra", "Matcher", "Profile", "Rarity",
    "Rejection", "Together", "TooMany", "TooMuch", "gather", "lasting", "load_of", "rarity_of",
    "solve", "terms_of",
]  # fmt: skip
