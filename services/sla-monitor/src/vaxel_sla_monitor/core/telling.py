"""What is said about a clock: events with deterministic ids, and the router's command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from vaxel_shared import ids
from vaxel_shared.calendars.zones import TZDATA_VERSION
from vaxel_shared.config.sla import Alert
from vaxel_shared.contracts.commands import Actor, Command, SlaAlert
from vaxel_shared.contracts.sla import EventKind, Move, SlaEvent
from vaxel_sla_monitor.core.rules import Rules
from vaxel_sla_monitor.core.state import Case, Clock, Stage

CATCHUP_MS = 60_000
"""What became certain so much later than it was due was told after an outage."""
VIA = "sla-monitor"


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells of one clock as it is now."""

    case: Case
    name: str
    clock: Clock
    rules: Rules

    def stage(self, stage: Stage, known_ms: int, alert: Alert) -> SlaEvent:
        """A warning or breach that came due, with what the way to it was made of."""
        event = self._event(
            "breached" if stage.name == "breach" else "warned",
            key=f"{stage.name}:{stage.at_ms}:{self.clock.retracted}",
            at_ms=stage.at_ms,
            known_ms=known_ms,
        )
        return event.model_copy(
            update={
                "share": share_of(stage.name),
                "catchup": known_ms - stage.at_ms > CATCHUP_MS,
                "priority_at_least": alert.priority_at_least,
                "tier_at_least": alert.tier_at_least,
                "segments": self.rules.stretches(self.clock, stage.at_ms),
            }
        )

    def retracted(self, stage: Stage, at_ms: int, alert: Alert) -> SlaEvent:
        """A stage that was told and turns out not to be so."""
        key = f"{stage.name}:{stage.at_ms}:{self.clock.retracted}"
        event = self._event("retracted", key=key, at_ms=at_ms, known_ms=at_ms)
        return event.model_copy(
            update={
                "share": share_of(stage.name),
                "retracts": stage.name,
                "priority_at_least": alert.priority_at_least,
                "tier_at_least": alert.tier_at_least,
            }
        )

    def change(self, kind: str, move: Move, reason: str | None) -> SlaEvent:
        """What a decision did."""
        key = f"{move.partition}.{move.seq}.{move.index}"
        at_ms = self.clock.started_ms if kind == "started" else move.at_ms
        event = self._event(kind, key=key, at_ms=at_ms, known_ms=move.at_ms)
        return event.model_copy(update={"reason": reason})

    def _event(self, kind: str, *, key: str, at_ms: int, known_ms: int) -> SlaEvent:
        case, clock = self.case, self.clock
        return SlaEvent(
            id=ids.event_id("sla", case.case_id, self.name, str(clock.cycle), kind, key),
            type=cast("EventKind", kind),
            case_id=case.case_id,
            pool=case.facts.pool,
            clock=self.name,
            cycle=clock.cycle,
            at_ms=at_ms,
            detected_ms=max(at_ms, known_ms),
            target_ms=clock.target_ms,
            elapsed_ms=self.rules.elapsed(clock, at_ms),
            policy=clock.policy,
            policy_version=clock.version,
            calendar=clock.calendar,
            tzdata=TZDATA_VERSION,
            number=case.facts.number,
            queue=case.facts.queue,
            channel=case.facts.channel,
            priority=case.facts.priority,
            due_ms=clock.due_ms,
            told=[stage.name for stage in clock.fired],
            again=clock.retracted,
        )


def share_of(stage: str) -> int | None:
    """The percentage of a warning; None of a breach."""
    return int(stage.partition(".")[2]) if stage.startswith("warning.") else None


def stage_of(event: SlaEvent) -> str | None:
    """The stage that an event is about: ``warning.75`` or ``breach``."""
    if event.type == "retracted":
        return event.retracts
    if event.type == "breached":
        return "breach"
    return f"warning.{event.share}" if event.type == "warned" else None


def command_of(event: SlaEvent) -> Command | None:
    """The alert for the router: it names the state wanted, so that twice is as good as once.

    None where the event is none, or the policy wants nothing of the router. Its id is made of case,
    clock, cycle and stage: a deadline that moved raises no second one, unless the first was taken
    back.
    """
    stage = stage_of(event)
    if stage is None or (event.priority_at_least is None and event.tier_at_least is None):
        return None
    retracted = event.type == "retracted"
    parts = ["sla.alert", event.case_id, event.clock, str(event.cycle), stage]
    parts += [str(event.again)] if event.again else []
    data = SlaAlert(
        clock=event.clock,
        cycle=event.cycle,
        stage=stage,
        due_ms=event.at_ms if event.due_ms is None else event.due_ms,
        tier_at_least=event.tier_at_least,
        priority_at_least=event.priority_at_least,
        retracted=retracted,
    )
    return Command(
        id=ids.event_id(*parts, *(["retracted"] if retracted else [])),
        type="sla.alert",
        pool=event.pool,
        actor=Actor(kind="system", id=VIA),
        via=VIA,
        case_id=event.case_id,
        data=data.to_dict(),
    )
