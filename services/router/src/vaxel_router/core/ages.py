"""An age that somebody sets: work that counts as older, or younger, than it is."""

from __future__ import annotations

from vaxel_router.core.state import Case, Work
from vaxel_router.core.step import Refused, Step
from vaxel_shared.contracts.wire import Command


def set_age(step: Step, command: Command, case: Case, work: Work) -> None:
    """``case.escalate`` with ``since_ms``: from then on the work counts as so old; nothing else.

    Nobody who may take it changes by that, so nothing is matched. Raises Refused.
    """
    since_ms = command.data["since_ms"]
    if command.actor.kind not in ("supervisor", "system"):
        raise Refused("not_allowed", {"since_ms": since_ms})
    if not 0 <= since_ms <= step.now_ms or command.data.get("tier") is not None:
        raise Refused("invalid_data", {"since_ms": since_ms})
    step.emit(
        "work.escalated",
        case_id=case.id,
        work_id=work.id,
        agent_id=work.agent_id,
        from_tiers=list(work.tiers),
        to_tiers=list(work.tiers),
        floor=work.floor,
        since_ms=since_ms,
        place_ms=step.place_in(work.queue, work.priority, since_ms, work.due_ms),
        reason=command.data.get("reason") or "age_set",
    )
