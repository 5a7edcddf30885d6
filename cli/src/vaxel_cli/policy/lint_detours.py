"""Detours that can't be meant: work that goes round in circles, steps that skip nothing."""

from __future__ import annotations

from collections.abc import Iterator

from vaxel_cli.policy.deck import Deck, Seat
from vaxel_cli.policy.findings import Finding, at
from vaxel_shared.config.document import Path_
from vaxel_shared.config.routing import Queue, detours


def findings(deck: Deck) -> Iterator[Finding]:
    """Everything about where queues send their work."""
    for seat in deck.seats:
        yield from _cycles(deck, seat)
        for index, queue in enumerate(seat.pool.queues):
            yield from _skips(deck, seat, index, queue)
            yield from _shadowed(deck, seat, index, queue)


def _sure(queue: Queue) -> list[tuple[Path_, str]]:
    """Where a queue's work goes whatever the other queue is like: so it does go there."""
    free = {
        ("overflow", number, "to")
        for number, rule in enumerate(queue.overflow)
        if rule.if_there is None and rule.expected_wait_ms is None
    }
    return [(path, to) for path, to in detours(queue) if path in free or path[0] == "limit"]


def _cycles(deck: Deck, seat: Seat) -> Iterator[Finding]:
    """Queues that send their work round in a circle; each circle is told once."""
    ways = {queue.name: _sure(queue) for queue in seat.pool.queues}
    index = {queue.name: number for number, queue in enumerate(seat.pool.queues)}
    told: set[frozenset[str]] = set()
    for begin in ways:
        for circle, path in _circles(ways, begin):
            if frozenset(circle) in told:
                continue
            told.add(frozenset(circle))
            text = f"work goes round in a circle: {' → '.join([*circle, begin])}; end it with a "
            text += "queue that sends nothing on, or go only `if_there`"
            place = (*seat.queue_path(index[circle[-1]]), *path)
            yield at(deck.routing, place, "error", "queue_cycle", text)


def _circles(
    ways: dict[str, list[tuple[Path_, str]]], begin: str
) -> Iterator[tuple[list[str], Path_]]:
    """The shortest ways from a queue back to itself: the queues, and the place of the last step."""
    seen, level = {begin}, [[begin]]
    while level:
        further = []
        for way in level:
            for path, to in ways.get(way[-1], []):
                if to == begin:
                    yield way, path
                elif to not in seen:
                    seen.add(to)
                    further.append([*way, to])
        level = further


def _skips(deck: Deck, seat: Seat, index: int, queue: Queue) -> Iterator[Finding]:
    """A last step that is to be skipped: there is nothing after it."""
    if queue.steps[-1].skip_if_unstaffed:
        path = (*seat.queue_path(index), "steps", len(queue.steps) - 1)
        text = "`skip_if_unstaffed` on the last step does nothing: no step comes after it; delete "
        text += "it, or add one"
        yield at(deck.routing, path, "warning", "skip_of_last_step", text)


def _shadowed(deck: Deck, seat: Seat, index: int, queue: Queue) -> Iterator[Finding]:
    """Rules of overflow behind one that always holds before them."""
    for number, rule in enumerate(queue.overflow):
        earlier = [
            other
            for other in queue.overflow[:number]
            if other.if_there is None
            and other.expected_wait_ms is None
            and other.after_ms <= rule.after_ms
        ]
        if earlier:
            path = (*seat.queue_path(index), "overflow", number)
            text = f"never tried: everything has gone to {earlier[0].to!r} by then; put it before "
            text += "that rule, or delete it"
            yield at(deck.routing, path, "warning", "overflow_never_tried", text)
