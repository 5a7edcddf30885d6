"""Clocks that are wrong, in the simulated world: the real router, SLA monitor and delivery's core.

Every history is one of `tests/simulation/world`, judged by its checker, with clocks as the only
trouble: jumps of an hour both ways and drift of five per cent at each service, and jumps of the
broker's own clock; or an hour in which nothing runs and nothing gets anywhere.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulation.world import plan
from simulation.world.checker import Violation
from simulation.world.history import Failed, History

from vaxel_shared.contracts import wire
from vaxel_shared.contracts.sla import SlaEvent
from vaxel_shared.kafka.topics import SLA

HOUR_MS = 3_600_000
CONTACTS = 80
Make = Callable[..., plan.Plan]


def wrong_clocks(make: Make) -> Make:
    """Plans in which clocks jump an hour and drift, and nothing else goes wrong."""

    def made(seed: int, *, contacts: int | None = None) -> plan.Plan:
        return dataclasses.replace(
            make(seed, contacts=contacts or CONTACTS),
            faults=("wall_jump", "drift", "broker_jump"),
            faults_count=12,
            fates={},
            dies=0.0,
            services=("delivery", "clocks"),
            poll_ms=500,
            wall_jumps=(-HOUR_MS, HOUR_MS),
        )

    return made


def outage(make: Make) -> Make:
    """Plans with an hour, twice, in which everything is down."""

    def made(seed: int, *, contacts: int | None = None) -> plan.Plan:
        return dataclasses.replace(
            make(seed, contacts=contacts or CONTACTS),
            faults=("outage",),
            faults_count=2,
            fates={},
            dies=0.0,
            services=("delivery", "clocks"),
        )

    return made


@dataclass
class Result:
    """What some histories came to."""

    histories: int = 0
    contacts: int = 0
    timers: int = 0
    """Of the router, fired neither early nor twice nor too late."""
    alerts: int = 0
    overdue: int = 0
    """Deadlines that passed while everything was down, each told or fired once, in order."""
    faults: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)


def play(seeds: range, kind: Callable[[Make], Make], done: Callable[[], None]) -> Result:
    """Histories of a kind, judged; a failure is one line with its seed."""
    result, real = Result(), plan.make
    for seed in seeds:
        plan.make = kind(real)
        history = History(seed)
        try:
            _note_outages(history)
            history.run()
            _judge(history, result)
        except (Failed, Violation) as error:
            result.failed.append(f"{kind.__name__} {seed}: {str(error).splitlines()[0]}")
        finally:
            plan.make = real
        result.histories += 1
        result.contacts += history.plan.contacts
        result.timers += history.checker.facts.timers
        result.faults.update(history.faults.counts)
        done()
    return result


def _note_outages(history: Any) -> None:
    """Remember each stretch in which everything was down, by the broker's clock."""
    history.outages = []
    strike = history.faults._outage

    def noted(seconds: int = HOUR_MS // 1000) -> bool | None:
        begin = history.timeline.wall_ms
        answer: bool | None = strike(seconds)
        if answer is None:
            history.outages.append((begin, history.timeline.wall_ms))
        return answer

    history.faults._outage = noted


def _judge(history: Any, result: Result) -> None:
    decisions = [
        decision
        for one in history.checker.valid
        for decision in wire.decode_batch(one.body).decisions
    ]
    for begin, end in history.outages:
        _nobody_is_blamed(decisions, begin, end)
        result.overdue += _in_order(decisions, begin, end)
    result.alerts += _alerts(history)


def _nobody_is_blamed(decisions: list[wire.Decision], begin: int, end: int) -> None:
    """Nothing that ran out in an outage counts as missed, and nobody is away for it."""
    for place, decision in enumerate(decisions):
        if decision.type != "offer.ended" or not begin < decision.at_ms < end - 11_000:
            continue
        if decision.data["outcome"] == "expired":
            raise Violation(f"offer {decision.offer_id} counts as missed in an outage")
        following = decisions[place + 1] if place + 1 < len(decisions) else decision
        if following.data.get("reason") == "missed_offers":
            raise Violation(f"{following.agent_id} was set away by an outage")


def _in_order(decisions: list[wire.Decision], begin: int, end: int) -> int:
    """What was due in an outage fired once each, the oldest first; answers how many."""
    fired = [
        (decision.at_ms, decision.cause)
        for decision in decisions
        if decision.cause.startswith("timer:") and begin < decision.at_ms < end
    ]
    at = [instant for instant, _ in fired]
    if at != sorted(at):
        raise Violation("timers that were due in an outage fired out of order")
    return len(dict.fromkeys(fired))


def _alerts(history: Any) -> int:
    """Warnings and breaches, each told under one id; none before its time."""
    told: dict[tuple[str, str, int, str, int | None], str] = {}
    for one in history.broker.partition(SLA).records:
        event = SlaEvent.model_validate_json(one.value)
        if event.type not in ("warned", "breached"):
            continue
        key = (event.case_id, event.clock, event.cycle, f"{event.share} {event.at_ms}", event.again)
        if told.setdefault(key, event.id) != event.id:
            raise Violation(f"{event.type} of {event.case_id} was told twice under two ids")
    return len(told)
