"""What the loop asks of the router: who takes a customer who arrives, whom an agent takes next.

Customers and agents are numbers here: customers in order of arrival, agents in order of the file.
"""

from __future__ import annotations

from typing import Protocol


class Matching(Protocol):
    """The deciding part of a router, in virtual time. Every agent is there from the start."""

    def arrive(self, customer: int, klass: int, now: int) -> int | None:
        """A customer of a class is here: the agent who takes it at once; None: it waits."""

    def free(self, agent: int, customer: int, now: int) -> int | None:
        """An agent has done with a customer: the waiting customer whom they take next, if any."""

    def leave(self, customer: int, now: int) -> None:
        """A waiting customer gives up, or is turned away."""
