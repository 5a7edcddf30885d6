"""Which promise holds for a case: the first policy that matches, its goal, its deadlines."""

from __future__ import annotations

from dataclasses import dataclass

from vaxel_shared.calendars.arithmetic import due_ms, elapsed_ms, segments
from vaxel_shared.calendars.calendar import BusinessCalendar, NeverOpen
from vaxel_shared.config.sla import Alert, Policy, Sla, When
from vaxel_shared.contracts.sla import Stretch
from vaxel_sla_monitor.core.state import Clock, Facts, Pause, Stage

SEGMENTS_MAX = 100
"""In one event; the rest is summed up in one more."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a policy says for one clock of one case."""

    policy: str
    version: str
    calendar: str
    target_ms: int
    warn_at: tuple[int, ...]


class Rules:
    """The configuration as the clocks ask it."""

    def __init__(self, sla: Sla) -> None:
        self._sla = sla

    @property
    def version(self) -> str:
        """SHA-256 of the files."""
        return self._sla.version

    def policy(self, facts: Facts) -> Policy | None:
        """The first that matches; none for mail that nobody wrote."""
        if facts.automatic:
            return None
        return next((item for item in self._sla.file.policies if _matches(item.when, facts)), None)

    def promise(self, clock: str, policy: Policy | None, facts: Facts) -> Promise | None:
        """The goal of a clock; None where no clock is kept."""
        for goal in (policy.goals(clock) or []) if policy is not None else []:
            if goal.priority_at_least is None or facts.priority >= goal.priority_at_least:
                assert policy is not None
                shares = tuple(sorted(set(policy.warn_at)))
                return Promise(policy.name, self.version, policy.calendar, goal.target, shares)
        return None

    def alert(self, policy: str, stage: str) -> Alert:
        """What a stage asks of the router, by the policy of that name as it is now."""
        found = self._sla.file.policy(policy)
        if found is None:
            return Alert()
        return found.on_breach if stage == "breach" else found.on_warning

    def deadlines(self, clock: Clock) -> tuple[int | None, tuple[Stage, ...]]:
        """When a clock is due, and all its stages in order; none while a pause holds them up."""
        calendar = self._calendar(clock.calendar)
        if calendar is None:
            return clock.due_ms, clock.stages
        stages = []
        for name, target_ms in (
            *((f"warning.{share}", clock.target_ms * share // 100) for share in clock.warn_at),
            ("breach", clock.target_ms),
        ):
            try:
                at_ms = due_ms(calendar, clock.started_ms, target_ms, clock.pauses)
            except NeverOpen:
                at_ms = None
            if at_ms is not None:
                stages.append(Stage(name, at_ms))
        due = stages[-1].at_ms if stages and stages[-1].name == "breach" else None
        return due, tuple(stages)

    def elapsed(self, clock: Clock, until_ms: int) -> int:
        """Time on a clock at an instant, in milliseconds."""
        calendar = self._calendar(clock.calendar)
        if calendar is None or not calendar.ever_open:
            return 0
        return elapsed_ms(calendar, clock.started_ms, until_ms, clock.pauses)

    def stretches(self, clock: Clock, until_ms: int) -> list[Stretch]:
        """What the way to an instant is made of."""
        calendar = self._calendar(clock.calendar)
        if calendar is None:
            return []
        made = [
            Stretch(
                from_ms=item.from_ms, to_ms=item.to_ms, kind=item.kind, why=item.why,
                counted_ms=item.counted_ms, name=item.name,
            )
            for item in segments(calendar, clock.started_ms, until_ms, clock.pauses)
        ]  # fmt: skip
        if len(made) <= SEGMENTS_MAX:
            return made
        rest = made[SEGMENTS_MAX:]
        counted_ms = sum(item.counted_ms for item in rest)
        whole = Stretch(
            from_ms=rest[0].from_ms, to_ms=rest[-1].to_ms, kind="summed", why="summed",
            counted_ms=counted_ms,
        )  # fmt: skip
        return [*made[:SEGMENTS_MAX], whole]

    def pauses(self, policy: str, waits_for: str | None) -> bool:
        """Whether waiting for somebody stops the resolution clock of that policy."""
        found = self._sla.file.policy(policy)
        return found is not None and waits_for in found.pause_while_waiting_for

    def reopen(self, policy: str) -> str:
        """How a resolved case's clock goes on: continue, restart or ignore."""
        found = self._sla.file.policy(policy)
        return found.reopen if found is not None else "ignore"

    def _calendar(self, name: str) -> BusinessCalendar | None:
        return self._sla.calendars.get(name)


def closed(pauses: tuple[Pause, ...], at_ms: int) -> tuple[Pause, ...]:
    """The pauses, the open one ended at ``at_ms``."""
    return tuple((start, max(start, at_ms) if end is None else end) for start, end in pauses)


def _matches(when: When, facts: Facts) -> bool:
    for allowed, value in (
        (when.pool, facts.pool), (when.queue, facts.queue), (when.channel, facts.channel),
        (when.account, facts.account), (when.language, facts.language),
    ):  # fmt: skip
        if allowed and value not in allowed:
            return False
    if when.label and not set(when.label) & set(facts.labels):
        return False
    return when.priority_at_least is None or facts.priority >= when.priority_at_least
