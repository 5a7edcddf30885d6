"""A second policy beside the one in force: it decides without effect, or for a share of cases.

Whom it would offer new work to is said beside what was decided, so that the two can be compared
before anything changes. With a share, so many of a hundred cases wait by its rules; which ones
follows from their ids, so a case stays with its policy. The policy in force, named as the second,
ends it; work that came under it goes on under it.
"""

from __future__ import annotations

from typing import Any

from vaxel_router.core.memory import fingerprint
from vaxel_router.core.policy import Plan
from vaxel_router.core.state import Case, asks_for
from vaxel_router.core.step import Refused, Step
from vaxel_shared.contracts.wire import Command


def publish(step: Step, command: Command) -> None:
    """``policy.publish`` of the kind ``shadow``; the version is known and of this pool."""
    version, share = command.data["version"], command.data.get("share") or 0
    if step.policy is None:
        raise Refused("no_policy")
    if not 0 <= share <= 100:
        raise Refused("invalid_data", {"share": share})
    names = set().union(*(step.library[one].names() for one in {version, *held(step)}))
    step.emit(
        "policy.adopted",
        kind="shadow",
        version=version,
        ref=command.data["ref"],
        names=sorted(names) or None,
        share=share or None,
    )


def held(step: Step) -> set[str]:
    """The versions that some work goes by, the one in force among them."""
    found = {work.rules for work in step.pool.works.values()} | {step.pool.policy}
    return {version for version in found if version is not None}


def rules_for(step: Step, case: Case) -> str | None:
    """The version by which a case's work waits, where that isn't the one in force."""
    pool = step.pool
    if pool.shadow is None or fingerprint(case.id) % 100 >= pool.share:
        return None
    return pool.shadow


def compared(
    step: Step, case: Case, asked: Plan, *, queue: str, floor: int, clock_ms: int
) -> dict[str, Any] | None:
    """What the other policy would decide of new work; None where there is no other."""
    version = step.pool.shadow
    if version is None:
        return None
    other = step.plan_in(queue, case, floor, clock_ms, by=step.library[version])
    theirs = _first(step, case, other)
    said: dict[str, Any] = {"policy": version, "differs": theirs != _first(step, case, asked)}
    return said | ({"agent_id": theirs} if theirs is not None else {})


def _first(step: Step, case: Case, now: Plan) -> str | None:
    """Who would be offered it now; None: it would wait."""
    asks = asks_for(case.channel, now.tiers, now.skills, now.languages, now.wants)
    return step.matcher.choose_for(asks, step.now_ms)
