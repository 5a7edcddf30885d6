"""Who may ask for what: the register says who somebody is, the router what they may do."""

from __future__ import annotations

from vaxel_router.core.step import Refused
from vaxel_shared.contracts.wire import Command

_WORKERS = frozenset({"agent", "supervisor", "system"})
_MANAGERS = frozenset({"supervisor", "system", "author"})
_KINDS = {
    "policy.publish": _MANAGERS,
    "roster.set": _MANAGERS,
    "switch.set": _MANAGERS,
    "case.assign": frozenset({"supervisor", "system"}),
    "case.suspend": frozenset({"supervisor", "system"}),
    "case.resume": frozenset({"supervisor", "system"}),
    "contact.end": frozenset({"customer", "system"}),
    "case.handed": frozenset({"system"}),
    "delivery.result": frozenset({"system"}),
    "sla.alert": frozenset({"system"}),
}
_OF_WORKERS = ("case.", "offer.", "agent.")


def check(command: Command) -> None:
    """Raises ``Refused`` where the actor may not ask for this, or speaks for another agent."""
    kinds = _KINDS.get(command.type)
    if kinds is None and command.type.startswith(_OF_WORKERS):
        kinds = _WORKERS
    actor = command.actor
    if kinds is not None and actor.kind not in kinds:
        raise Refused("not_allowed", {"actor": actor.kind})
    if actor.kind == "agent" and command.agent_id not in (None, actor.id):
        raise Refused("not_allowed", {"actor": actor.kind, "agent_id": command.agent_id})
