"""Quality: of the resolved cases some are drawn, and somebody else looks at each.

Which ones follows from their ids alone, so a replay draws the same. What is looked at is a case of
its own, as a question is; its verdict comes back as a note on the case that was drawn.
"""

from __future__ import annotations

from vaxel_router.core.beside import open_beside
from vaxel_router.core.limits import SUSPEND_MS_MAX
from vaxel_router.core.memory import fingerprint
from vaxel_router.core.queueing import match_work, queue_work
from vaxel_router.core.state import Case
from vaxel_router.core.step import Step
from vaxel_shared import ids


def draw(step: Step, case: Case) -> None:
    """A case was resolved: perhaps it is one of those to be looked at."""
    quality = step.policy.quality if step.policy is not None else None
    agent_id, drawn = case.last_agent, f"review:{case.id}:{case.works}"
    if quality is None or case.parent is not None or agent_id is None:
        return
    review_id = ids.case_id(drawn)
    known = review_id in step.pool.cases or step.queue(quality.queue) is None
    if known or fingerprint(drawn) % 100 >= quality.percent:
        return
    parent = {"kind": "review", "agent_id": agent_id}
    review = open_beside(
        step, case, review_id, queue=quality.queue, priority=0, skills={}, parent=parent
    )
    work = queue_work(
        step,
        review,
        reason="review",
        since_ms=step.now_ms,
        barred={agent_id: step.now_ms + SUSPEND_MS_MAX},
    )
    match_work(step, work)
