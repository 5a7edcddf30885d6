"""What people usually do, of a recorded story: how they answer offers, how their work ends."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import NamedTuple

from vaxel_cli.whatif.told import ENDINGS, OUTCOMES, Act, Stint, Story

ANSWERS_MIN = 5
"""Answers of an agent's own from which the usual one is drawn; with fewer, the pool's."""


class Answer(NamedTuple):
    """How somebody answered an offer: ``act`` is None where they didn't."""

    after_ms: int
    act: Act | None
    sent_ms: int | None
    """When the offer was reported as sent, after it was made; None: never."""


class Answers:
    """How agents usually answer."""

    def __init__(self, story: Story) -> None:
        self._own: dict[str, list[Answer]] = defaultdict(list)
        self._all: list[Answer] = []
        for shown in story.offers.values():
            if shown.outcome not in OUTCOMES:
                continue
            sent = [act for act in shown.acts if act.command.type == "delivery.result"]
            said = [act for act in shown.acts if act.command.type != "delivery.result"]
            after_ms = said[-1].at_ms - shown.made_ms if said else 0
            sent_ms = sent[0].at_ms - shown.made_ms if sent else None
            answer = Answer(after_ms, said[-1] if said else None, sent_ms)
            self._own[shown.agent_id].append(answer)
            self._all.append(answer)

    def draw(self, _pool: str, agent_id: str, offer_id: str) -> Answer:
        """The same for the same offer."""
        some = self._own.get(agent_id, [])
        if len(some) < ANSWERS_MIN:
            some = self._all
        if not some:
            return Answer(0, None, 0)
        return some[number_of(offer_id) % len(some)]


class Endings:
    """How work of a queue usually ends, and after how long."""

    def __init__(self, story: Story) -> None:
        self._by_queue: dict[str, list[Stint]] = defaultdict(list)
        self._all: list[Stint] = []
        for stints in story.stints.values():
            for stint in stints:
                if stint.ends is None or stint.acts[stint.ends].command.type not in ENDINGS:
                    continue
                self._by_queue[stint.queue].append(stint)
                self._all.append(stint)

    def draw(self, _pool: str, queue: str, work_id: str, least_ms: int) -> Stint | None:
        """The same for the same work; one that took at least so long, if there is any."""
        some = self._by_queue.get(queue) or self._all
        longer = [stint for stint in some if (stint.took_ms or 0) >= least_ms]
        some = longer or some
        return some[number_of(work_id) % len(some)] if some else None


def number_of(key: str) -> int:
    """A number that is always the same of the same, and evenly spread."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])
