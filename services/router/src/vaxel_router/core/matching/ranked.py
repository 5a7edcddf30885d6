"""Who is best where an item puts agents in an order of its own.

First by what they bring, which is found once for all agents alike and kept: whom the policy
prefers, the tier, what is wished for, what would be wasted. Among those of the best rank, by what
the item's choice goes by: idleness, turns, load. What is looked at is classes, never their members.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import Any, Protocol

from vaxel_router.core.matching.classes import SLACK, Asked, Crew, Seat
from vaxel_router.core.matching.shapes import Asks, Profile
from vaxel_router.core.matching.table import Table
from vaxel_shared import needs

SCORE_MAX = 2**53
"""A score that every JSON reader has exactly."""

RARE = 1_000
"""What a skill or language that only one agent has counts, where nobody should be wasted."""

FULL_LOAD = 1_000
"""The load of whoever has no room at all: it is told in thousandths."""

Rank = tuple[int, ...]
"""The least goes first."""
Rarity = Mapping[tuple[str, str], int]
"""What a skill, or a language, counts: ("skill", its name) → the more, the fewer have it."""
Key = tuple[Any, ...]


class Agents(Protocol):
    """What is asked of the team."""

    seats: dict[str, Seat]
    table: Table

    def rarity(self) -> Rarity:
        """As of the present roster."""


def load_of(used: int, capacity: int) -> int:
    """What is in hand, in thousandths of the capacity."""
    return used * FULL_LOAD // max(capacity, 1)


def _load(seat: Seat) -> int:
    return load_of(seat.used, seat.brought.profile.capacity)


KEYS: dict[str, Callable[[Seat], Key]] = {
    "": lambda seat: (seat.idle,),
    "round_robin": lambda seat: (seat.turn, seat.idle),
    "least_loaded": lambda seat: (_load(seat), seat.idle),
    "most_loaded": lambda seat: (-_load(seat), seat.idle),
}
"""What agents of the same rank are ordered by, for each choice; the id is last."""


def rarity_of(team: Iterable[tuple[Profile, int]]) -> Rarity:
    """From (profile, how many have it)."""
    having: dict[tuple[str, str], int] = {}
    for profile, count in team:
        for trait in _traits(profile):
            having[trait] = having.get(trait, 0) + count
    return {trait: RARE // count for trait, count in having.items() if count}


def _traits(profile: Profile) -> list[tuple[str, str]]:
    skills = [("skill", name) for name, _ in profile.skills]
    return skills + [("language", tag) for tag in profile.languages]


def wished(skills: Mapping[str, int], wishes: Collection[tuple[str, int]]) -> int:
    """What an agent's skills count for: each level as much as its wish says."""
    score = sum(weight * skills.get(name, 0) for name, weight in wishes)
    return max(-SCORE_MAX, min(SCORE_MAX, score))


def spared(profile: Profile, asks: Asks, rarity: Rarity) -> int:
    """What of an agent such an item would waste: what isn't asked for, the rarer the more."""
    asked = {("skill", name) for name, _ in asks.skills}
    asked |= {("language", tag) for tag in asks.languages}
    if asks.extra is not None:
        asked |= {("skill", name) for name, _ in asks.extra.wishes}
        if asks.extra.needs:
            asked |= {("skill", name) for name in needs.skills(needs.parse(asks.extra.needs))}
    return sum(rarity.get(trait, 0) for trait in _traits(profile) if trait not in asked)


def terms_of(profile: Profile, asks: Asks, rarity: Rarity) -> list[tuple[str, int, int]]:
    """What the rank of a profile is made of: (code, value, what it is ordered by)."""
    extra = asks.extra
    if extra is None:
        return [("tier", profile.tier, profile.tier)]
    terms = []
    if extra.prefer:
        score = dict(extra.prefer).get(profile.name, 0)
        terms.append(("preferred", score, -score))
    terms.append(("tier", profile.tier, profile.tier))
    if extra.wishes:
        score = wished(dict(profile.skills), extra.wishes)
        terms.append(("wished", score, -score))
    if extra.spare:
        waste = spared(profile, asks, rarity)
        terms.append(("spare_skill", waste, waste))
    return terms


def first_of(team: Agents, asked: Asked, barred: Collection[str]) -> tuple[Any, Any, str] | None:
    """The least (rank, key, id) of the agents with room for such an item, but for these."""
    extra, crew_at = asked.asks.extra, team.table.crew_at
    assert extra is not None, "only such items rank"
    best: tuple[Rank, tuple[Key, str]] | None = None
    for index in asked.row.members:
        crew = crew_at[index]
        if not crew.size:
            continue
        rank = _rank(team, asked, crew.of.profile)
        if best is not None and rank > best[0]:
            continue
        entry = _first(team, crew, extra.choice, barred)
        if entry is not None and (best is None or (rank, entry) < best):
            best = rank, entry
    return None if best is None else (best[0], *best[1])


def _rank(team: Agents, asked: Asked, profile: Profile) -> Rank:
    rarity: Rarity = {}
    if asked.asks.extra is not None and asked.asks.extra.spare:
        rarity = team.rarity()
        if asked.rarity is not rarity:
            asked.rarity = rarity
            asked.ranks.clear()
    rank: Rank | None = asked.ranks.get(profile)
    if rank is None:
        rank = tuple(by for _, _, by in terms_of(profile, asked.asks, rarity))
        asked.ranks[profile] = rank
    return rank


def _first(
    team: Agents, crew: Crew, choice: str, barred: Collection[str]
) -> tuple[Key, str] | None:
    """The least (key, id) of a crew's members, but for these; dead entries go as they are met."""
    heap, key_of, seats = _heap(team, crew, choice), KEYS[choice], team.seats
    lifted: list[tuple[Key, str]] = []
    found = None
    while heap:
        key, name = heap[0]
        seat = seats.get(name)
        if seat is None or seat.crew is not crew or key_of(seat) != key:
            heappop(heap)
        elif name in barred:
            lifted.append(heappop(heap))
        else:
            found = heap[0]
            break
    for entry in lifted:
        heappush(heap, entry)
    return found


def _heap(team: Agents, crew: Crew, choice: str) -> list[tuple[Key, str]]:
    """A crew's members by the key of a choice: made when it is first asked for, and then kept."""
    heap = crew.orders.get(choice)
    if heap is None:
        members = (team.seats[name] for name in crew.of.members)
        key_of = KEYS[choice]
        heap = [(key_of(seat), seat.id) for seat in members if seat.crew is crew]
        heapify(heap)
        crew.orders[choice] = heap
    return heap


def first_some(team: Agents, crew: Crew, choice: str, count: int) -> list[str]:
    """The first of a crew's members by a choice, so many of them."""
    heap, key_of, seats = _heap(team, crew, choice), KEYS[choice], team.seats
    found: dict[str, tuple[Key, str]] = {}
    while heap and len(found) < count:
        entry = heappop(heap)
        seat = seats.get(entry[1])
        if seat is not None and seat.crew is crew and key_of(seat) == entry[0]:
            found[entry[1]] = entry
    for entry in found.values():
        heappush(heap, entry)
    return list(found)


def note(crew: Crew, seat: Seat) -> None:
    """A member came, or another key is its now: the kept orders learn of it."""
    for choice, heap in list(crew.orders.items()):
        if len(heap) > 2 * crew.size + SLACK:
            del crew.orders[choice]  # mostly the dead: made again when it is asked for
        else:
            heappush(heap, (KEYS[choice](seat), seat.id))
