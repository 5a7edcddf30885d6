"""The newest messages of all conversations in memory, and from where on nothing is missing.

Most visitors who come back were away for moments (a page was left, a phone slept): what they
missed is here, and the log needn't be read for them.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any

Frame = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """A message as it is shown to a visitor, and its offset."""

    offset: int
    frame: Frame


class Recent:
    """At most ``entries_max``; the oldest of all goes first."""

    def __init__(self, entries_max: int) -> None:
        self._entries_max = entries_max
        self._since: dict[int, int] = {}
        self._order: deque[tuple[int, str]] = deque()
        self._by_key: defaultdict[str, deque[Entry]] = defaultdict(deque)

    def begin(self, partition: int, offset: int) -> None:
        """Everything after ``offset`` will be added; what was before is unknown."""
        self._since.setdefault(partition, offset)

    def add(self, partition: int, key: str, entry: Entry) -> None:
        """Remember a message; offsets of one partition come in order."""
        self._by_key[key].append(entry)
        self._order.append((partition, key))
        while len(self._order) > self._entries_max:
            old_partition, old_key = self._order.popleft()
            entries = self._by_key[old_key]
            self._since[old_partition] = max(
                self._since.get(old_partition, -1), entries.popleft().offset
            )
            if not entries:
                del self._by_key[old_key]

    def after(self, partition: int, key: str, offset: int) -> list[Entry] | None:
        """A conversation's messages after ``offset``; None where some could be missing."""
        since = self._since.get(partition)
        if since is None or offset < since:
            return None
        return [entry for entry in self._by_key.get(key, ()) if entry.offset > offset]
