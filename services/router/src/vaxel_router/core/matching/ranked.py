"""Who is best where an item puts agents in an order of its own: wishes that score.

The rank is the profile's, so it is found once for all agents alike, and kept; among those of the
best rank the crews are asked for their first. What is looked at is classes, never their members.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from heapq import heappop, heappush
from typing import Any, Protocol

from vaxel_router.core.matching.classes import Asked, Crew, Seat
from vaxel_router.core.matching.shapes import Extra, Profile
from vaxel_router.core.matching.table import Table

SCORE_MAX = 2**53
"""A score that every JSON reader has exactly."""

Rank = tuple[int, ...]
"""The least goes first: tier, then what is wished for, most first."""


class Agents(Protocol):
    """What is asked of the team."""

    seats: dict[str, Seat]
    table: Table


def wished(skills: Mapping[str, int], wishes: Collection[tuple[str, int]]) -> int:
    """What an agent's skills count for: each level as much as its wish says."""
    score = sum(weight * skills.get(name, 0) for name, weight in wishes)
    return max(-SCORE_MAX, min(SCORE_MAX, score))


def rank_of(profile: Profile, extra: Extra) -> Rank:
    """Where an item of such wishes puts those who bring this."""
    return (profile.tier, -wished(dict(profile.skills), extra.wishes))


def terms_of(profile: Profile, extra: Extra | None) -> list[tuple[str, int]]:
    """The same as it is told: each term of the rank that counts, and its value."""
    terms = [("tier", profile.tier)]
    if extra is not None and extra.wishes:
        terms.append(("wished", wished(dict(profile.skills), extra.wishes)))
    return terms


def first_of(team: Agents, asked: Asked, barred: Collection[str]) -> tuple[Any, Any, str] | None:
    """The least (rank, idle, id) of the agents with room for such an item, but for these."""
    extra, crew_at, ranks = asked.asks.extra, team.table.crew_at, asked.ranks
    assert extra is not None, "only such items rank"
    best: tuple[Rank, tuple[Any, str]] | None = None
    for index in asked.row.members:
        crew = crew_at[index]
        if not crew.size:
            continue
        profile = crew.of.profile
        rank = ranks.get(profile)
        if rank is None:
            rank = ranks[profile] = rank_of(profile, extra)
        if best is not None and rank > best[0]:
            continue
        entry = _first(team, crew, barred)
        if entry is not None and (best is None or (rank, entry) < best):
            best = rank, entry
    return None if best is None else (best[0], *best[1])


def _first(team: Agents, crew: Crew, barred: Collection[str]) -> tuple[Any, str] | None:
    """The least (idle, id) of a crew's members, but for these; dead entries go as they are met."""
    heap, seats = crew.heap, team.seats
    lifted: list[tuple[Any, str]] = []
    found = None
    while heap:
        idle, name = heap[0]
        seat = seats.get(name)
        if seat is None or seat.crew is not crew or seat.idle != idle:
            heappop(heap)
        elif name in barred:
            lifted.append(heappop(heap))
        else:
            found = heap[0]
            break
    for entry in lifted:
        heappush(heap, entry)
    return found
