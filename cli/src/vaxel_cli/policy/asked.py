"""Answers about one decision of one case: from the log folded again, or as it was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from vaxel_cli.commands.recorded import Recorded
from vaxel_cli.console import unreachable
from vaxel_cli.policy.candidates import table
from vaxel_cli.policy.forward import Scene
from vaxel_cli.policy.history import Moment, Placed, fold, of_case
from vaxel_router.core.policy import Policy
from vaxel_router.core.policy import decode as decode_policy
from vaxel_router.core.written.queues import window_timer
from vaxel_shared.contracts import wire

_TABLE: dict[str, Any] = {
    "candidates": None, "eligible": None, "by_code": None, "step": None, "held": None,
    "winner": None, "tie_break": None, "table": None,
}  # fmt: skip


class NoSuchCase(Exception):
    """The log speaks of no such case."""


class NoSuchDecision(Exception):
    """The case has fewer decisions; says how many."""


def answer(recorded: Recorded, case: str, number: int | None) -> dict[str, Any]:
    """The table of candidates of the ``number``-th decision of a case, or of what stands now.

    Without a number: of now, where the case's work waits; else of the last offer or assignment.
    Raises ``NoSuchCase``, ``NoSuchDecision``; (exit 3) where the log's beginning is trimmed.
    """
    placed = of_case(recorded, case)
    head = _head(placed, case, number)
    last = next((one for one in reversed(placed) if _looked(one.decision)), placed[-1])
    target = placed[number - 1] if number is not None else last
    policies = _Policies(recorded.policies)
    found: dict[str, Any] | None = None
    due = False
    for moment in fold(recorded, target.partition):
        here = (moment.seq, moment.index) == (target.seq, target.index)
        if due or (here and _looked(target.decision)):
            scene = _scene(moment, target.decision, policies)
            found, due = _told(placed.index(target) + 1, target.decision, scene), False
            if number is not None:
                break
        elif here:
            due = True  # what it led to is seen in the moment after it
        if moment.decision is None and number is None:
            scene = _scene(moment, None, policies, target.decision)
            found = _told(None, None, scene) if scene is not None else found
    assert found is not None  # noqa: S101 - the decision stands in the log that was folded
    return head | found


def _looked(decision: wire.Decision) -> bool:
    """Whether it follows a look at the candidates; for all others the moment after is told."""
    return isinstance(decision.data.get("explain"), dict)


def _head(placed: list[Placed], case: str, number: int | None) -> dict[str, Any]:
    """The case and its decisions. Raises ``NoSuchCase``, ``NoSuchDecision``."""
    if not placed:
        raise NoSuchCase
    if number is not None and not 1 <= number <= len(placed):
        raise NoSuchDecision(len(placed))
    numbers = (one.decision.data.get("number") for one in placed)
    listed = [
        {
            "number": place,
            "type": one.decision.type,
            "at_ms": one.decision.at_ms,
            "agent_id": one.decision.agent_id,
        }
        for place, one in enumerate(placed, start=1)
    ]
    named = next((name for name in numbers if isinstance(name, str)), case)
    return {"case": named, "case_id": placed[0].decision.case_id, "decisions": listed}


def _scene(
    moment: Moment,
    decision: wire.Decision | None,
    policies: Mapping[str, Policy],
    about: wire.Decision | None = None,
) -> Scene | None:
    """The work that a decision speaks of, or that the case of ``about`` has now, if it waits."""
    spoken = decision or about
    pool = moment.world.state.pools.get(spoken.pool) if spoken is not None else None
    if pool is None or spoken is None:
        return None
    case = pool.cases.get(spoken.case_id or "")
    name = decision.work_id if decision is not None else None
    work = pool.works.get(name or (case.work_id if case is not None else None) or "")
    if work is None or work.state != "queued":
        return None
    for version in (pool.policy, work.rules):  # those that its steps are computed by
        if version is not None:
            policies[version]
    now_ms = decision.at_ms if decision is not None else moment.world.state.now_ms
    return Scene(pool, work, now_ms, moment.world.state.timers, policies)


def _told(
    number: int | None, decision: wire.Decision | None, scene: Scene | None
) -> dict[str, Any]:
    found = table(scene) if scene is not None else dict(_TABLE)
    if decision is None and scene is not None:
        _collected(scene, found)
    explain = decision.data.get("explain") if decision is not None else None
    same = None
    if explain is not None and scene is not None:
        same = all(explain.get(key) == found[key] for key in ("candidates", "eligible", "by_code"))
    window = explain.get("window") if explain is not None else None
    if window is not None and decision is not None:  # it wasn't looked at by itself
        found["winner"], found["tie_break"] = decision.agent_id, None
        for row in found["table"] or ():
            if row["code"] is None:
                row["chosen"] = row["agent_id"] == decision.agent_id
    policy = scene.pool.policy if scene is not None else None
    at_ms = decision.at_ms if decision is not None else scene.now_ms if scene is not None else 0
    return {
        "decision": number,
        "type": decision.type if decision is not None else None,
        "policy": decision.policy if decision is not None else policy,
        "source": "recomputed",
        "same_as_recorded": same,
        **found,
        "window": window,
        "at_ms": at_ms,
    }


def _collected(scene: Scene, found: dict[str, Any]) -> None:
    """Whatever waits now is offered to nobody as long as a window is open."""
    until_ms = scene.timers.get(window_timer(scene.pool))
    if until_ms is None or found["held"] is not None:
        return
    found |= {"held": {"code": "collecting", "until_ms": until_ms}, "winner": None}
    for row in found["table"]:
        if row["code"] is None:
            row["chosen"] = False


def recorded_answer(recorded: Recorded, case: str, number: int | None) -> dict[str, Any] | None:
    """The same as far as it was recorded, for a log whose beginning is gone; None without any.

    A recorded account names each agent only in a small pool; what was cut stays cut.
    """
    placed = of_case(recorded, case, trimmed=True)
    head = _head(placed, case, number)
    among = placed if number is None else [placed[number - 1]]
    with_explain = [one for one in among if isinstance(one.decision.data.get("explain"), dict)]
    if not with_explain:
        return None
    chosen = with_explain[-1].decision
    explain = chosen.data["explain"]
    rows = [{**row, "if": []} for row in explain["rejected"]]
    if chosen.agent_id is not None and explain.get("terms"):
        terms = {"terms": explain["terms"], "chosen": True}
        rows.insert(0, {"agent_id": chosen.agent_id, "code": None, "params": {}, **terms})
    return {
        **head,
        "decision": placed.index(with_explain[-1]) + 1,
        "type": chosen.type,
        "policy": chosen.policy,
        "source": "recorded",
        "same_as_recorded": None,
        "candidates": explain["candidates"],
        "eligible": explain["eligible"],
        "by_code": explain["by_code"],
        "step": explain["step"],
        "held": None,
        "winner": chosen.agent_id if explain.get("terms") else None,
        "tie_break": explain.get("tie_break"),
        "table": rows,
        "window": explain.get("window"),
        "at_ms": chosen.at_ms,
    }


class _Policies(dict[str, Policy]):
    """Policies by version, decoded when first asked for. Raises (exit 3) where one is missing."""

    def __init__(self, blobs: Mapping[str, bytes]) -> None:
        super().__init__()
        self._blobs = blobs

    def __missing__(self, version: str) -> Policy:
        try:
            policy = decode_policy(self._blobs[version])
        except (KeyError, msgspec.MsgspecError) as error:
            raise unreachable(
                f"policy {version} is missing; is this the right data dir, or an export with blobs?"
            ) from error
        self[version] = policy
        return policy
