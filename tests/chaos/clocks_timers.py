"""SLA timers by the hundred thousand in virtual time, through the monitor's real core.

Cases open, are answered, wait, are resolved; what must be told of them and when follows from plain
arithmetic here. The monitor's parts are its own: rules, steps, deadlines, the records it sends back
to itself, state encoded as it stands in the table. Faust is imitated: records of a partition in
order, a table, a place that is stored some time after. Meanwhile the monitor is away for an hour,
and killed in the midst of things, with the last write to its table lost and a stretch of its topic
read again.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vaxel_shared.config import source
from vaxel_shared.config.sla import checked
from vaxel_shared.contracts.sla import CaseFacts, Due, Move, SlaEvent
from vaxel_sla_monitor.core.deadlines import Deadlines
from vaxel_sla_monitor.core.rules import Rules
from vaxel_sla_monitor.core.state import Case, decode, encode
from vaxel_sla_monitor.core.step import step
from vaxel_sla_monitor.shell.stream import SENT_AT_ONCE_MAX, _due

T0 = 1_795_000_000_000
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
PARTITIONS = 4
MARK_MS = SECOND
SPAN_MS = 4 * HOUR
"""In which cases open; what they have due comes up to twelve hours later."""
TARGETS = {"first_response": 10 * MINUTE, "resolution": 4 * HOUR}
SHARES = (50, 75, 100)
POLICY = """\
calendars: [{name: always, zone: UTC, hours: always}]
policies:
  - name: everything
    calendar: always
    first_response: 10m
    resolution: 4h
    warn_at: [50, 75]
    on_breach: {tier_at_least: 2}
"""

Timer = tuple[str, str, str]
"""Case, clock, stage."""


def rules() -> Rules:
    """The policy above as the monitor reads it."""
    return Rules(checked(source.parse("sla.yaml", POLICY.encode()), Path()))


@dataclass
class Story:
    """What happens to a case, in milliseconds from its opening; None: never."""

    case_id: str
    opened_ms: int
    answered: int | None
    waits: tuple[int, int] | None
    resolved: int | None

    def moves(self) -> Iterator[tuple[int, str, str | None]]:
        """(instant, type, whom it waits for), in order."""
        yield self.opened_ms, "case.opened", None
        found: list[tuple[int, str, str | None]] = []
        if self.answered is not None:
            found.append((self.answered, "case.replied", None))
        if self.waits is not None:
            found += [
                (self.waits[0], "case.waiting", "customer"),
                (self.waits[1], "case.joined", None),
            ]
        if self.resolved is not None:
            found.append((self.resolved, "case.resolved", None))
        for at, kind, whom in sorted(found):
            yield self.opened_ms + at, kind, whom

    def due(self) -> dict[Timer, int]:
        """What must be told, and since when: strictly after that instant, and before an end."""
        told: dict[Timer, int] = {}
        for clock, target in TARGETS.items():
            ends = self.resolved
            if clock == "first_response" and self.answered is not None:
                ends = self.answered if ends is None else min(ends, self.answered)
            for share in SHARES:
                at = target * share // 100
                if clock == "resolution" and self.waits is not None and at >= self.waits[0]:
                    at += self.waits[1] - self.waits[0]
                if ends is None or at < ends:
                    stage = "breach" if share == 100 else f"warning.{share}"
                    told[self.case_id, clock, stage] = self.opened_ms + at
        return told


def story(draw: random.Random, number: int) -> Story:
    """One case; a third is never answered, some answers come just in time, or a millisecond late."""
    opened = T0 + draw.randrange(SPAN_MS)
    answered = draw.choice(
        [None, draw.randrange(1, 10 * MINUTE), draw.randrange(10 * MINUTE, HOUR),
         10 * MINUTE, 10 * MINUTE + 1, 5 * MINUTE, None],
    )  # fmt: skip
    begins = draw.randrange(1, 3 * HOUR)
    waits = (begins, begins + draw.randrange(1, 2 * HOUR)) if draw.random() < 0.4 else None
    after = max(answered or 0, waits[1] if waits else 0) + 1
    resolved = after + draw.randrange(6 * HOUR) if draw.random() < 0.5 else None
    return Story(f"case-{number:07d}", opened, answered, waits, resolved)


@dataclass
class Result:
    """What came of some timers."""

    armed: int = 0
    told: int = 0
    missed: int = 0
    early: int = 0
    unlike: int = 0
    """Told at another instant than it was due, or again in other words."""
    unwanted: int = 0
    disordered: int = 0
    """Overdue clocks of one partition that were told before an older one."""
    repeated: int = 0
    """Told once more after the kill, under the same ids: allowed."""
    overdue: int = 0
    """Due in the outage, told after it."""
    late_ms: Counter[int] = field(default_factory=Counter)
    """Of those due outside the outage, what passed until they were certain."""

    @property
    def violations(self) -> int:
        """Promises broken."""
        return self.missed + self.early + self.unlike + self.unwanted + self.disordered

    def add(self, other: Result) -> None:
        """Put another's to it."""
        for name in ("armed", "told", "missed", "early", "unlike", "unwanted", "disordered",
                     "repeated", "overdue"):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.late_ms.update(other.late_ms)


