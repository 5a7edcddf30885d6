"""What each agent got and how long each was there: folded from decisions, without texts or names.

An agent is *there* while available, *idle* while there with no work in hand. Work is *hard* when
the contact asked for a skill of at least a given level. Rates are per hour of being there, so that
who works half of the week isn't taken for neglected.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from vaxel_shared.contracts.wire import Batch, Decision

HOUR_MS = 3_600_000
THERE_MS_MIN = 60_000
"""Who was there for less than a minute of a period has no rate: chance would make it."""
ENDED = ("work.closed", "work.cancelled", "work.abandoned")


@dataclass(slots=True)
class Share:
    """One agent's part of a period; ``load`` is the capacity that the works took."""

    works: int = 0
    load: int = 0
    hard: int = 0
    offers: int = 0
    declined: int = 0
    missed: int = 0
    there_ms: int = 0
    idle_ms: int = 0

    def per_hour(self, amount: int) -> float:
        """An amount by the hours of being there."""
        return amount * HOUR_MS / self.there_ms

    @property
    def idle(self) -> float:
        """Of the time there, the part without work: 0 to 1."""
        return self.idle_ms / self.there_ms


@dataclass(slots=True)
class _Agent:
    """Where an agent stands while the log is folded."""

    since_ms: int = 0
    there: bool = False
    in_hand: set[str] = field(default_factory=set)


class Shares:
    """Folds one partition's decisions; ``period_ms`` cuts time into periods, 0: one in all.

    ``rows``: (pool, the period's begin in milliseconds UTC, agent) → share.
    """

    def __init__(self, *, hard_level: int, period_ms: int = 0) -> None:
        self.rows: dict[tuple[str, int, str], Share] = {}
        self._hard_level, self._period_ms = hard_level, period_ms
        self._agents: dict[tuple[str, str], _Agent] = {}
        self._hard: set[str] = set()
        self._now_ms = 0

    def fold(self, batches: Iterable[Batch]) -> None:
        """All records of a partition, in order; time ends with the last."""
        for batch in batches:
            for decision in batch.decisions:
                self._now_ms = max(self._now_ms, decision.at_ms)
                self._weigh(decision)
                if decision.agent_id is not None:
                    self._see(decision, decision.agent_id)
            self._now_ms = max(self._now_ms, batch.tick_ms or 0)
        for pool, agent_id in self._agents:
            self._pass(pool, agent_id)

    def _weigh(self, made: Decision) -> None:
        """Note which works are hard."""
        if made.type == "work.queued":
            asked = made.data["asks"].get("skills", {}).values()
            if max(asked, default=0) >= self._hard_level:
                self._hard.add(made.work_id or "")
        elif made.type in ENDED:
            self._hard.discard(made.work_id or "")

    def _see(self, made: Decision, agent_id: str) -> None:
        work_id = made.work_id or ""
        agent = self._pass(made.pool, agent_id)
        share = self._share(made.pool, made.at_ms, agent_id)
        match made.type:
            case "agent.changed" if made.data.get("presence") is not None:
                agent.there = made.data["presence"] == "available"
            case "agent.removed":
                agent.there = False
            case "offer.made":
                share.offers += 1
            case "offer.ended":
                share.declined += made.data["outcome"] == "declined"
                share.missed += made.data["outcome"] == "expired"
            case "work.assigned":
                agent.in_hand.add(work_id)
                share.works += 1
                share.load += made.data["cost"]
                share.hard += work_id in self._hard
            case type_ if type_ in ENDED:
                agent.in_hand.discard(work_id)

    def _share(self, pool: str, at_ms: int, agent_id: str) -> Share:
        begin = at_ms - at_ms % self._period_ms if self._period_ms else 0
        return self.rows.setdefault((pool, begin, agent_id), Share())

    def _pass(self, pool: str, agent_id: str) -> _Agent:
        """Count the agent's time up to now, each part to its period."""
        agent = self._agents.get((pool, agent_id))
        if agent is None:
            agent = self._agents[pool, agent_id] = _Agent(self._now_ms)
        at_ms = agent.since_ms
        while agent.there and at_ms < self._now_ms:
            end = at_ms - at_ms % self._period_ms + self._period_ms if self._period_ms else 2**62
            spent = min(end, self._now_ms) - at_ms
            share = self._share(pool, at_ms, agent_id)
            share.there_ms += spent
            share.idle_ms += 0 if agent.in_hand else spent
            at_ms += spent
        agent.since_ms = self._now_ms
        return agent


def gini(values: Sequence[float]) -> float:
    """How unequal values are that aren't negative: 0 all alike, towards 1 all with one.

    Gini 1912, in the form of the mean difference of sorted values.
    """
    total = sum(values)
    if not total:
        return 0.0
    ranked = enumerate(sorted(values), 1)
    n = len(values)
    return 2 * sum(place * value for place, value in ranked) / (n * total) - (n + 1) / n


@dataclass(frozen=True, slots=True)
class Period:
    """One pool's period: who had which share, and how even that is."""

    pool: str
    begin_ms: int
    shares: dict[str, Share]
    """Those who were there, by id."""
    gini: dict[str, float]
    """Of works, load and hard works per hour, and of the idle part of the time."""
    below: list[str]
    """Those whose load per hour is under the floor."""


def periods(rows: dict[tuple[str, int, str], Share], *, floor: float = 0.0) -> list[Period]:
    """Rows by pool and period; ``floor`` is a part of the pool's mean load per hour, 0 to 1."""
    grouped: dict[tuple[str, int], dict[str, Share]] = {}
    for (pool, begin, agent_id), share in sorted(rows.items()):
        if share.there_ms >= THERE_MS_MIN:
            grouped.setdefault((pool, begin), {})[agent_id] = share
    found = []
    for (pool, begin), shares in grouped.items():
        loads = {name: share.per_hour(share.load) for name, share in shares.items()}
        least = floor * sum(loads.values()) / len(loads)
        even = {
            "works": gini([share.per_hour(share.works) for share in shares.values()]),
            "load": gini(list(loads.values())),
            "hard": gini([share.per_hour(share.hard) for share in shares.values()]),
            "idle": gini([share.idle for share in shares.values()]),
        }
        below = [name for name, load in loads.items() if load < least]
        found.append(Period(pool, begin, shares, even, below))
    return found
