"""The agents' side of the matcher: who has what in hand, and who of a class takes next."""

from __future__ import annotations

from collections.abc import Callable, Collection
from heapq import heapify, heappop, heappush
from typing import Any

from vaxel_router.core.matching import ranked
from vaxel_router.core.matching.classes import (
    AVAILABLE,
    CAPACITY_FULL,
    CHANNEL_FULL,
    CHANNEL_OFF,
    LOAD_BITS,
    ROOM,
    SLACK,
    Asked,
    Brought,
    Crew,
    Seat,
    State,
)
from vaxel_router.core.matching.shapes import Asks, Profile
from vaxel_router.core.matching.table import Table

Rank = Callable[[Profile, Asks], Any]
"""Orders the profiles that an item may go to, by profile and what it asks for; least first."""
Draw = Callable[[int], int]
"""A number from 0 up to, not including, the one given."""
Entry = tuple[Any, Any, str]
"""(rank, idle, id) of an agent: the least takes it."""

LOADS_MAX = 4_096
"""So many loads of a profile are known by where they stand; more are looked at anew."""


class Team:
    """Agents by id, each in the crew of those alike."""

    def __init__(self, *, rank: Rank | None, draw: Draw | None) -> None:
        self.seats: dict[str, Seat] = {}
        self.table = Table()
        self.roster = 0
        """Counts changes of who brings what."""
        self._rank = rank
        self._draw = draw
        self._rarity: tuple[int, ranked.Rarity] = (-1, {})
        self._unsettled: set[Crew] = set()
        """Crews whose heads may not be true any more: nobody has asked since."""
        self._nowhere = Crew(Brought(Profile(), -1), "nowhere", (), -1)
        """Where an agent stands before joining and after leaving."""

    def join(
        self,
        agent_id: str,
        profile: Profile,
        *,
        presence: str = AVAILABLE,
        idle: Any = 0,
        turn: int | None = None,
    ) -> None:
        """A new agent, or another profile, presence and idleness for one; what is held stays."""
        seat = self.seats.get(agent_id)
        brought = self.table.bring(profile)
        before = None
        if seat is None:
            seat = self.seats[agent_id] = Seat(agent_id, brought, self._nowhere)
        elif seat.brought is not brought:
            before, seat.brought = seat.brought, brought
            before.members.discard(agent_id)
        brought.members.add(agent_id)
        self.roster += 1
        units = brought.units
        seat.load = seat.used + sum(units.get(name, 0) * seat.count(name) for name in seat.hands)
        seat.presence, seat.idle = presence, idle
        if turn is not None:
            seat.turn = turn
        self._move(seat)
        if before is not None and not before.members:
            self.table.forget(before)

    def leave(self, agent_id: str) -> None:
        """An agent is gone; what was held for the agent alone may go to anybody."""
        seat = self.seats.pop(agent_id)
        self.roster += 1
        self._go(seat, self._nowhere)
        self._nowhere.drawn.clear()
        self._nowhere.names.clear()
        self._nowhere.named.clear()
        seat.brought.members.discard(agent_id)
        if not seat.brought.members:
            self.table.forget(seat.brought)

    def set_presence(
        self,
        agent_id: str,
        presence: str,
        *,
        idle: Any = None,
        closed: frozenset[str] | None = None,
    ) -> None:
        """An agent comes or goes; ``closed``: of these channels alone the agent takes nothing."""
        seat = self.seats[agent_id]
        seat.presence = presence
        if closed is not None:
            seat.closed = closed
        if idle is not None:
            seat.idle = idle
        self._move(seat)

    def hold(
        self, agent_id: str, channel: str, cost: int, *, idle: Any = None, turn: int | None = None
    ) -> None:
        """An agent has one more in hand."""
        seat = self.seats[agent_id]
        seat.used += cost
        seat.hands[channel] = seat.hands.get(channel, 0) + 1 + (cost << LOAD_BITS)
        seat.load += cost + seat.brought.units.get(channel, 0)
        if idle is not None:
            seat.idle = idle
        if turn is not None:
            seat.turn = turn
        self._move(seat)

    def free(self, agent_id: str, channel: str, cost: int, *, idle: Any = None) -> None:
        """An agent has one less in hand."""
        seat = self.seats[agent_id]
        seat.used -= cost
        seat.hands[channel] -= 1 + (cost << LOAD_BITS)
        seat.load -= cost + seat.brought.units.get(channel, 0)
        if idle is not None:
            seat.idle = idle
        self._move(seat)

    def stop(self, agent_id: str, code: str) -> None:
        """Rule an agent out of everything as one who is full, for this reason; "": no longer."""
        seat = self.seats[agent_id]
        if seat.stop != code:
            seat.stop = code
            self._move(seat)

    def touch(self, agent_id: str, idle: Any) -> None:
        """Another idleness, and nothing else."""
        seat = self.seats[agent_id]
        seat.idle = idle
        self._move(seat)

    def open_crews(self) -> list[Crew]:
        """The crews in which somebody has room, in the order of their first."""
        self._settle()
        return [self.table.crew_at[index] for index in self.table.idle.all()]

    def waiting_for(self, crew: Crew) -> list[Asked]:
        """The classes that a crew may take and of which something waits, in the order of heads."""
        return [self.table.asked_at[index] for _, index in self.table.items.among(crew.row)]

    def tiers(self) -> list[int]:
        """The tiers that somebody is of, lowest first."""
        return sorted({profile.tier for profile in self.table.brought})

    def rarity(self) -> ranked.Rarity:
        """What each skill and language counts, as few as have it; the same until somebody joins."""
        if self._rarity[0] != self.roster:
            team = (
                (brought.profile, len(brought.members)) for brought in self.table.slots if brought
            )
            self._rarity = self.roster, ranked.rarity_of(team)
        return self._rarity[1]

    def _move(self, seat: Seat) -> None:
        """Let the seat stand in the crew that it belongs to now."""
        crew = None
        if seat.presence == AVAILABLE and _is_plain(seat):
            crew = seat.brought.by_load.get(seat.load)
        if crew is None:
            crew = self._crew(seat)
        if crew is not seat.crew:
            self._go(seat, crew)
        if crew.open:
            heappush(crew.heap, (seat.idle, seat.id))
            if len(crew.heap) > 2 * crew.size + SLACK:
                self._trim(crew)  # here, not where it is read: nobody may ask for days
            self._unsettled.add(crew)
            if crew.orders:
                ranked.note(crew, seat)

    def _trim(self, crew: Crew) -> None:
        crew.heap[:] = {entry for entry in crew.heap if self._stands(crew, entry)}
        heapify(crew.heap)

    def _crew(self, seat: Seat) -> Crew:
        brought = seat.brought
        if seat.presence != AVAILABLE:
            return self.table.crew(brought, seat.presence, (seat.presence,))
        crew = self.table.crew(brought, AVAILABLE, _room(seat, brought.profile))
        if not _is_plain(seat):
            return crew
        if len(brought.by_load) >= LOADS_MAX:
            brought.by_load.clear()
        brought.by_load[seat.load] = crew
        return crew

    def _base(self, crew: Crew) -> Any:
        """What goes before idleness in the heads of crews."""
        return crew.of.profile.tier if self._rank is None else 0

    def _go(self, seat: Seat, crew: Crew) -> None:
        before, seat.crew = seat.crew, crew
        before.size -= 1
        crew.size += 1
        slot = before.of.slot
        for sums, amount in before.sums:
            sums[slot] -= amount
        slot = crew.of.slot
        for sums, amount in crew.sums:
            sums[slot] += amount
        if seat.id not in crew.named:
            crew.named.add(seat.id)
            heappush(crew.names, seat.id)
        if self._draw is not None:
            _redraw(seat, before, crew)
        if before.open:
            head = self.table.idle.head(before.index)
            if head is not None and head[-1] == seat.id:
                # At once, and by what was said last: no two heads may be alike, and the seat may
                # become another crew's before anybody asks this one again.
                self.table.idle.set(before.index, None)
            self._unsettled.add(before)

    def _settle(self) -> None:
        """Say what the crews begin with that changed since somebody asked."""
        for crew in self._unsettled:
            if self.table.crew_at.get(crew.index) is crew:
                self._settle_crew(crew)
        self._unsettled.clear()

    def _settle_crew(self, crew: Crew) -> None:
        """Throw dead entries off the top, and say what the crew begins with."""
        heap, seats = crew.heap, self.seats
        while heap:
            idle, agent_id = heap[0]
            seat = seats.get(agent_id)
            if seat is not None and seat.crew is crew and seat.idle == idle:
                self.table.idle.set(crew.index, (self._base(crew), idle, agent_id))
                return
            heappop(heap)
        self.table.idle.set(crew.index, None)

    def _stands(self, crew: Crew, entry: tuple[Any, str]) -> bool:
        seat = self.seats.get(entry[1])
        return seat is not None and seat.crew is crew and seat.idle == entry[0]

    def first_of(self, asked: Asked, barred: Collection[str]) -> Entry | None:
        """The least (rank, idle, id) of the agents with room for such an item, but for these."""
        if asked.is_ranked:
            return ranked.first_of(self, asked, barred)
        lifted: list[tuple[Crew, tuple[Any, str]]] = []
        found: Entry | None = None
        while (head := self._first_crew(asked)) is not None:
            rank, crew = head
            entry = crew.heap[0]
            if entry[1] not in barred:
                found = (rank, *entry)
                break
            lifted.append((crew, heappop(crew.heap)))
            self._settle_crew(crew)
        for crew, entry in lifted:
            heappush(crew.heap, entry)
            self._settle_crew(crew)
        return found

    def may_tie(self, winner: str) -> bool:
        """Whether any other agent at all may be as good as the first of its crew, but for the id.

        A glance: no says no, yes says that it must be looked into.
        """
        crew = self.seats[winner].crew
        heap = crew.heap
        if self._rank is not None or heap[0][1] != winner:
            return True
        key = (crew.of.profile.tier, *heap[0])
        after = self.table.idle.after(key)
        if after is not None and after[:2] == key[:2]:
            return True
        return any(entry[0] == key[1] for entry in heap[1:3])

    def _first_crew(self, asked: Asked) -> tuple[Any, Crew] | None:
        heads, crew_at = self.table.idle, self.table.crew_at
        if self._unsettled:
            self._settle()
        if self._rank is None:
            index = heads.first(asked.row)
            if index is None:
                return None
            crew = crew_at[index]
            return crew.of.profile.tier, crew
        best: tuple[Any, Any, int] | None = None
        for entry, index in heads.among(asked.row):
            rank = self._rank_of(crew_at[index], asked)
            if best is None or (rank, entry) < best[:2]:
                best = (rank, entry, index)
        return None if best is None else (best[0], crew_at[best[2]])

    def _rank_of(self, crew: Crew, asked: Asked) -> Any:
        profile = crew.of.profile
        if self._rank is None:
            return profile.tier
        rank = asked.ranks.get(profile)
        if rank is None:
            rank = asked.ranks[profile] = self._rank(profile, asked.asks)
        return rank

    def _drawn(self, draw: Draw, asked: Asked, barred: Collection[str]) -> str | None:
        """One of the agents of the least rank with room for such an item, each as likely."""
        self._settle()
        out = [self.seats[one] for one in sorted(barred) if one in self.seats]
        by_rank: dict[Any, list[list[Seat]]] = {}
        for _, index in self.table.idle.among(asked.row):
            crew = self.table.crew_at[index]
            able = crew.drawn
            if any(seat.crew is crew for seat in out):
                able = [seat for seat in able if seat not in out]
            if able:
                by_rank.setdefault(self._rank_of(crew, asked), []).append(able)
        if not by_rank:
            return None
        some = by_rank[min(by_rank)]
        place = draw(sum(map(len, some)))
        for able in some:
            if place < len(able):
                return able[place].id
            place -= len(able)
        raise AssertionError("a draw is below its bound")


