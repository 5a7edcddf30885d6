"""The matcher: items that wait, agents who take them, and who takes what next."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from heapq import heappop, heappush
from typing import Any

from vaxel_router.core.matching.classes import AVAILABLE, LOST, Asked, Item, Pile, Seat
from vaxel_router.core.matching.shapes import Asks, Profile
from vaxel_router.core.matching.table import MASK, SHIFTS
from vaxel_router.core.matching.team import Draw, Rank, Team

Urgency = Callable[[Asks, int, int], Any]
"""Orders the first items of classes, by what they ask for, key and now; least first."""

PRESENT = (
    "", "resting", "share_full", "occupancy_full", "offers_full", "channel_full", "capacity_full",
)  # fmt: skip
"""States of whoever is available."""

LAPSES_SLACK = 1_000
"""So many instants may be kept for items that are gone before they are thrown away."""


class Matcher(Team):
    """Keys of items are integers, no two alike. Presence is available, lost, away or offline.

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
        super().__init__(rank=rank, draw=draw)
        self.now = 0
        self.items: dict[str, Item] = {}
        self._urgency = urgency
        self._prefers: dict[str, set[str]] = {}
        self._lapses: list[tuple[int, int, str]] = []

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self.items

    # What changes of agents means to items held for them

    def join(
        self,
        agent_id: str,
        profile: Profile,
        *,
        presence: str = AVAILABLE,
        idle: Any = 0,
        turn: int | None = None,
    ) -> None:
        """See :meth:`Team.join`."""
        super().join(agent_id, profile, presence=presence, idle=idle, turn=turn)
        self._refile_preferring(agent_id)

    def leave(self, agent_id: str) -> None:
        """See :meth:`Team.leave`."""
        super().leave(agent_id)
        self._refile_preferring(agent_id)

    def set_presence(
        self,
        agent_id: str,
        presence: str,
        *,
        idle: Any = None,
        closed: frozenset[str] | None = None,
    ) -> None:
        """See :meth:`Team.set_presence`."""
        super().set_presence(agent_id, presence, idle=idle, closed=closed)
        self._refile_preferring(agent_id)

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

        It is held for ``prefer`` alone ``until`` then, as long as that agent is available (or lost
        only a moment ago), takes the channel, fits and isn't barred; and whoever is preferred goes
        before all others even later.
        """
        assert item_id not in self.items, "an item waits once"
        if now > self.now:
            self.advance(now)
        asked = self.table.asked.get(asks) or self.table.ask(asks)
        item = Item(item_id, asked, key)
        asked.users += 1
        self.items[item_id] = item
        if barred:
            item.barred = dict(barred)
        if prefer is not None:
            item.prefer, item.until = prefer, until
            self._prefers.setdefault(prefer, set()).add(item_id)
            self._file(item)
            return
        asked.items[key] = item
        heappush(asked.heap, key)
        if asked.heap[0] == key:
            self.table.items.set(asked.index, key)

    def drop(self, item_id: str) -> None:
        """An item waits no longer; it is no error if it didn't wait."""
        item = self.items.pop(item_id, None)
        if item is None:
            return
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
            lapse = heappop(lapses)
            if self._is_due(lapse):
                self._refile(self.items[lapse[2]])
        if len(lapses) > 4 * len(self.items) + LAPSES_SLACK:
            self._lapses = sorted({lapse for lapse in lapses if self._is_due(lapse)})

    def _is_due(self, lapse: tuple[int, int, str]) -> bool:
        item = self.items.get(lapse[2])
        return item is not None and item.key == lapse[1]

    def in_order(self) -> list[str]:
        """All items, in the order of service."""
        return [item.id for item in sorted(self.items.values(), key=lambda item: item.key)]

    def preferring(self, agent_id: str) -> list[str]:
        """The items that prefer this agent, in the order of service."""
        mine = self._prefers.get(agent_id, ())
        return sorted(mine, key=lambda item_id: self.items[item_id].key)

    def held_now(self) -> list[Item]:
        """The items that are held for agents who have room for them now."""
        found: list[Item] = []
        for agent_id in sorted(self._prefers):
            seat = self.seats.get(agent_id)
            if seat is not None:
                piles = seat.held.items()
                some = (pile for channel, pile in piles if channel in seat.crew.open)
                found += (item for pile in some for item in pile.items.values())
        return found

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
                and seat.presence in (AVAILABLE, LOST)
                and item.asked.asks.channel not in seat.closed
                and item.asked in seat.brought.asked
            ):
                channel = item.asked.asks.channel
                place = seat.held.get(channel) or seat.held.setdefault(channel, Pile())
        item.place = place
        place.items[item.key] = item
        heappush(place.heap, item.key)
        if place is item.asked and place.heap[0] == item.key:
            self.table.items.set(item.asked.index, item.key)

    def _unfile(self, item: Item) -> None:
        place, key = item.place, item.key
        del place.items[key]
        if place is item.asked:
            if place.heap[0] == key:
                self._settle_asked(item.asked)
        elif not place.items:
            place.heap.clear()

    def _refile(self, item: Item) -> None:
        self._unfile(item)
        self._file(item)

    def _refile_preferring(self, agent_id: str) -> None:
        for item_id in self._prefers.get(agent_id, ()):
            item = self.items[item_id]
            if item.until > self.now:
                self._refile(item)

    def _settle_asked(self, asked: Asked) -> None:
        """Say what the class begins with."""
        item = asked.first()
        self.table.items.set(asked.index, None if item is None else item.key)

    # Answers

    def next_item(self, agent_id: str, now: int = 0) -> str | None:
        """The first item, in the order of service, that the agent may take now."""
        if now > self.now:
            self.advance(now)
        seat = self.seats.get(agent_id)
        if seat is None or not seat.crew.open:
            return None
        best = self._next_plain(seat)
        order = seat.brought.profile.order
        for channel, pile in seat.held.items():
            if pile.items and channel in seat.crew.open:
                # Items of several kinds are held together: one with an order looks at them all.
                some = pile.items.values() if order else (pile.first(),)
                for item in some:
                    if item is not None and (
                        best is None or self._order(item, seat) < self._order(best, seat)
                    ):
                        best = item
        return None if best is None else best.id

    def _order(self, item: Item, seat: Seat) -> Any:
        """Where an item stands for somebody; the least goes first."""
        asks = item.asked.asks
        order: Any = item.key
        if self._urgency is not None:
            order = self._urgency(asks, item.key, self.now), item.key
        profile = seat.brought.profile
        return (profile.place_of(asks.kind), order) if profile.order else order

    def has_choice(self, agent_id: str) -> bool:
        """Whether there are two items that the agent may take now."""
        first = self.next_item(agent_id, self.now)
        if first is None:
            return False
        item = self.items[first]
        self._unfile(item)
        second = self.next_item(agent_id, self.now)
        self._file(item)
        return second is not None

    def _next_plain(self, seat: Seat) -> Item | None:
        """The first item of the classes that the seat's crew may take, and isn't barred from."""
        asked = self._first_asked(seat)
        if asked is None:
            return None
        item = asked.items[asked.heap[0]]
        if not item.barred or item.barred.get(seat.id, 0) <= self.now:
            return item
        return self._next_unbarred(seat)

    def _next_unbarred(self, seat: Seat) -> Item | None:
        """The same, where the first item is barred: it is lifted out of the way, and so on."""
        lifted: list[Item] = []
        found = None
        while (asked := self._first_asked(seat)) is not None:
            item = asked.items[asked.heap[0]]
            if item.barred.get(seat.id, 0) <= self.now:
                found = item
                break
            lifted.append(item)
            self._unfile(item)
        for item in lifted:
            self._file(item)
        return found

    def _first_asked(self, seat: Seat) -> Asked | None:
        heads, row = self.table.items, seat.crew.row
        if self._urgency is None and not seat.brought.profile.order:
            index = heads.first(row)
            return None if index is None else self.table.asked_at[index]
        among = heads.among(row)
        if not among:
            return None
        some = [self.table.asked_at[index] for _, index in among]
        return min(some, key=lambda asked: self._order(asked.items[asked.heap[0]], seat))

    def choose(self, item_id: str, now: int = 0) -> str | None:
        """The agent who takes this item now: whom it prefers, else the least (rank, idle, id)."""
        if now > self.now:
            self.advance(now)
        item = self.items[item_id]
        if item.prefer is not None:
            if self.may_take(item.prefer, item_id):
                return item.prefer
            if item.place is not item.asked:
                return None
        if self._draw is not None:
            return self._drawn(self._draw, item.asked, self._barred(item))
        entry = self.first_of(item.asked, self._barred(item))
        return None if entry is None else entry[2]

    def choose_but(self, item_id: str, but: Collection[str]) -> str | None:
        """Who would take this item now if these didn't; None: nobody, or it is held for one."""
        item = self.items[item_id]
        if item.place is not item.asked:
            return None
        entry = self.first_of(item.asked, {*self._barred(item), *but})
        return None if entry is None else entry[2]

    def choose_for(self, asks: Asks, now: int = 0) -> str | None:
        """Whom :meth:`choose` would name for an item that is put now, for anybody: None: it waits.

        Whoever is named needs no item put and dropped again.
        """
        if now > self.now:
            self.advance(now)
        asked = self.table.asked.get(asks) or self.table.ask(asks)
        if self._draw is not None:
            return self._drawn(self._draw, asked, ())
        entry = self.first_of(asked, ())
        return None if entry is None else entry[2]

    def is_staffed(self, asks: Asks) -> bool:
        """Whether anybody is available who could take such an item, with or without room now."""
        counts = self.table.sum_of(self.table.asked.get(asks) or self.table.ask(asks))
        return any((counts >> SHIFTS[state]) & MASK for state in PRESENT)

    def is_tied(self, item_id: str, winner: str) -> bool:
        """Whether another agent is as good as the winner, but for the id."""
        item = self.items[item_id]
        if winner == item.prefer or not (item.asked.is_ranked or self.may_tie(winner)):
            return False
        barred = self._barred(item)
        first, second = (
            self.first_of(item.asked, barred),
            self.first_of(item.asked, {*barred, winner}),
        )
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
