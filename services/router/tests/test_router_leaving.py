"""The customer leaves, or there is nothing to do: what waits for nobody is over."""

from __future__ import annotations

from typing import Any

import pytest
from router_harness import Router, types

from vaxel_shared.contracts import wire

ROUTING = """
pools:
  - name: support
    letter: S
    wrap_up: 1m
    quality: {percent: 100, queue: billing}
    %s
    queues:
      - {name: billing, steps: [{after: 0s, tiers: [1]}]}
      - {name: complaints, steps: [{after: 0s, tiers: [1]}]}
"""
ROSTER = """
agents:
  - {id: a01, name: One, email: a01@agents.example, pool: support, languages: {en: 9}, capacity: 1, channels: {email: {max: 1}, chat: {max: 1}}, present: true}
"""
GIVES_UP = "give_up_after_leaving: [chat]"


def a_router(more: str = GIVES_UP) -> Router:
    return Router(ROUTING % more, ROSTER, restarts=True)


def chats(
    router: Router, name: str, queue: str = "billing", *, again: bool = False
) -> list[wire.Decision]:
    wants: dict[str, Any] = {"skills": {}, "languages": ["en"]}
    return router.contact(
        f"{name}-again" if again else name,
        channel="chat",
        queue=queue,
        requires=wants,
        conversation_key=_key(name),
    )


def leaves(router: Router, name: str, reason: str = "left") -> list[wire.Decision]:
    data = {"conversation_key": _key(name), "reason": reason}
    return router.send("contact.end", kind="customer", data=data)


def _key(name: str) -> str:
    return f"support|chat|site|{name}"


def test_who_leaves_while_nobody_has_it_is_waited_for_no_longer() -> None:
    router = a_router()
    chats(router, "first")
    chats(router, "second")
    made = leaves(router, "first")
    assert types(made) == [
        "contact.ended", "offer.ended", "work.abandoned", "case.resolved", "offer.made",
    ]  # fmt: skip
    assert made[1].data["outcome"] == "withdrawn"
    assert made[3].data | {"close_ms": 0} == {
        "reason": "left", "outcome": "abandoned", "close_ms": 0,
    }  # fmt: skip
    case = router.pool().cases[router.pool().conversations[_key("second")]]
    assert made[4].case_id == case.id, "whoever was asked has room again"
    assert all(one.parent is None for one in router.pool().cases.values()), "nothing to look at"
    router.replay()


def test_who_leaves_somebody_who_answers_is_waited_for() -> None:
    router = a_router()
    chats(router, "first")
    router.accept()
    chats(router, "second")
    made = leaves(router, "first", "hung_up")
    assert types(made) == ["contact.ended", "case.waiting", "work.wrapping"]
    assert (made[1].data["waits_for"], made[1].data["reason"]) == ("customer", "hung_up")
    assert router.wait(60_000)[-1].type == "offer.made"
    again = chats(router, "first", again=True)
    assert types(again)[:2] == ["case.reopened", "work.queued"]
    assert again[1].data["prefer_agent"] == "a01"


def test_where_the_policy_gives_nobody_up_it_is_only_told() -> None:
    router = a_router("")
    chats(router, "first")
    assert types(leaves(router, "first")) == ["contact.ended"]
    assert router.offer().agent_id == "a01"


def test_a_complaint_that_is_owed_an_explanation_is_not_given_up() -> None:
    router = a_router(GIVES_UP + "\n    complaints: {stages: [complaints]}")
    chats(router, "first", queue="complaints")
    assert types(leaves(router, "first")) == ["contact.ended"]
    assert len(router.pool().works) == 1


def test_who_left_a_conversation_may_still_be_there_in_another() -> None:
    router = a_router()
    chats(router, "first")
    router.contact("mail", requires={"skills": {}, "languages": ["en"]})
    first, mail = sorted(router.pool().cases.values(), key=lambda one: one.opened_ms)[:2]
    router.send("case.merge", kind="supervisor", case=first.id, data={"target": mail.id})
    assert types(leaves(router, "first")) == ["contact.ended"]


@pytest.mark.parametrize(("name", "reason", "code"), [
    ("nobody", "left", "unknown_case"), ("first", "asleep", None), ("gone", "left", "wrong_state"),
])  # fmt: skip
def test_an_end_that_ends_nothing_changes_nothing(name: str, reason: str, code: str | None) -> None:
    router = a_router()
    chats(router, "first")
    chats(router, "gone")
    leaves(router, "gone")
    (made,) = leaves(router, name, reason)
    assert made.type == ("command.refused" if code else "input.rejected")
    assert made.data.get("code") == code


def cancel(router: Router, **more: Any) -> list[wire.Decision]:
    case = router.pool().cases[router.pool().conversations[_key("first")]]
    return router.act("case.cancel", case, **more)


def test_what_needs_nobody_ends_without_an_answer_and_opens_again() -> None:
    router = a_router()
    chats(router, "first")
    router.accept()
    chats(router, "second")
    made = cancel(router, reason="spam")
    assert types(made) == ["work.cancelled", "case.resolved", "offer.made"], "nothing to wrap up"
    assert (made[0].data["reason"], made[1].data["outcome"]) == ("spam", "cancelled")
    assert types(chats(router, "first", again=True))[0] == "case.reopened"
    router.replay()


def test_an_agent_cancels_what_is_in_hand_and_says_why_a_supervisor_anything() -> None:
    router = a_router()
    chats(router, "first")
    case = router.case()
    stray = {"kind": "agent", "agent": "a01", "case": case.id}
    (refused,) = router.send("case.cancel", data={"reason": "spam"}, **stray)
    assert refused.data["code"] == "not_owner"
    router.accept()
    (refused,) = cancel(router)
    assert refused.data["params"] == {"missing": ["reason"]}
    made = router.send("case.cancel", kind="supervisor", case=case.id, data={"reason": "test"})
    assert types(made) == ["work.cancelled", "case.resolved"]
    (refused,) = router.send("case.cancel", kind="supervisor", case=case.id, data={"reason": "x"})
    assert refused.data["code"] == "wrong_state"


def test_nobody_gets_round_an_explanation_by_cancelling() -> None:
    router = a_router("complaints: {stages: [complaints]}")
    chats(router, "first", queue="complaints")
    router.accept()
    (refused,) = cancel(router, reason="spam")
    assert refused.data["code"] == "explanation_missing"


def test_whoever_asked_takes_a_question_back_and_goes_on() -> None:
    router = a_router("")
    chats(router, "first")
    router.accept()
    case = router.case()
    note = {"note_ref": "n", "note_sha256": "0", "note_size": 1}
    router.act("case.consult", case, wait=True, **note)
    (child,) = (one for one in router.pool().cases.values() if one.parent is not None)
    back = {"kind": "agent", "agent": "a01", "case": child.id}
    made = router.send("case.cancel", data={"reason": "mistake"}, **back)
    assert types(made)[:4] == [
        "work.cancelled", "case.resolved", "work.closed", "case.reopened",
    ]  # fmt: skip
    assert made[3].case_id == case.id