def _is_plain(seat: Seat) -> bool:
    """Whether what an agent may take follows from the load alone."""
    return not seat.closed and not seat.stop and not seat.brought.aside


def _room(seat: Seat, profile: Profile) -> State:
    """What rules an available agent out of each channel."""
    if seat.closed or seat.stop:
        return tuple(
            CHANNEL_OFF if channel[0] in seat.closed else seat.stop or state
            for channel, state in zip(profile.channels, _rooms(seat, profile), strict=True)
        )
    return _rooms(seat, profile)


def _rooms(seat: Seat, profile: Profile) -> State:
    """The same by what the agent has in hand alone."""
    count, used = seat.count, seat.used
    if seat.brought.aside:
        return tuple(
            CHANNEL_FULL
            if count(name) >= most
            else CAPACITY_FULL
            if seat.used_for(name) + cost > profile.capacity
            else ROOM
            for name, cost, most in profile.channels
        )
    return tuple(
        CHANNEL_FULL
        if count(name) >= most
        else CAPACITY_FULL
        if used + cost > profile.capacity
        else ROOM
        for name, cost, most in profile.channels
    )


def _redraw(seat: Seat, before: Crew, crew: Crew) -> None:
    """Move a seat between those among whom is drawn; order doesn't matter there."""
    if seat.drawn_at >= 0 and (last := before.drawn.pop()) is not seat:
        before.drawn[seat.drawn_at], last.drawn_at = last, seat.drawn_at
    seat.drawn_at = len(crew.drawn)
    crew.drawn.append(seat)
