"""The classes: items that ask for the same, agents who bring the same, those of equal room.

What a class holds is a heap. What leaves stays in the heap until it comes to the top, or until too
many like it lie there: whether an entry still counts is asked of its owner, never of the heap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from heapq import heappop, heappush
from types import MappingProxyType
from typing import Any

from vaxel_router.core.matching.heads import Row
from vaxel_router.core.matching.shapes import Asks, Profile

SLACK = 32
"""So many dead entries, or as many as live ones, may lie in a heap before it is made anew."""

AVAILABLE = "available"
LOST = "lost"
"""Whose connection broke a moment ago: takes nothing, and what was held for the agent stays so."""
ROOM, CHANNEL_FULL, CAPACITY_FULL = "", "channel_full", "capacity_full"
CHANNEL_OFF = "channel_off"

LOAD_BITS = 24
"""Of each number in a :attr:`Seat.load`, and in :attr:`Seat.hands`."""
COUNT_MASK = (1 << LOAD_BITS) - 1

State = tuple[str, ...]
"""What rules an agent out of each channel of the profile, in order (:data:`ROOM`: nothing); or the
presence alone, of one who isn't available."""


class Pile:
    """A heap of keys, and the items by their keys: a key whose item left may still be in it."""

    __slots__ = ("heap", "items")

    def __init__(self) -> None:
        self.heap: list[int] = []
        self.items: dict[int, Item] = {}

    def first(self) -> Item | None:
        """The item of the least key; what has left is thrown off the top."""
        heap, items = self.heap, self.items
        if len(heap) > 2 * len(items) + SLACK:
            heap[:] = sorted(items)
        while heap:
            item = items.get(heap[0])
            if item is not None:
                return item
            heappop(heap)
        return None

    def in_order(self) -> Iterator[Item]:
        """Its items by their keys, as far as they are wanted; nothing may change meanwhile."""
        lifted: list[int] = []
        try:
            while (item := self.first()) is not None:
                key = heappop(self.heap)
                if not lifted or key != lifted[-1]:  # what was filed again may be in it twice
                    lifted.append(key)
                    yield item
        finally:
            for key in lifted:
                heappush(self.heap, key)


class Asked(Pile):
    """The items that ask for the same."""

    __slots__ = (
        "asks", "fits", "get_sums", "index", "is_ranked", "lasting", "lasting_at", "ranks",
        "rarity", "row", "users",
    )  # fmt: skip

    def __init__(self, asks: Asks, index: int) -> None:
        super().__init__()
        self.asks = asks
        self.is_ranked = asks.extra is not None and asks.extra.ranks
        """Whether such items put agents in an order of their own."""
        self.index = index
        self.users = 0
        """Items of this class, whether they lie here or are held for one agent."""
        self.row = Row()
        """The crews with room for them."""
        self.fits: list[Brought] = []
        """The profiles that may take them if there is room, in the order of profiles."""
        self.get_sums: Callable[[list[int]], tuple[int, ...]] | None = None
        """Gets the sums of ``fits``; None: to be made anew."""
        self.ranks: dict[Profile, Any] = {}
        self.rarity: Any = None
        """What the ranks were found by."""
        self.lasting: Any = None
        """What the accounts keep of it, as of the roster's version ``lasting_at``."""
        self.lasting_at = -1


class Brought:
    """A profile that somebody has, and what fits it."""

    __slots__ = (
        "aside", "asked", "by_load", "crews", "members", "place", "profile", "slot", "units",
    )  # fmt: skip

    def __init__(self, profile: Profile, slot: int) -> None:
        self.profile = profile
        self.slot = slot
        self.members: set[str] = set()
        self.crews: dict[State, Crew] = {}
        self.asked: set[Asked] = set()
        """Classes of items that the profile may take if there is room."""
        self.place = {channel[0]: i for i, channel in enumerate(profile.channels)}
        self.units = {name: 1 << LOAD_BITS * (1 + i) for name, i in self.place.items()}
        """What one more of a channel adds to a :attr:`Seat.load`."""
        self.aside: dict[str, list[str]] = {}
        """By channel, those whose items are put aside for it."""
        for name, others in profile.yields:
            for other in others:
                self.aside.setdefault(other, []).append(name)
        self.by_load: dict[int, Crew] = {}
        """Where an available agent of such a load stands."""


