"""Complaints: stages, each looked at by somebody new, and no end without an explanation.

The policy names the queues that are a complaint's stages, in order. A case whose work comes into
one is a complaint at that stage, and never at an earlier one again. Whoever had it before the
stage began is kept from it, as ISO 10002:2018 (objectivity) and the rules of most
regulators ask of a review. It isn't resolved before a reply of the stage was sent that its writer
called the explanation; one that can't be delivered was none.
"""

from __future__ import annotations

from typing import Any

from vaxel_router.core.limits import SUSPEND_MS_MAX
from vaxel_router.core.state import Case
from vaxel_router.core.step import Refused, Step


def enters(step: Step, case: Case, queue: str) -> tuple[int | None, list[str]]:
    """The stage that a case begins once its work waits in a queue, and who may not have that work.

    None: it begins none. Kept from it are all who had the case before the stage it is at then.
    """
    stages = _stages(step)
    if case.parent is not None or queue not in stages[case.stage :]:
        return None, list(case.involved)
    stage = stages.index(queue) + 1
    return stage, list(case.had_by if stage > 1 else [])


def _stages(step: Step) -> list[str]:
    return step.policy.stages if step.policy is not None else []


def bars(step: Step, names: list[str]) -> dict[str, int]:
    """As they stand in work: until long after any complaint is over."""
    return dict.fromkeys(names, step.now_ms + SUSPEND_MS_MAX)


def next_queue(step: Step, case: Case, asked: str) -> str | None:
    """Where a resolved complaint goes whose customer complains again; None: where it was.

    ``asked`` is the queue that the new contact is for: "thank you" isn't for a stage's.
    """
    stages = _stages(step)
    again = case.status == "resolved" and case.stage and asked in stages
    return stages[case.stage] if again and case.stage < len(stages) else None


def may_transfer(step: Step, case: Case, to_agent: str | None, to_queue: str | None) -> None:
    """Raises Refused where a complaint would go back, or to somebody who had it."""
    stages = _stages(step)
    if case.stage and to_queue in stages and stages.index(to_queue) + 1 < case.stage:
        raise Refused("stage_over", {"queue": to_queue, "stage": case.stage})
    if to_agent is not None and to_agent in case.involved:
        raise Refused("not_independent", {"agent_id": to_agent, "stage": case.stage})


def may_resolve(case: Case, *, explains: bool = False) -> None:
    """Raises Refused where a complaint would end without an explanation."""
    if case.stage and case.explanation is None and not explains:
        raise Refused("explanation_missing", {"stage": case.stage})


def undelivered(case: Case | None, data: dict[str, Any]) -> bool:
    """Whether what delivery reports is that a complaint's explanation never arrived."""
    if case is None or case.explanation is None or data.get("state") != "failed":
        return False
    return bool(data.get("effect_id") == case.explanation)
