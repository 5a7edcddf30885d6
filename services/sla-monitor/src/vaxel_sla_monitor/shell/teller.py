"""Telling: events to ``vaxel.sla``, alerts to ``vaxel.work``; acknowledged before anything goes on.

Ids are deterministic: what is told again after a kill has the id it had, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from vaxel_shared.clock import Clock
from vaxel_shared.contracts import commands
from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.contracts.sla import SlaEvent, event_type
from vaxel_shared.kafka.producer import Outgoing
from vaxel_shared.kafka.topics import SLA, WORK
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger
from vaxel_sla_monitor.core.telling import command_of
from vaxel_sla_monitor.shell.projector import SOURCE, Sender


class Teller:
    """Writes what the clocks have to say."""

    def __init__(self, sender: Sender, clock: Clock) -> None:
        self._sender = sender
        self._clock = clock

    async def tell(self, events: Sequence[SlaEvent]) -> None:
        """Send in order; returns once all is acknowledged. Raises ``Retryable``."""
        outgoing = []
        for event in events:
            head = Event(event.id, event_type(event.type), SOURCE, event.at_ms, event.case_id)
            outgoing.append(Outgoing(SLA, event.case_id, event.to_json(), head))
            command = command_of(event)
            if command is not None:
                kind = commands.event_type(command.type)
                head = Event(command.id, kind, SOURCE, event.detected_ms, event.case_id)
                outgoing.append(Outgoing(WORK, command.pool, command.to_json(), head))
        if not outgoing:
            return
        await self._sender.send_many(outgoing)
        now_ms = self._clock.wall_ms()
        for event in events:
            metrics.SLA_EVENTS.labels(event.clock, event.type).inc()
            if event.type in {"warned", "breached"}:
                delay_s = max(0, now_ms - event.at_ms) / 1000
                metrics.SLA_DETECTION_SECONDS.labels(event.clock).observe(delay_s)
                get_logger().info(
                    "sla_told",
                    case_id=event.case_id,
                    kind=event.clock,
                    state=event.type,
                    pool=event.pool,
                    lag=int(delay_s * 1000),
                )
