"""The first of every class, in order, and a quick way to the first of some classes.

A *row* is a set of classes. To find the first among them there are two ways: look at each class of
the row, or walk down the order of all heads until one is of the row. The shorter is taken, so
the work grows with the square root of the number of classes, and never with what they hold.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from itertools import islice
from operator import itemgetter
from typing import Any

DIRECT_MAX = 48
"""A row of so many classes is looked at directly: that takes one call."""


class Row:
    """A set of classes, by index."""

    __slots__ = ("_get", "members")

    def __init__(self) -> None:
        self.members: set[int] = set()
        self._get: Callable[[list[Any]], Any] | None = None

    def add(self, index: int) -> None:
        """Take a class in."""
        self.members.add(index)
        self._get = None

    def discard(self, index: int) -> None:
        """Let a class go."""
        self.members.discard(index)
        self._get = None

    def least(self, keys: list[Any]) -> Any:
        """The least key of the row's classes, one look at each; the row must not be empty."""
        get = self._get
        if get is None:
            some = tuple(self.members)
            # The first one twice: so the getter answers with a tuple even for a single class.
            get = self._get = itemgetter(*some, some[0])
        return min(get(keys))


class Heads:
    """What each class begins with; ``none`` is greater than any key and means an empty class."""

    __slots__ = ("_at", "_free", "_keys", "_none", "_order")

    def __init__(self, none: Any) -> None:
        self._none = none
        self._keys: list[Any] = []
        self._order: list[Any] = []
        self._at: list[int] = []
        """The class of each of the order's keys, in the same places."""
        self._free: list[int] = []

    def grow(self) -> int:
        """The index of a new class, which is empty."""
        if self._free:
            return self._free.pop()
        self._keys.append(self._none)
        return len(self._keys) - 1

    def release(self, index: int) -> None:
        """Give the index of an empty class back."""
        assert self._keys[index] is self._none, "only an empty class ends"
        self._free.append(index)

    def set(self, index: int, key: Any) -> None:
        """Say what a class begins with; None: it is empty. Keys differ between classes."""
        keys, order = self._keys, self._order
        old = keys[index]
        if old == key:
            return
        if old is not self._none:
            place = bisect_left(order, old)
            del order[place], self._at[place]
        if key is None:
            keys[index] = self._none
            return
        keys[index] = key
        place = bisect_left(order, key)
        order.insert(place, key)
        self._at.insert(place, index)

    def head(self, index: int) -> Any | None:
        """What a class was last said to begin with; None: it was empty."""
        key = self._keys[index]
        return None if key is self._none else key

    def first(self, row: Row) -> int | None:
        """The class of the row that begins with the least key; None where all are empty."""
        order, members = self._order, row.members
        if not order or not members:
            return None
        steps = len(members)
        if len(order) <= steps or steps > DIRECT_MAX:
            for index in islice(self._at, steps):
                if index in members:
                    return index
            if len(order) <= steps:
                return None
        key = row.least(self._keys)
        return None if key is self._none else self._at[bisect_left(order, key)]

    def all(self) -> list[int]:
        """The classes that aren't empty, in the order of their heads."""
        return [*self._at]

    def after(self, key: Any) -> Any | None:
        """The head next after one that is a head itself; None where it is the last."""
        place = bisect_left(self._order, key) + 1
        return self._order[place] if place < len(self._order) else None

    def among(self, row: Row) -> list[tuple[Any, int]]:
        """(head, class) of the row's classes that aren't empty, in the order of their heads."""
        members = row.members
        if len(self._order) <= len(members):
            both = zip(self._order, self._at, strict=True)
            return [(key, index) for key, index in both if index in members]
        keys = self._keys
        return sorted((keys[i], i) for i in members if keys[i] is not self._none)
