"""What can be seen of a contact and of an agent on a stage: the values that expectations name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vaxel_cli.policy.stage import Stage
from vaxel_router.core import views
from vaxel_router.core.eligibility import choose
from vaxel_router.core.state import Work
from vaxel_shared import ids
from vaxel_shared.contracts import wire
from vaxel_shared.contracts.commands import Command

NOBODY = "nobody"
_STATES = {"queued": "waiting"}


class Seen:
    """One contact: the command it came as, what came of it, and what its case is like now."""

    def __init__(self, stage: Stage, command: Command, made: list[wire.Decision]) -> None:
        self._stage = stage
        self._command = command
        self._made = made
        self.case_id = next(
            (item.case_id for item in made if item.case_id is not None),
            ids.case_id(command.data["contact_id"]),
        )

    @property
    def pool(self) -> str:
        """The pool's name."""
        return self._command.pool

    @property
    def work(self) -> Work | None:
        """The case's work, if it has one."""
        pool = self._stage.pool(self.pool)
        case = pool.cases.get(self.case_id)
        return pool.works.get(case.work_id or "") if case is not None else None

    def value(self, name: str, others: Mapping[str, Seen]) -> Any:
        """What is now of what an expectation calls ``name``."""
        if name == "same_case_as":
            mine = [label for label, one in others.items() if one.case_id == self.case_id]
            return next((label for label in mine if others[label] is not self), None)
        getter: Callable[[], Any] = getattr(self, f"_{name}")
        return getter()

    def explain(self) -> dict[str, Any]:
        """The account of candidates: now where it waits, else at the last offer."""
        work = self.work
        if work is not None and work.state == "queued":
            return choose(self._stage.pool(self.pool), work, self._stage.now_ms).explain
        made = self._of("offer.made")
        return dict(made[-1].data["explain"]) if made else {}

    def _of(self, type_: str) -> list[wire.Decision]:
        return [
            item
            for item in self._stage.decisions
            if item.type == type_ and item.case_id == self.case_id
        ]

    def _rule(self) -> str:
        return str(self._command.data["rule"]["id"])

    def _language(self) -> str:
        return str(self._command.data.get("language", "und"))

    def _priority(self) -> int:
        return int(self._command.data.get("priority", 0))

    def _skills(self) -> dict[str, int]:
        return dict(self._command.data.get("requires", {}).get("skills", {}))

    def _labels(self) -> list[str]:
        return list(self._command.data.get("labels", []))

    def _acknowledged(self) -> bool:
        return any(item.type == "notice.due" for item in self._made)

    def _reopened(self) -> bool:
        return any(item.type == "case.reopened" for item in self._made)

    def _queue(self) -> str:
        queued = self._of("work.queued")
        return str(queued[-1].data["queue"]) if queued else str(self._command.data["queue"])

    def _case(self) -> str:
        case = self._stage.pool(self.pool).cases.get(self.case_id)
        return case.status if case is not None else "closed"

    def _state(self) -> str:
        work = self.work
        return _STATES.get(work.state, work.state) if work is not None else "none"

    def _offered(self) -> str:
        work = self.work
        if work is None or work.offer_id is None:
            return NOBODY
        return self._stage.pool(self.pool).offers[work.offer_id].agent_id

    def _assigned(self) -> str:
        work = self.work
        return (work.agent_id if work is not None else None) or NOBODY

    def _tier(self) -> int | None:
        agents = self._stage.pool(self.pool).agents
        found = [agents[name] for name in (self._offered(), self._assigned()) if name in agents]
        return found[0].tier if found else None

    def _tiers(self) -> list[int]:
        work = self.work
        return list(work.tiers) if work is not None else []

    def _position(self) -> int | None:
        found = views.case(self._stage.world, self.case_id)
        return found["position"] if found is not None else None

    def _offers(self) -> list[str]:
        return [str(item.agent_id) for item in self._of("offer.made")]

    def _escalated(self) -> list[str]:
        return [str(item.data["reason"]) for item in self._of("work.escalated")]

    def _why_not(self) -> dict[str, str]:
        return {item["agent_id"]: item["code"] for item in self.explain().get("rejected", [])}

    def _counts(self) -> dict[str, int]:
        return dict(self.explain().get("by_code", {}))

    def _wins_by(self) -> dict[str, int]:
        made = self._of("offer.made")
        terms = made[-1].data["explain"].get("terms", []) if made else []
        return {item["code"]: item["value"] for item in terms}


def agent(stage: Stage, agent_id: str) -> dict[str, Any] | None:
    """What is now of an agent; None where there is none of this id."""
    for pool in stage.world.state.pools.values():
        found = pool.agents.get(agent_id)
        if found is not None:
            return {
                "presence": found.presence,
                "offers": len(found.offers),
                "works": len(found.works),
            }
    return None
