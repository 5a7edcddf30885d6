"""``step(case, event)``: what an event does to a case's clocks, and what there is to tell.

Judged by the events' own times: what was due before an event is told before the event counts, so
an answer that came too late breaches although no timer ever ran, and one that came in time and was
read late takes a breach back. The same events give the same answers, however often they come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from vaxel_shared.config.sla import CLOCKS
from vaxel_shared.contracts.sla import Due, Move, SlaEvent
from vaxel_sla_monitor.core import telling
from vaxel_sla_monitor.core.moves import CONTACTS, ENDINGS, GIVEN_UP, LET_GO, PARTINGS, TOOK_IN
from vaxel_sla_monitor.core.rules import Promise, Rules, closed
from vaxel_sla_monitor.core.state import FORGET, FORGET_MS, Case, Clock, Facts, Stage

replace = msgspec.structs.replace
SCHEDULED = "scheduled"
"""Why a case waits that was asked for a time to come: it says so as it is opened."""
_FACTS = ("number", "queue", "priority", "channel", "account", "language", "automatic")


@dataclass(slots=True)
class Step:
    """The case afterwards (None: nothing is known of it) and what is to be told, in order."""

    case: Case | None
    events: list[SlaEvent] = field(default_factory=list)


def step(case: Case | None, event: Move | Due, rules: Rules) -> Step:
    """Fold one event. A repeat, and what no longer applies, changes nothing and tells nothing."""
    if isinstance(event, Due):
        return _due(case, event, rules)
    if case is not None and event.partition == case.place[0] and _place(event) <= case.place:
        return Step(case)
    if case is None or case.ended_ms is not None:
        if event.type != "case.opened":
            return Step(case)  # it began before the log that is read, or was closed
        return _opened(event, rules)
    run = _Run(case, rules, event.at_ms, event)
    run.overdue(event.at_ms)
    run.apply(event)
    run.case = replace(run.case, place=_place(event), at_ms=event.at_ms)
    if event.type in ENDINGS:
        run.case = replace(run.case, clocks={}, ended_ms=event.at_ms)
    return Step(run.case, run.events)


def _place(move: Move) -> tuple[int, int, int]:
    return move.partition, move.seq, move.index


def _opened(move: Move, rules: Rules) -> Step:
    received_ms = move.at_ms if move.received_at_ms is None else move.received_at_ms
    case = Case(
        case_id=move.case_id,
        place=_place(move),
        at_ms=move.at_ms,
        opened_ms=min(received_ms, move.at_ms),
        facts=_merged(Facts(pool=move.pool), move),
    )
    run = _Run(case, rules, move.at_ms, move)
    run.fit()
    run.overdue(move.at_ms)
    return Step(run.case, run.events)


def _due(case: Case | None, event: Due, rules: Rules) -> Step:
    """A timer, judged again: the clock must still wait for just this."""
    if case is not None and case.ended_ms is not None:
        over = event.stage == FORGET and event.known_ms > case.ended_ms + FORGET_MS
        return Step(None if over else case)
    clock = case.clocks.get(event.clock) if case is not None else None
    if case is None or clock is None or clock.cycle != event.cycle or clock.state != "running":
        return Step(case)
    wanted = Stage(event.stage, event.due_ms)
    if wanted not in clock.stages or event.known_ms <= event.due_ms:
        return Step(case)
    run = _Run(case, rules, event.known_ms, None)
    run.fire(event.clock, event.due_ms + 1)
    return Step(run.case, run.events)


def _merged(facts: Facts, move: Move) -> Facts:
    """The facts with what a move says about them."""
    said = {name: value for name in _FACTS if (value := getattr(move.facts, name)) is not None}
    if move.facts.labels is not None:
        said["labels"] = tuple(move.facts.labels)
    return replace(facts, pool=move.pool, **said)


class _Run:
    """One step under way; ``at_ms`` is the event's time, ``move`` what it is, if no timer."""

    def __init__(self, case: Case, rules: Rules, at_ms: int, move: Move | None) -> None:
        self.case = case
        self.events: list[SlaEvent] = []
        self._rules = rules
        self._at_ms = at_ms
        self._move = move

    def apply(self, move: Move) -> None:
        """What the decision itself does."""
        kinds: dict[str, Callable[[Move], None]] = {
            "case.replied": self._replied,
            "case.waiting": self._waiting,
            "case.resolved": self._resolved,
            "work.escalated": self._escalated,
            "work.queued": self._queued,
            "case.split": self._is_back,
            GIVEN_UP: self._given_up,
            TOOK_IN: self._took_in,
            LET_GO: self._let_go,
        }
        if move.type in ENDINGS:
            self._end_all("cancelled", move.type)
        elif move.type in PARTINGS:
            self._went_away(move)
        elif move.type in CONTACTS:
            self._contact(move)
        else:
            kinds[move.type](move)

    def overdue(self, before_ms: int) -> None:
        """Tell everything that was due before an instant, the oldest first."""
        while (found := self.case.next_stage()) is not None and found[2].at_ms < before_ms:
            self.fire(found[0], found[2].at_ms + 1)

    def fire(self, name: str, before_ms: int) -> None:
        """Tell the stages of one clock that were due before an instant."""
        clock = self.case.clocks[name]
        for stage in [stage for stage in clock.stages if stage.at_ms < before_ms]:
            clock = self._put(
                name,
                replace(
                    clock,
                    stages=tuple(item for item in clock.stages if item != stage),
                    fired=(*clock.fired, stage),
                ),
            )
            alert = self._rules.alert(clock.policy, stage.name)
            self.events.append(self._tell(name, clock).stage(stage, self._at_ms, alert))

    def fit(self) -> None:
        """Match the policies again: other targets, new clocks, clocks that no longer apply.

        Targets count from the original start, whatever was paused or told meanwhile.
        """
        if self.case.resolved:
            return  # what has ended isn't judged anew
        policy = self._rules.policy(self.case.facts)
        for name in CLOCKS:
            promise = self._rules.promise(name, policy, self.case.facts)
            clock = self.case.clocks.get(name)
            if clock is None:
                if promise is not None and not (name == "first_response" and self.case.answered):
                    self._begin(name, promise, self.case.opened_ms, cycle=1)
                    self._count_from("merged")
            elif clock.open and promise is None:
                self._end(name, "cancelled", "no_policy")
            elif clock.open and promise is not None:
                self._refit(name, _promised(clock, promise), "policy")

    def _contact(self, move: Move) -> None:
        """The customer wrote again, or a case was opened again."""
        self._is_back(move)
        if self.case.waits_for is not None:
            self._resume()
        if move.type == "case.reopened" and self.case.resolved:
            self._reopen()
        self.case = replace(self.case, facts=_merged(self.case.facts, move))
        self.fit()

    def _replied(self, _move: Move) -> None:
        self.case = replace(self.case, answered=True)
        self._meet("first_response")

    def _went_away(self, move: Move) -> None:
        """It lives on in another case or pool, with clocks of that; its own go on if it is back."""
        if self.case.away_ms is None:
            self._end_all("cancelled", move.type)
            self.case = replace(self.case, away_ms=self._at_ms, waits_for=None)

    def _is_back(self, move: Move) -> None:
        """By itself again. The first response never stands still; resolution rested meanwhile."""
        away_ms = self.case.away_ms
        if away_ms is None:
            return
        answered = self.case.answered or move.answered is True
        self.case = replace(self.case, away_ms=None, answered=answered)
        if self.case.resolved:
            self._reopen()
            return
        for name, clock in list(self.case.clocks.items()):
            rested = clock.state == "cancelled" and clock.ended_ms == away_ms
            if not rested or (name == "first_response" and answered):
                continue
            gap = () if name == "first_response" else ((away_ms, self._at_ms),)
            going = replace(clock, state="running", pauses=(*clock.pauses, *gap), ended_ms=None)
            self._refit(name, going, None)
            self._say("resumed", name, move.type)

    def _took_in(self, move: Move) -> None:
        """Another case is part of this one: who waited there for a first answer waits here."""
        if move.other is not None and move.waiting_since_ms is not None:
            inside = self.case.inside | {move.other: move.waiting_since_ms}
            self.case = replace(self.case, inside=inside)
            self._count_from("merged")

    def _let_go(self, move: Move) -> None:
        """It is part of this one no more."""
        if move.other in self.case.inside:
            inside = {name: ms for name, ms in self.case.inside.items() if name != move.other}
            self.case = replace(self.case, inside=inside)
            self._count_from("split")

    def _count_from(self, reason: str) -> None:
        """Let open clocks count from the earliest message that waited for a first answer."""
        for name, clock in list(self.case.clocks.items()):
            own_ms = clock.started_ms if clock.own_ms is None else clock.own_ms
            start_ms = min([own_ms, *self.case.inside.values()])
            if clock.open and start_ms != clock.started_ms:
                earlier = own_ms if start_ms < own_ms else None
                self._refit(name, replace(clock, started_ms=start_ms, own_ms=earlier), reason)
                self.fire(name, self._at_ms)  # no timer tells of one that stands still

    def _waiting(self, move: Move) -> None:
        if move.reason == SCHEDULED and move.at_ms == self.case.at_ms and not self.case.answered:
            self._later(move)
            return
        clock = self.case.clocks.get("resolution")
        if clock is None or not self._rules.pauses(clock.policy, move.waits_for):
            self._resume()
            self.case = replace(self.case, waits_for=move.waits_for)
            return
        self.case = replace(self.case, waits_for=move.waits_for)
        if clock.state == "running":
            paused = replace(clock, state="paused", pauses=(*clock.pauses, (self._at_ms, None)))
            self._refit("resolution", paused, None)
            self._say("paused", "resolution", move.waits_for)

    def _later(self, move: Move) -> None:
        """It was asked for a time to come: until then it waits for nobody's answer."""
        self.case = replace(self.case, waits_for=move.waits_for)
        for name, clock in list(self.case.clocks.items()):
            if clock.state == "running":
                paused = replace(clock, state="paused", pauses=((clock.started_ms, None),))
                self._refit(name, paused, None)
                self._say("paused", name, SCHEDULED)

    def _given_up(self, move: Move) -> None:
        self._end_all("cancelled", move.reason or move.type)
        self.case = replace(self.case, resolved=True, waits_for=None)

    def _resolved(self, _move: Move) -> None:
        if "first_response" in self.case.clocks and self.case.clocks["first_response"].open:
            self._refit("first_response", self.case.clocks["first_response"], None)
            self._end("first_response", "cancelled", "resolved")
        self._meet("resolution")
        self.case = replace(self.case, resolved=True, waits_for=None)

    def _queued(self, move: Move) -> None:
        if self.case.waits_for is not None:
            self._resume()
        said = move.facts.priority
        if said in self.case.raised:
            move = move.model_copy(
                update={"facts": move.facts.model_copy(update={"priority": None})}
            )
        self.case = replace(self.case, facts=_merged(self.case.facts, move))
        self.fit()

    def _escalated(self, move: Move) -> None:
        to = move.facts.priority
        if (move.reason or "").startswith("sla_"):
            if to is not None and to not in self.case.raised:
                self.case = replace(self.case, raised=(*self.case.raised, to))
            return  # what an alert causes never changes a target
        self.case = replace(self.case, facts=_merged(self.case.facts, move))
        self.fit()

    def _resume(self) -> None:
        self.case = replace(self.case, waits_for=None)
        for name, clock in list(self.case.clocks.items()):
            if clock.state == "paused":
                running = replace(clock, state="running", pauses=closed(clock.pauses, self._at_ms))
                self._refit(name, running, None)
                self._say("resumed", name, None)

    def _reopen(self) -> None:
        """A resolved case is open again: its clocks go on, begin anew, or stay ended."""
        self.case = replace(self.case, resolved=False)
        for name, clock in list(self.case.clocks.items()):
            how = self._rules.reopen(clock.policy)
            if clock.open or how == "ignore" or (name == "first_response" and self.case.answered):
                continue
            if how == "restart":
                policy = self._rules.policy(self.case.facts)
                promise = self._rules.promise(name, policy, self.case.facts)
                if promise is not None:
                    self._begin(name, promise, self._at_ms, cycle=clock.cycle + 1)
                    self.case = replace(self.case, inside={})  # what came in before is over
                continue
            gap = (clock.ended_ms if clock.ended_ms is not None else self._at_ms, self._at_ms)
            going = replace(
                clock, state="running", pauses=(*closed(clock.pauses, gap[0]), gap), ended_ms=None
            )
            self._refit(name, going, None)
            self._say("resumed", name, "reopened")

    def _begin(self, name: str, promise: Promise, start_ms: int, *, cycle: int) -> None:
        clock = Clock(
            cycle=cycle,
            policy=promise.policy,
            version=promise.version,
            calendar=promise.calendar,
            target_ms=promise.target_ms,
            warn_at=promise.warn_at,
            started_ms=start_ms,
        )
        due_ms, stages = self._rules.deadlines(clock)
        self._put(name, replace(clock, due_ms=due_ms, stages=stages))
        self._say("started", name, None)

    def _refit(self, name: str, clock: Clock, reason: str | None) -> None:
        """Find a clock's deadlines again, and take back what they undo.

        A stage told already isn't told again at another instant: a deadline that moves while it is
        past raises no second alarm. One that moves to the future takes the old alarm back.
        """
        before = self.case.clocks[name]
        due_ms, stages = self._rules.deadlines(clock)
        at = {stage.name: stage.at_ms for stage in stages}
        kept = tuple(
            stage for stage in clock.fired if stage.name in at and at[stage.name] < self._at_ms
        )
        told = {stage.name for stage in kept}
        waiting = tuple(stage for stage in stages if stage.name not in told)
        clock = self._put(name, replace(clock, due_ms=due_ms, stages=waiting, fired=kept))
        for stage in [stage for stage in before.fired if stage not in kept]:
            alert = self._rules.alert(clock.policy, stage.name)
            self.events.append(self._tell(name, clock).retracted(stage, self._at_ms, alert))
            clock = self._put(name, replace(clock, retracted=clock.retracted + 1))
        moved = clock.due_ms != before.due_ms or clock.target_ms != before.target_ms
        if reason is not None and moved:
            self._say("moved", name, reason)

    def _meet(self, name: str) -> None:
        """The clock's end: in time, or too late."""
        clock = self.case.clocks.get(name)
        if clock is None or not clock.open:
            return
        # Read late, but it happened in time: the breach is taken back.
        self._refit(name, clock, None)
        clock = self.case.clocks[name]
        self._end(name, "stopped" if clock.breached else "met", None)

    def _end_all(self, state: str, reason: str) -> None:
        for name, clock in list(self.case.clocks.items()):
            if clock.open:
                self._refit(name, clock, None)  # what happened before it was due takes it back
                self._end(name, state, reason)

    def _end(self, name: str, state: str, reason: str | None) -> None:
        clock = self.case.clocks[name]
        self._put(
            name,
            replace(
                clock,
                state=state,
                stages=(),
                ended_ms=self._at_ms,
                pauses=closed(clock.pauses, self._at_ms),
            ),
        )
        self._say(state, name, reason)

    def _put(self, name: str, clock: Clock) -> Clock:
        self.case = replace(self.case, clocks=self.case.clocks | {name: clock})
        return clock

    def _say(self, kind: str, name: str, reason: str | None) -> None:
        assert self._move is not None, "a timer only fires"
        clock = self.case.clocks[name]
        self.events.append(self._tell(name, clock).change(kind, self._move, reason))

    def _tell(self, name: str, clock: Clock) -> telling.Teller:
        return telling.Teller(self.case, name, clock, self._rules)


def _promised(clock: Clock, promise: Promise) -> Clock:
    return replace(
        clock,
        policy=promise.policy,
        version=promise.version,
        calendar=promise.calendar,
        target_ms=promise.target_ms,
        warn_at=promise.warn_at,
    )
