"""How decisions about cases are written into the state."""

from __future__ import annotations

from typing import Any

from vaxel_router.core import wants
from vaxel_router.core.limits import CLOSED_LINKS_MAX, CONVERSATIONS_PER_CASE_MAX, HANDLERS_MAX
from vaxel_router.core.state import Case, Pool, World
from vaxel_router.core.ties import Handed, Origin, Parent
from vaxel_router.core.written.common import Handler, Place, all_merged, case_id_of, lease
from vaxel_shared import ids
from vaxel_shared.contracts.wire import Decision


def _case_opened(world: World, pool: Pool, decision: Decision, place: Place) -> None:
    data, requires = decision.data, decision.data["requires"]
    handed = data.get("handed")
    case = Case(
        id=case_id_of(decision),
        number=data["number"],
        status="open",
        conversations=[],
        channel=data["channel"],
        account=data["account"],
        customer_id=data["customer_id"],
        language=data["language"],
        queue=data["queue"],
        priority=data["priority"],
        # In order, as a snapshot gives them back: decisions repeat them byte for byte.
        skills=dict(sorted(requires.get("skills", {}).items())),
        languages=list(requires.get("languages", [])),
        opened_ms=decision.at_ms if handed is None else min(handed["opened_ms"], decision.at_ms),
        last_contact_id=data["contact_id"],
        last_contact_seq=place[0],
        automatic=data.get("automatic", False),
        own=wants.of(requires),
        contact_ms=_came_ms(decision),
    )
    pool.counter += 1
    pool.cases[case.id] = case
    if (asked := data.get("parent")) is None:
        _note_contact(world, pool, case, decision, place)
        return
    case.parent = Parent(
        case_id=asked["case_id"],
        kind=asked["kind"],
        agent=asked.get("agent_id"),
        amount=asked.get("amount", 0),
        waits=asked.get("waits", False),
    )
    if case.parent.kind == "review":  # what it looks at is over, and doesn't wait for it
        return
    parent = pool.cases[asked["case_id"]]
    parent.asked += 1
    parent.children.append(case.id)


def _leave_parent(pool: Pool, case: Case) -> None:
    """What was asked is over."""
    parent = pool.cases.get(case.parent.case_id) if case.parent is not None else None
    if parent is not None and case.id in parent.children:
        parent.children.remove(case.id)


