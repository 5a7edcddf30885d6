"""A case without a customer, opened for another: a question, an approval, a review."""

from __future__ import annotations

from typing import Any

from vaxel_router.core.numbers import next_number
from vaxel_router.core.state import Case
from vaxel_router.core.step import Step


def open_beside(
    step: Step,
    case: Case,
    case_id: str,
    *,
    queue: str,
    priority: int,
    skills: dict[str, int],
    parent: dict[str, Any],
) -> Case:
    """Open ``case_id`` for ``case``; ``parent`` says of which kind it is, None: not said."""
    kind = parent["kind"]
    whole = {"case_id": case.id, "number": case.number} | parent
    step.emit(
        "case.opened",
        case_id=case_id,
        number=next_number(step),
        contact_id=case.last_contact_id,
        customer_id=case.customer_id,
        channel=case.channel,
        account=case.account,
        language=case.language,
        queue=queue,
        priority=priority,
        requires={"skills": skills, "languages": []},
        labels=[kind],
        received_at_ms=step.now_ms,
        linked_case_id=case.id,
        parent={name: it for name, it in whole.items() if it is not None},
        reason=kind,
    )
    return step.pool.cases[case_id]
