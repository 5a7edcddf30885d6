"""SLA events as rows: the state of each clock, and a line in its case's timeline. Pure."""

from __future__ import annotations

from typing import Any

from vaxel_register.core.changes import change_of
from vaxel_register.core.projection import RANK_SLA
from vaxel_register.core.rows import Change, Position
from vaxel_shared.contracts.sla import EventKind, SlaEvent

STATES: dict[EventKind, tuple[str, str]] = {
    "started": ("running", "none"),
    "resumed": ("running", "none"),
    "moved": ("running", "none"),
    "retracted": ("running", "none"),
    "warned": ("running", "warned"),
    "breached": ("running", "breached"),
    "paused": ("paused", "none"),
    "met": ("met", "none"),
    "stopped": ("missed", "none"),
    "cancelled": ("cancelled", "none"),
}
"""What a clock is after each event: (state, risk)."""


def project_sla(event: SlaEvent, *, partition: int, offset: int) -> list[Change]:
    """What an event of ``vaxel.sla`` changes."""
    type_ = f"sla.{event.type}"
    entry = {
        "topic_rank": RANK_SLA, "partition": partition, "offset": offset, "index": 0, "seq": None,
        "at_ms": event.at_ms, "type": type_, "pool": event.pool, "cause": event.id,
        "policy": event.policy_version, "case_id": event.case_id, "work_id": None,
        "offer_id": None, "agent_id": None, "data": event.to_dict(),
    }  # fmt: skip
    state, risk = STATES[event.type]
    clock: dict[str, Any] = {
        "id": f"{event.case_id}|{event.clock}|{event.cycle}", "case_id": event.case_id,
        "clock": event.clock, "cycle": event.cycle, "state": state, "risk": risk,
        "due_ms": event.due_ms,
    }  # fmt: skip
    key = (RANK_SLA, partition, offset, 0)
    position = Position(partition, offset, 0, event.at_ms)
    return [
        Change("timeline", key, entry, "insert"),
        change_of(key, event.at_ms, type_, event.pool, case_id=event.case_id),
        Change("sla_clocks", (clock["id"],), clock, "put", position),
    ]