def _case_noted(_world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    answer = decision.data.get("answer")
    if answer is not None and answer["verdict"] == "approved":
        case = pool.cases[case_id_of(decision)]
        case.approved = max(case.approved, answer["amount"])


def _came_ms(decision: Decision) -> int | None:
    """When the message that opens a case came in; None where no person wrote it."""
    if decision.data.get("automatic") or decision.data.get("parent"):
        return None
    came_ms: int = decision.data.get("received_at_ms", decision.at_ms)
    return min(came_ms, decision.at_ms)


def _case_joined(world: World, pool: Pool, decision: Decision, place: Place) -> None:
    _note_contact(world, pool, pool.cases[case_id_of(decision)], decision, place)


def _case_reopened(world: World, pool: Pool, decision: Decision, place: Place) -> None:
    case = pool.cases[case_id_of(decision)]
    case.status, case.resolved_ms, case.handed = "open", None, None
    if (decision.data.get("handed") or {}).get("answered"):
        case.answered = True
    world.disarm(f"close:{pool.name}:{case.id}")
    world.disarm(f"wake:{pool.name}:{case.id}")
    if decision.data.get("contact_id") is not None:
        _note_contact(world, pool, case, decision, place)


def _note_contact(world: World, pool: Pool, case: Case, decision: Decision, place: Place) -> None:
    data, handed = decision.data, decision.data.get("handed")
    case.last_contact_id, case.last_contact_seq = data["contact_id"], place[0]
    if handed is not None:
        case.origin = Origin(handed["hand_over"], handed["from_pool"], handed["case_id"])
    told = handed["conversations"] if handed is not None else []
    for conversation in (*told, data["conversation_key"]):
        room = len(case.conversations) < CONVERSATIONS_PER_CASE_MAX
        if conversation not in case.conversations and room:
            case.conversations.append(conversation)
            pool.conversations[conversation] = case.id
            pool.closed.pop(conversation, None)
    _count_source(world, data)


def _count_source(world: World, data: dict[str, Any]) -> None:
    """How far contacts were applied; of what came by way of another pool it says nothing."""
    if (src := data.get("src")) is not None:
        partition, offset = src
        sources = world.state.sources
        sources[str(partition)] = max(offset, sources.get(str(partition), -1))


def _case_replied(world: World, pool: Pool, decision: Decision, place: Place) -> None:
    work = pool.works.get(decision.work_id or "")
    if work is not None and work.lease_ms is not None:
        lease(world, pool, work, None)
    case = pool.cases[case_id_of(decision)]
    case.due_ms = None
    if decision.data.get("explanation"):
        state = world.state
        case.explanation = ids.effect_id(state.log_id, state.partition, *place)
    for name in [case.id, *all_merged(pool, case)]:
        pool.cases[name].answered = True
    if decision.agent_id is not None:
        case.last_agent = decision.agent_id


def _case_waiting(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    case = pool.cases[case_id_of(decision)]
    case.status, case.due_ms = f"waiting_{decision.data['waits_for']}", None
    case.wake_queue = decision.data.get("queue")
    key = f"wake:{pool.name}:{case.id}"
    if (wake_ms := decision.data.get("wake_ms")) is not None:
        world.arm(key, wake_ms)
    else:
        world.disarm(key)


def _case_resolved(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    case = pool.cases[case_id_of(decision)]
    case.status, case.resolved_ms, case.due_ms = "resolved", decision.at_ms, None
    _leave_parent(pool, case)
    case.wake_queue = decision.data.get("queue")
    if (follow_up_ms := decision.data.get("follow_up_ms")) is not None:
        world.arm(f"wake:{pool.name}:{case.id}", follow_up_ms)
    else:
        world.disarm(f"wake:{pool.name}:{case.id}")
    if (close_ms := decision.data.get("close_ms")) is not None:
        world.arm(f"close:{pool.name}:{case.id}", close_ms)


def _case_merged(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    case = pool.cases[case_id_of(decision)]
    into = pool.cases[decision.data["into"]]
    assert case.work_id is None, "what goes into another has no work of its own"
    case.status, case.merged_into, case.resolved_ms = "merged", into.id, None
    world.disarm(f"close:{pool.name}:{case.id}")
    world.disarm(f"wake:{pool.name}:{case.id}")
    into.merged.append(case.id)
    _join_complaints(into, case)
    # In front: answers go to the last, which stays the other case's own.
    into.conversations = [*case.conversations, *into.conversations]
    for conversation in case.conversations:
        if pool.conversations.get(conversation) == case.id:
            pool.conversations[conversation] = into.id
    if case.last_contact_seq > into.last_contact_seq:
        into.last_contact_id, into.last_contact_seq = case.last_contact_id, case.last_contact_seq


def _join_complaints(into: Case, case: Case) -> None:
    """Two become one: at the later stage, whoever had either; explained where both were."""
    if not case.stage:
        return
    if case.stage > into.stage:
        into.explanation = case.explanation
    elif case.stage == into.stage and case.explanation is None:
        into.explanation = None
    into.stage = max(into.stage, case.stage)
    for mine, others in ((into.handlers, case.handlers), (into.involved, case.involved)):
        mine += [name for name in others if name not in mine]
        del mine[HANDLERS_MAX:]


def _case_handed_over(world: World, pool: Pool, decision: Decision, place: Place) -> None:
    case, data = pool.cases[case_id_of(decision)], decision.data
    if "contact" not in data:  # the other pool has it, and as which case
        assert case.handed is not None, "only what was handed over is taken"
        case.handed.case_id, case.handed.number = data["to_case_id"], data["to_number"]
        return
    assert case.work_id is None, "what is handed over has no work of its own"
    case.status, case.due_ms = "handed_over", None
    case.handed = Handed(
        id=ids.effect_id(world.state.log_id, world.state.partition, *place),
        pool=data["to_pool"],
        since_ms=data["since_ms"],
        bounces=data.get("bounces", 0),
        agent=decision.agent_id,
    )


def _contact_forwarded(world: World, _pool: Pool, decision: Decision, _place: Place) -> None:
    if decision.data["contact"].get("forwarded", {}).get("hops") == 1:
        _count_source(world, decision.data["contact"])


def _case_split(_world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    case = pool.cases[case_id_of(decision)]
    out_of = pool.cases[decision.data["out_of"]]
    case.status, case.merged_into = "open", None
    out_of.merged.remove(case.id)
    own = set(case.conversations)
    out_of.conversations = [one for one in out_of.conversations if one not in own]
    for conversation in case.conversations:
        if pool.conversations.get(conversation) == out_of.id:
            pool.conversations[conversation] = case.id


def _case_closed(world: World, pool: Pool, decision: Decision, _place: Place) -> None:
    case = pool.cases.pop(case_id_of(decision))
    assert case.work_id is None, "a case closes without open work"
    world.disarm(f"close:{pool.name}:{case.id}")
    world.disarm(f"wake:{pool.name}:{case.id}")
    for conversation in case.conversations:
        if pool.conversations.get(conversation) == case.id:
            del pool.conversations[conversation]
            pool.closed[conversation] = case.id
    if len(pool.closed) > CLOSED_LINKS_MAX:
        # Many at a time, since finding them takes a look at all; which ones is chance, but settled.
        for conversation in sorted(pool.closed)[: max(1, CLOSED_LINKS_MAX // 10)]:
            del pool.closed[conversation]


HANDLERS: dict[str, Handler] = {
    "case.opened": _case_opened,
    "case.joined": _case_joined,
    "case.reopened": _case_reopened,
    "case.replied": _case_replied,
    "case.noted": _case_noted,
    "case.waiting": _case_waiting,
    "case.resolved": _case_resolved,
    "case.closed": _case_closed,
    "case.merged": _case_merged,
    "case.split": _case_split,
    "case.handed_over": _case_handed_over,
    "contact.forwarded": _contact_forwarded,
}
"""Type of a decision → what it changes."""
