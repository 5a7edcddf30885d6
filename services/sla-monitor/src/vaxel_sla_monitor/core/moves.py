"""Which decisions move a clock, and what of them a clock needs.

A decision that moves none gives nothing; ``vaxel.clocks`` holds no more than what the clocks read.
"""

from __future__ import annotations

from typing import Any

from vaxel_shared import ids
from vaxel_shared.contracts.sla import CaseFacts, Move
from vaxel_shared.contracts.wire import Decision

CONTACTS = frozenset({"case.opened", "case.joined", "case.reopened"})
ENDINGS = frozenset({"case.closed"})
PARTINGS = frozenset({"case.merged", "case.handed_over"})
"""It lives elsewhere, in another case or pool, and may come back."""
MOVERS = CONTACTS | ENDINGS | PARTINGS | {
    "case.replied", "case.waiting", "case.resolved", "case.split", "work.queued", "work.escalated",
}  # fmt: skip
GIVEN_UP = "case.given_up"
"""What a ``case.resolved`` without an answer does: no promise was kept by it."""
TOOK_IN, LET_GO = "case.took_in", "case.let_go"
"""What the other case of a ``case.merged`` or ``case.split`` does: a move of its own."""
_OTHERS = {"case.merged": (TOOK_IN, "into"), "case.split": (LET_GO, "out_of")}


def moves_of(decision: Decision, *, partition: int, seq: int, index: int) -> list[Move]:
    """The moves that a decision is: none where it moves no clock, two where it moves two cases'."""
    if decision.type not in MOVERS or decision.case_id is None:
        return []
    data = decision.data
    move = _move(decision, decision.case_id, partition, seq, index)
    kind, name = _OTHERS.get(decision.type, (None, ""))
    other = _word(data.get(name))
    if kind is None or other is None:
        return [move]
    told: dict[str, Any] = {"type": kind, "case_id": other, "other": decision.case_id}
    told["answered"] = None
    told["waiting_since_ms"] = _whole(data.get("waiting_since_ms"))
    return [move, move.model_copy(update=told)]


def _move(decision: Decision, case_id: str, partition: int, seq: int, index: int) -> Move:
    data = decision.data
    given_up = decision.type == "case.resolved" and data.get("outcome") is not None
    return Move(
        type=GIVEN_UP if given_up else decision.type,
        case_id=case_id,
        pool=decision.pool,
        partition=partition,
        seq=seq,
        index=index,
        at_ms=decision.at_ms,
        facts=_facts(decision.type, data),
        received_at_ms=_whole(data.get("received_at_ms")),
        waits_for=_word(data.get("waits_for")),
        reason=_word(data.get("outcome" if given_up else "reason")),
        answered=True if (data.get("handed") or data).get("answered") is True else None,
    )


def move_id(log_id: str, move: Move) -> str:
    """The id of a move's record: it is the decision's place, so a repeat has it too."""
    place = [str(move.partition), str(move.seq), str(move.index)]
    return ids.event_id("move", log_id, *place, *([move.type] if move.other else []))


def _facts(kind: str, data: dict[str, Any]) -> CaseFacts:
    if kind in CONTACTS:
        labels, automatic = data.get("labels"), data.get("automatic")
        opening = kind == "case.opened"
        return CaseFacts(
            number=_word(data.get("number")),
            # Where a later message would go by itself doesn't move the case: work.queued does.
            queue=_word(data.get("queue")) if opening else None,
            priority=_whole(data.get("priority")) if opening else None,
            channel=_word(data.get("channel")) if opening else None,
            account=_word(data.get("account")) if opening else None,
            language=_word(data.get("language")) if opening else None,
            labels=_words(labels) if opening else None,
            automatic=(automatic is True) if opening else None,
        )
    if kind == "work.queued":
        return CaseFacts(
            # Its own, wherever it waits: what was promised doesn't change because a queue is full.
            queue=_word(data.get("home")) or _word(data.get("queue")),
            priority=_whole(data.get("priority")),
            language=_word(data.get("language")),
        )
    if kind == "work.escalated":
        return CaseFacts(priority=_whole(data.get("to_priority")))
    return CaseFacts()


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _words(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