class Crew:
    """Agents of the same profile, presence and room; the heap of an open one holds (idle, id)."""

    __slots__ = (
        "drawn", "heap", "index", "named", "names", "of", "open", "orders", "presence", "row",
        "size", "state", "sums",
    )  # fmt: skip

    def __init__(self, of: Brought, presence: str, state: State, index: int) -> None:
        self.of = of
        self.presence = presence
        self.state = state
        self.index = index
        self.heap: list[tuple[Any, str]] = []
        self.orders: dict[str, list[tuple[Any, str]]] = {}
        """Heaps of (key, id) for whatever else items choose by, as far as any did."""
        self.size = 0
        self.row = Row()
        """The classes of items that they have room for."""
        there = presence == AVAILABLE
        self.open = frozenset(
            name for name, place in of.place.items() if there and state[place] == ROOM
        )
        self.drawn: list[Seat] = []
        """Its members in no order, where one is drawn by lot."""
        self.sums: list[tuple[list[int], int]] = []
        """What one more of them adds to the table's sums: a list, and how much."""
        self.names: list[str] = []
        """A heap of their ids, each once, and of those who left since; ``named`` are all in it."""
        self.named: set[str] = set()

    def code(self, channel: str) -> str:
        """What rules them out of a channel that the profile has; "" where there is room."""
        if self.presence != AVAILABLE:
            return "presence_" + self.presence
        return self.state[self.of.place[channel]]


class Seat:
    """An agent: what is in hand, and where it stands."""

    __slots__ = (
        "brought", "closed", "crew", "drawn_at", "hands", "held", "id", "idle", "load", "presence",
        "stop", "turn", "used",
    )  # fmt: skip

    def __init__(self, agent_id: str, brought: Brought, crew: Crew) -> None:
        self.id = agent_id
        self.brought = brought
        self.crew = crew
        self.drawn_at = -1
        self.presence = crew.presence
        self.used = 0
        self.hands: dict[str, int] = {}
        """How many of each channel, and above the :data:`LOAD_BITS` what of ``used`` they take."""
        self.load = 0
        """``used`` and the counts of the profile's channels, side by side in one integer."""
        self.idle: Any = 0
        self.closed: frozenset[str] = frozenset()
        """Channels of which the agent takes nothing for now."""
        self.stop = ""
        """What rules the agent out of all channels for now, as if they were full; "": nothing."""
        self.turn = 0
        """Greater than that of all who were given something before."""
        self.held: dict[str, Pile] = {}
        """Items that wait for this agent alone, by channel."""

    def count(self, channel: str) -> int:
        """How many of a channel are in hand."""
        return self.hands.get(channel, 0) & COUNT_MASK

    def used_for(self, channel: str) -> int:
        """The capacity in use, as an item of this channel meets it."""
        aside = self.brought.aside.get(channel, ())
        return self.used - sum(self.hands.get(name, 0) >> LOAD_BITS for name in aside)


NOBODY: Mapping[str, int] = MappingProxyType({})


class Item:
    """Something that waits."""

    __slots__ = ("asked", "barred", "id", "key", "place", "prefer", "until")

    def __init__(self, item_id: str, asked: Asked, key: int) -> None:
        self.id = item_id
        self.asked = asked
        self.key = key
        self.barred = NOBODY
        self.prefer: str | None = None
        self.until = 0
        self.place: Pile = asked
        """Where it lies: with those of its class, or with those held for one agent."""
