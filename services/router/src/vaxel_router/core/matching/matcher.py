"""The matcher: items that wait, agents who take them, and who takes what next."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from heapq import heapify, heappop, heappush
from typing import Any

from vaxel_router.core.matching.classes import SLACK, Asked, Brought, Crew, Item, Pile, Seat
from vaxel_router.core.matching.heads import Row
from vaxel_router.core.matching.shapes import Asks, Profile
from vaxel_router.core.matching.table import Table

Rank = Callable[[Profile, Asks], Any]
"""Orders the profiles that an item may go to, by profile and what it asks for; least first."""
Urgency = Callable[[Asks, int, int], Any]
"""Orders the first items of classes, by what they ask for, key and now; least first."""
Draw = Callable[[int], int]
"""A number from 0 up to, not including, the one given."""
Entry = tuple[Any, Any, str]
"""(rank, idle, id) of an agent: the least takes it."""


class Matcher:
    """Keys of items are integers, no two alike. Presence is available, away or offline.

    ``rank`` puts profiles in order before idleness does; left out, lower tiers go first.
    ``idle`` may be anything that can be compared: the instant since when an agent is idle, a
    (load, ticket). ``urgency`` is for orders of service that change as time passes; within a class
    the least key still goes first. With ``draw`` the agent is drawn by lot among those of the least
    rank, not by idleness.
    """

    def __init__(
        self,
        *,
        rank: Rank | None = None,
        urgency: Urgency | None = None,
        draw: Draw | None = None,
    ) -> None:
        self.now = 0
        self.seats: dict[str, Seat] = {}
        self.items: dict[str, Item] = {}
        self.table = Table()
        self.roster = 0
        """Counts changes of who brings what."""
        self._rank = rank
        self._urgency = urgency
        self._draw = draw
        self._nowhere = Crew(Brought(Profile(), -1), "nowhere", (), -1)
        """Where an agent stands before joining and after leaving."""
        self._by_key: dict[int, Item] = {}
        self._prefers: dict[str, set[str]] = {}
        self._lapses: list[tuple[int, int, str]] = []

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self.items

    # Agents

    def join(
        self, agent_id: str, profile: Profile, *, presence: str = "available", idle: Any = 0
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
        seat.presence, seat.idle = presence, idle
        self._move(seat)
        if before is not None and not before.members:
            self.table.forget(before)
        self._refile_preferring(agent_id)

    def leave(self, agent_id: str) -> None:
        """An agent is gone; what was held for the agent alone may go to anybody."""
        seat = self.seats.pop(agent_id)
        self.roster += 1
        self._refile_preferring(agent_id)
        self._go(seat, self._nowhere)
        self._nowhere.drawn.clear()
        self._nowhere.names.clear()
        self._nowhere.named.clear()
        seat.brought.members.discard(agent_id)
        if not seat.brought.members:
            self.table.forget(seat.brought)

    def set_presence(self, agent_id: str, presence: str, *, idle: Any = None) -> None:
        """An agent comes or goes."""
        seat = self.seats[agent_id]
        seat.presence = presence
        if idle is not None:
            seat.idle = idle
        self._move(seat)
        self._refile_preferring(agent_id)

    def hold(self, agent_id: str, channel: str, cost: int, *, idle: Any = None) -> None:
        """An agent has one more in hand."""
        seat = self.seats[agent_id]
        seat.used += cost
        seat.counts[channel] = seat.counts.get(channel, 0) + 1
        if idle is not None:
            seat.idle = idle
        self._move(seat)

    def free(self, agent_id: str, channel: str, cost: int, *, idle: Any = None) -> None:
        """An agent has one less in hand."""
        seat = self.seats[agent_id]
        seat.used -= cost
        seat.counts[channel] -= 1
        if idle is not None:
            seat.idle = idle
        self._move(seat)

    def touch(self, agent_id: str, idle: Any) -> None:
        """Another idleness, and nothing else."""
        seat = self.seats[agent_id]
        seat.idle = idle
        self._move(seat)

    def _move(self, seat: Seat) -> None:
        """Let the seat stand in the crew that it belongs to now."""
        crew = self._crew(seat)
        if crew is not seat.crew:
            self._go(seat, crew)
        if crew.open:
            heappush(crew.heap, (seat.idle, seat.id))
            self._settle_crew(crew)

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
            if seat.drawn_at >= 0 and (last := before.drawn.pop()) is not seat:
                before.drawn[seat.drawn_at], last.drawn_at = last, seat.drawn_at
            seat.drawn_at = len(crew.drawn)
            crew.drawn.append(seat)
        if before.open:
            self._settle_crew(before)

    def _crew(self, seat: Seat) -> Crew:
        brought, presence = seat.brought, seat.presence
        codes: tuple[str, ...] = ()
        if presence == "available":
            profile, counts, used = brought.profile, seat.counts, seat.used
            codes = tuple(
                [
                    "channel_full"
                    if counts.get(name, 0) >= most
                    else "capacity_full"
                    if used + cost > profile.capacity
                    else ""
                    for name, cost, most in profile.channels
                ]
            )
        return brought.crews.get((presence, codes)) or self.table.crew(brought, presence, codes)

    def _settle_crew(self, crew: Crew) -> None:
        """Throw dead entries off the top, and say what the crew begins with."""
        heap, seats = crew.heap, self.seats
        if len(heap) > 2 * crew.size + SLACK:
            heap[:] = {entry for entry in heap if self._stands(crew, entry)}
            heapify(heap)
        while heap:
            idle, agent_id = heap[0]
            seat = seats.get(agent_id)
            if seat is not None and seat.crew is crew and seat.idle == idle:
                rank = crew.of.profile.tier if self._rank is None else 0
                self.table.idle.set(crew.index, (rank, idle, agent_id))
                return
            heappop(heap)
        self.table.idle.set(crew.index, None)

    def _stands(self, crew: Crew, entry: tuple[Any, str]) -> bool:
        seat = self.seats.get(entry[1])
        return seat is not None and seat.crew is crew and seat.idle == entry[0]

    # Items

    def put(
        self,
        item_id: str,
        asks: Asks,
        *,
        key: int,
        now: int = 0,
        barred: Mapping[str, int] | None = None,
        prefer: str | None = None,
        until: int = 0,
    ) -> None:
        """An item waits. ``barred``: who may not take it, until when.

        It is held for ``prefer`` alone ``until`` then, as long as that agent is available, fits
        and isn't barred; and whoever is preferred goes before all others even later.
        """
        assert item_id not in self.items, "an item waits once"
        self.advance(now)
        asked = self.table.ask(asks)
        item = Item(item_id, asked, key)
        asked.users += 1
        self.items[item_id] = self._by_key[key] = item
        if barred:
            item.barred = dict(barred)
        if prefer is not None:
            item.prefer, item.until = prefer, until
            self._prefers.setdefault(prefer, set()).add(item_id)
        self._file(item)

    def drop(self, item_id: str) -> None:
        """An item waits no longer; it is no error if it didn't wait."""
        item = self.items.pop(item_id, None)
        if item is None:
            return
        del self._by_key[item.key]
        if item.prefer is not None:
            mine = self._prefers[item.prefer]
            mine.discard(item_id)
            if not mine:
                del self._prefers[item.prefer]
        item.asked.users -= 1
        self._unfile(item)

    def advance(self, now: int) -> None:
        """Time passes: whatever was held, or barred, only until now isn't any more."""
        self.now = max(self.now, now)
        lapses = self._lapses
        while lapses and lapses[0][0] <= self.now:
            _, key, item_id = heappop(lapses)
            item = self.items.get(item_id)
            if item is not None and item.key == key:
                self._refile(item)

    def in_order(self) -> list[str]:
        """All items, in the order of service."""
        return [self._by_key[key].id for key in sorted(self._by_key)]

    def preferring(self, agent_id: str) -> list[str]:
        """The items that prefer this agent, in the order of service."""
        mine = self._prefers.get(agent_id, ())
        return sorted(mine, key=lambda item_id: self.items[item_id].key)

    def is_held(self, item_id: str) -> bool:
        """Whether an item waits for the agent alone whom it prefers, as of the last instant."""
        item = self.items[item_id]
        return item.place is not item.asked

    def _file(self, item: Item) -> None:
        place: Pile = item.asked
        if item.prefer is not None and item.until > self.now:
            heappush(self._lapses, (item.until, item.key, item.id))
            barred_until = item.barred.get(item.prefer, 0)
            seat = self.seats.get(item.prefer)
            if barred_until > self.now:
                heappush(self._lapses, (barred_until, item.key, item.id))
            elif (
                seat is not None
                and seat.presence == "available"
                and item.asked in seat.brought.asked
            ):
                channel = item.asked.asks.channel
                place = seat.held.get(channel) or seat.held.setdefault(channel, Pile())
        item.place = place
        place.size += 1
        heappush(place.heap, item.key)
        if place is item.asked and place.heap[0] == item.key:
            self.table.items.set(item.asked.index, item.key)

    def _unfile(self, item: Item) -> None:
        place = item.place
        place.size -= 1
        if place is item.asked:
            if place.heap[0] == item.key:
                self._settle_asked(item.asked)
            return
        if not place.size:
            place.heap.clear()

    def _refile(self, item: Item) -> None:
        before = item.place
        before.size -= 1
        item.place = _NOWHERE
        if before is item.asked:
            self._settle_asked(item.asked)
        self._file(item)

    def _refile_preferring(self, agent_id: str) -> None:
        for item_id in self._prefers.get(agent_id, ()):
            item = self.items[item_id]
            if item.until > self.now:
                self._refile(item)

    def _settle_asked(self, asked: Asked) -> None:
        self.table.items.set(asked.index, self._head(asked))

    def _head(self, pile: Pile) -> int | None:
        """The least key that lies in the pile; dead ones above it are thrown away."""
        heap, by_key = pile.heap, self._by_key
        if len(heap) > 2 * pile.size + SLACK:
            heap[:] = {key for key in heap if self._lies(pile, key)}
            heapify(heap)
        while heap:
            item = by_key.get(heap[0])
            if item is not None and item.place is pile:
                return heap[0]
            heappop(heap)
        return None

    def _lies(self, pile: Pile, key: int) -> bool:
        item = self._by_key.get(key)
        return item is not None and item.place is pile

    # Answers

    def next_item(self, agent_id: str, now: int = 0) -> str | None:
        """The first item, in the order of service, that the agent may take now."""
        self.advance(now)
        seat = self.seats.get(agent_id)
        if seat is None or not seat.crew.open:
            return None
        best = self._next_plain(seat)
        for channel, pile in seat.held.items():
            if pile.size and channel in seat.crew.open:
                key = self._head(pile)
                if key is not None and (best is None or self._order(key) < self._order(best)):
                    best = key
        return None if best is None else self._by_key[best].id

    def _order(self, key: int) -> Any:
        if self._urgency is None:
            return key
        return self._urgency(self._by_key[key].asked.asks, key, self.now), key

    def _next_plain(self, seat: Seat) -> int | None:
        """The first key of the classes that the seat's crew may take and isn't barred from."""
        by_key = self._by_key
        lifted: list[tuple[Asked, int]] = []
        found = None
        while (asked := self._first_asked(seat.crew.row)) is not None:
            key = asked.heap[0]
            barred = by_key[key].barred
            if not barred or barred.get(seat.id, 0) <= self.now:
                found = key
                break
            lifted.append((asked, heappop(asked.heap)))
            self._settle_asked(asked)
        for asked, key in lifted:
            heappush(asked.heap, key)
            self._settle_asked(asked)
        return found

    def _first_asked(self, row: Row) -> Asked | None:
        heads = self.table.items
        if self._urgency is None:
            index = heads.first(row)
            return None if index is None else self.table.asked_at[index]
        among = heads.among(row)
        if not among:
            return None
        return self.table.asked_at[min(among, key=lambda one: self._order(one[0]))[1]]

    def choose(self, item_id: str, now: int = 0) -> str | None:
        """The agent who takes this item now: whom it prefers, else the least (rank, idle, id)."""
        self.advance(now)
        item = self.items[item_id]
        if item.prefer is not None:
            if self.may_take(item.prefer, item_id):
                return item.prefer
            if item.place is not item.asked:
                return None
        if self._draw is not None:
            return self._drawn(self._draw, item, self._barred(item))
        entry = self.first_of(item, self._barred(item))
        return None if entry is None else entry[2]

    def is_tied(self, item_id: str, winner: str) -> bool:
        """Whether another agent is as good as the winner, but for the id."""
        item = self.items[item_id]
        if winner == item.prefer:
            return False
        barred = self._barred(item)
        first, second = self.first_of(item, barred), self.first_of(item, {*barred, winner})
        return first is not None and second is not None and first[:2] == second[:2]

    def may_take(self, agent_id: str, item_id: str) -> bool:
        """Whether nothing that is the agent's own rules the agent out."""
        item, seat = self.items[item_id], self.seats.get(agent_id)
        return (
            seat is not None
            and item.asked.index in seat.crew.row.members
            and item.barred.get(agent_id, 0) <= self.now
        )

    def _barred(self, item: Item) -> Collection[str]:
        if not item.barred:
            return ()
        return {agent_id for agent_id, until in item.barred.items() if until > self.now}

    def first_of(self, item: Item, barred: Collection[str]) -> Entry | None:
        """The least (rank, idle, id) of the agents with room for the item, but for these."""
        lifted: list[tuple[Crew, tuple[Any, str]]] = []
        found: Entry | None = None
        while (head := self._first_crew(item.asked)) is not None:
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

    def _first_crew(self, asked: Asked) -> tuple[Any, Crew] | None:
        heads, crew_at = self.table.idle, self.table.crew_at
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

    def _drawn(self, draw: Draw, item: Item, barred: Collection[str]) -> str | None:
        """One of the agents of the least rank with room for the item, each as likely."""
        out = [self.seats[one] for one in sorted(barred) if one in self.seats]
        by_rank: dict[Any, list[list[Seat]]] = {}
        for _, index in self.table.idle.among(item.asked.row):
            crew = self.table.crew_at[index]
            able = crew.drawn
            if any(seat.crew is crew for seat in out):
                able = [seat for seat in able if seat not in out]
            if able:
                by_rank.setdefault(self._rank_of(crew, item.asked), []).append(able)
        if not by_rank:
            return None
        some = by_rank[min(by_rank)]
        place = draw(sum(map(len, some)))
        for able in some:
            if place < len(able):
                return able[place].id
            place -= len(able)
        raise AssertionError("a draw is below its bound")


_NOWHERE = Pile()
