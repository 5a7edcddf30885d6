"""SLA events as rows: the state of each clock, and a line in its case's timeline. Pure.

An event says what happened to one clock of one case. What isn't understood is left out of the
clocks but stays in the timeline: a newer monitor must not stop an older register.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vaxel_register.core.changes import change_of
from vaxel_register.core.projection import RANK_SLA
from vaxel_register.core.rows import Change, Position

STAGES: dict[str, tuple[str, str]] = {
    "started": ("running", "none"),
    "resumed": ("running", "none"),
    "moved": ("running", "none"),
    "paused": ("paused", "none"),
    "warned": ("running", "warned"),
    "breached": ("running", "breached"),
    "met": ("met", "none"),
    "retracted": ("running", "none"),
    "cancelled": ("ended", "none"),
    "stopped": ("ended", "none"),
}
"""What a clock is after each stage: (state, risk)."""


def project_sla(
    event: Mapping[str, Any], *, partition: int, offset: int, timestamp_ms: int
) -> list[Change]:
    """An event of ``vaxel.sla``; nothing where it names no case."""
    case_id, stage = event.get("case_id"), stage_of(event)
    if not isinstance(case_id, str) or stage is None:
        return []
    at_ms = _int(event.get("at_ms"), timestamp_ms)
    type_ = f"sla.{stage}"
    pool = event.get("pool")
    values = {
        "topic_rank": RANK_SLA, "partition": partition, "offset": offset, "index": 0, "seq": None,
        "at_ms": at_ms, "type": type_, "pool": pool, "cause": None, "policy": None,
        "case_id": case_id, "work_id": None, "offer_id": None, "agent_id": None,
        "data": dict(event),
    }  # fmt: skip
    key = (RANK_SLA, partition, offset, 0)
    changes = [
        Change("timeline", key, values, "insert"),
        change_of(key, at_ms, type_, pool, case_id=case_id),
    ]
    clock = event.get("clock")
    if stage in STAGES and isinstance(clock, str):
        state, risk = STAGES[stage]
        cycle = _int(event.get("cycle"), 0)
        clock_id = f"{case_id}|{clock}|{cycle}"
        row = {
            "id": clock_id, "case_id": case_id, "clock": clock, "cycle": cycle,
            "state": state, "risk": risk,
        }  # fmt: skip
        if (due_ms := _int(event.get("due_ms"), -1)) >= 0:
            row["due_ms"] = due_ms
        position = Position(partition, offset, 0, at_ms)
        changes.append(Change("sla_clocks", (clock_id,), row, "put", position))
    return changes


def stage_of(event: Mapping[str, Any]) -> str | None:
    """What happened, e.g. ``warned``: the last word of ``stage`` or ``type``."""
    for name in ("stage", "type"):
        value = event.get(name)
        if isinstance(value, str) and value:
            return value.rpartition(".")[2]
    return None


def _int(value: Any, otherwise: int) -> int:
    return value if type(value) is int and abs(value) < 2**63 else otherwise