class Monitor:
    """The monitor on its topic: one process at a time, and what outlives it."""

    def __init__(self, tell: Callable[[SlaEvent, bool], None]) -> None:
        self._rules = rules()
        self._tell = tell
        self._logs: list[list[Move | Due]] = [[] for _ in range(PARTITIONS)]
        self._places = [0] * PARTITIONS
        self._committed = [0] * PARTITIONS
        self._table: dict[str, bytes] = {}
        self._last: tuple[str, bytes | None] | None = None
        self._deadlines = Deadlines()

    def append(self, partition: int, record: Move | Due) -> None:
        """A record on ``vaxel.clocks``."""
        self._logs[partition].append(record)

    def fold(self) -> None:
        """Read on to the end."""
        for partition, log in enumerate(self._logs):
            while self._places[partition] < len(log):
                self._step(partition, log[self._places[partition]])
                self._places[partition] += 1

    def _step(self, partition: int, record: Move | Due) -> None:
        name = record.case_id
        if isinstance(record, Due):
            self._deadlines.judged(record)
        raw = self._table.get(name)
        outcome = step(decode(raw) if raw else None, record, self._rules)
        for event in outcome.events:
            self._tell(event, isinstance(record, Due))
        self._last = (name, raw)
        if outcome.case is not None:
            self._table[name] = encode(outcome.case)
        else:
            self._table.pop(name, None)
        self._deadlines.set(partition, name, outcome.case)

    def tick(self, known_ms: int) -> None:
        """A mark has come: send back what is due, and judge it."""
        known = dict.fromkeys(range(PARTITIONS), known_ms)
        for partition in range(PARTITIONS):
            while taken := list(
                self._deadlines.take(partition, known, SENT_AT_ONCE_MAX, self._case)
            ):
                for one in taken:
                    sent = _due(partition, *one)
                    self.append(partition, Due.model_validate_json(sent.value))
        self.fold()

    def _case(self, case_id: str) -> Case | None:
        raw = self._table.get(case_id)
        return decode(raw) if raw else None

    def commit(self) -> None:
        """The place is stored; records before it are not read again."""
        self._committed, self._last = list(self._places), None

    def die(self) -> None:
        """Killed after telling and before writing; another one begins at the stored place."""
        if self._last is not None:
            name, raw = self._last
            if raw is None:
                self._table.pop(name, None)
            else:
                self._table[name] = raw
        self._places = list(self._committed)
        self._deadlines = Deadlines()
        for name, raw in self._table.items():
            self._deadlines.set(_partition(name), name, decode(raw))


def _partition(case_id: str) -> int:
    return int(case_id[-7:]) % PARTITIONS


def play(seed: int, cases: int, monitor: Callable[..., Monitor] = Monitor) -> Result:
    """Let so many cases happen, and judge what was told of them."""
    draw = random.Random(seed)
    stories = [story(draw, number) for number in range(cases)]
    due = {timer: at for one in stories for timer, at in one.due().items()}
    result = Result(armed=len(due))
    away = T0 + draw.randrange(HOUR, 3 * HOUR)
    back, dies = away + HOUR, away + draw.choice([-HOUR // 2, 3 * HOUR])
    ledger = _Ledger(due, result, away, back)
    clock = monitor(ledger.told)
    moves = sorted(
        (at, one.case_id, kind, whom) for one in stories for at, kind, whom in one.moves()
    )
    place, at_ms, last = 0, T0, max(*due.values(), moves[-1][0]) + MINUTE
    while at_ms <= last:
        at_ms += MARK_MS
        if away < at_ms <= back:
            continue
        while place < len(moves) and moves[place][0] <= at_ms:
            clock.append(_partition(moves[place][1]), _move(*moves[place], seq=place))
            place += 1
        clock.fold()
        clock.tick(at_ms)
        if dies is not None and at_ms >= dies:
            clock.die()
            clock.fold()
            dies = None
        elif at_ms % (10 * SECOND) == 0:
            clock.commit()
    result.missed = len(due) - result.told
    return result


def _move(at_ms: int, case_id: str, kind: str, whom: str | None, *, seq: int) -> Move:
    facts = CaseFacts(number="S-1", queue="general", priority=0, channel="email")
    return Move(
        type=kind, case_id=case_id, pool="support", partition=_partition(case_id), seq=seq,
        index=0, at_ms=at_ms, waits_for=whom, received_at_ms=at_ms if kind == "case.opened" else None,
        facts=facts if kind == "case.opened" else CaseFacts(),
    )  # fmt: skip


class _Ledger:
    """What was told, beside what must be."""

    def __init__(self, due: dict[Timer, int], result: Result, away: int, back: int) -> None:
        self._due, self._result = due, result
        self._away, self._back = away, back
        self._seen: dict[Timer, tuple[str, int]] = {}
        self._newest = [0] * PARTITIONS

    def told(self, event: SlaEvent, by_timer: bool) -> None:
        if event.type not in ("warned", "breached"):
            return
        stage = "breach" if event.type == "breached" else f"warning.{event.share}"
        timer, result = (event.case_id, event.clock, stage), self._result
        due_ms = self._due.get(timer)
        if due_ms is None:
            result.unwanted += 1
            return
        said = (event.id, event.at_ms)
        if timer in self._seen:
            result.repeated += 1
            result.unlike += self._seen[timer] != said
            return
        self._seen[timer] = said
        result.told += 1
        result.unlike += event.at_ms != due_ms
        result.early += event.detected_ms <= due_ms
        if self._away - MARK_MS < due_ms <= self._back:
            result.overdue += 1
        else:
            result.late_ms[event.detected_ms - due_ms] += 1
        if by_timer:
            partition = _partition(event.case_id)
            result.disordered += due_ms < self._newest[partition]
            self._newest[partition] = max(due_ms, self._newest[partition])
