"""What agents have in hand that isn't ours: calls, tickets and visitors of tools of their own.

A tool says what an agent has there, all of it, and until when that counts; what it says later takes
its place. So nothing adds up, what is lost is said again, and a tool that falls silent keeps nobody
busy for long. It takes capacity as our own work does, and may come to more than the agent has: it
is there already. Nothing is taken from anybody by it, but nothing new is offered either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec


class Elsewhere(msgspec.Struct, gc=False, omit_defaults=True):
    """What one tool said of one agent. ``works``: channel → (how many, the capacity of each)."""

    until_ms: int
    works: dict[str, tuple[int, int]] = {}
    missing: list[str] = []
    """Works of ours that the tool didn't show as the agent's."""
    lingering: list[str] = []
    """Cases that it did show as the agent's, and that aren't."""


def taken(elsewhere: Mapping[str, Elsewhere]) -> Iterator[tuple[str, int]]:
    """(channel, cost) of each work."""
    for said in elsewhere.values():
        for channel, (count, cost) in said.works.items():
            for _ in range(count):
                yield channel, cost
