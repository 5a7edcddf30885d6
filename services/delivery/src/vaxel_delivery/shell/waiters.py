"""Pages that wait for a decision: told as soon as it stands in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vaxel_delivery.core.project import Answered, Change, OfferClosed

WAITING_MAX = 1_000
"""Pages told at once; those beyond it say that the decision is pending."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided: the offer ``ended``, or the command was answered with ``code``."""

    ended: str | None = None
    code: str | None = None
    repeated: bool = False


class Waiters:
    """Who waits for what."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Future[Verdict]]] = {}
        self._count = 0

    @contextmanager
    def waiting(self, offer_id: str | None, command_id: str) -> Iterator[asyncio.Future[Verdict]]:
        """A future that is set when the offer, if any, ends or the command is answered."""
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        names = [_command(command_id), *([] if offer_id is None else [_offer(offer_id)])]
        names = names if self._count < WAITING_MAX else []
        self._count += 1
        for name in names:
            self._waiting.setdefault(name, []).append(future)
        try:
            yield future
        finally:
            self._count -= 1
            for name in names:
                left = [item for item in self._waiting.get(name, []) if item is not future]
                if left:
                    self._waiting[name] = left
                else:
                    self._waiting.pop(name, None)

    def tell(self, changes: Iterable[Change], answers: Iterable[Answered] = ()) -> None:
        """Tell whoever waits for one of these; the first news counts, an offer's end first."""
        if not self._waiting:
            return
        for change in changes:
            if isinstance(change, OfferClosed):
                self._set(_offer(change.offer_id), Verdict(ended=change.outcome))
        for answer in answers:
            self._set(_command(answer.command_id), Verdict(None, answer.code, answer.repeated))

    def _set(self, name: str, verdict: Verdict) -> None:
        for future in self._waiting.get(name, []):
            if not future.done():
                future.set_result(verdict)


def _offer(offer_id: str) -> str:
    return f"offer:{offer_id}"


def _command(command_id: str) -> str:
    return f"command:{command_id}"
