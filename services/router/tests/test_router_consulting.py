"""Others are asked: help and approvals are cases of their own, and the answers come back."""

from __future__ import annotations

from typing import Any

import pytest
from router_harness import ROSTER, ROUTING, Router, types

from vaxel_router.core.state import Case
from vaxel_shared.contracts import wire

NOTE = {"note_ref": "note/" + "0" * 64, "note_sha256": "0" * 64, "note_size": 3}
WITH_AUTHORITY = ROSTER.replace("{id: a04,", "{id: a04, authority: 50000,").replace(
    "capacity: 1, channels: {email: {cost: 1, max: 1}}, present: false",
    "capacity: 2, channels: {email: {cost: 1, max: 2}}, present: true",
)


def held(router: Router) -> Case:
    """A case in somebody's hands."""
    router.contact("mail-1")
    case = router.case()
    router.accept()
    return case


def asked(router: Router, case: Case, **data: Any) -> Case:
    made = router.act("case.consult", case, **(NOTE | data))
    assert made[0].type == "case.opened", made
    return router.pool().cases[made[0].case_id or ""]


def answer(router: Router, question: Case, verdict: str = "answered") -> list[wire.Decision]:
    work = router.pool().works[question.work_id or ""]
    if work.offer_id is not None:
        router.accept(router.pool().offers[work.offer_id])
    return router.act("case.answer", question, verdict=verdict, **NOTE)


def test_help_is_asked_of_a_queue_while_the_agent_goes_on() -> None:
    router = Router()
    case = held(router)
    work = router.pool().works[case.work_id or ""]
    question = asked(router, case, to_queue="general")
    there = router.pool().works[question.work_id or ""]
    assert (there.queue, there.since_ms) == ("general", work.since_ms), "as old as what it is for"
    assert work.agent_id not in [router.pool().offers[o].agent_id for o in there.open_offers]
    assert (case.status, work.state, case.children) == ("open", "assigned", [question.id])
    note = next(d for d in router.decisions if d.type == "case.noted" and "asks" in d.data)
    assert (note.case_id, note.data["asks"]["number"]) == (case.id, question.number)
    made = answer(router, question)
    told = next(d for d in made if d.data.get("answer"))
    assert (told.case_id, told.data["answer"]["verdict"]) == (case.id, "answered")
    assert (question.status, case.children, work.state) == ("resolved", [], "assigned")
    router.replay()


def test_a_case_that_waits_for_the_answer_goes_on_with_whoever_asked() -> None:
    router = Router()
    case = held(router)
    asker = router.pool().works[case.work_id or ""].agent_id
    question = asked(router, case, wait=True, tier=2)
    assert case.status == "waiting_internal"
    assert router.pool().works[question.work_id or ""].tiers == [2]
    router.wait(60_000)  # the wrap-up
    assert case.work_id is None
    answer(router, question)
    work = router.pool().works[case.work_id or ""]
    assert (case.status, work.prefer_agent or router.offer().agent_id) == ("open", asker)
    assert work.since_ms == case.opened_ms
    router.replay()


def test_what_is_more_than_an_agent_may_grant_is_approved_by_one_who_may() -> None:
    router = Router(roster=WITH_AUTHORITY)
    case = held(router)
    refused = router.reply(case, amount=20_000)[0].data
    assert (refused["code"], refused["params"]) == ("needs_approval", {"amount": 20_000, "most": 0})
    question = asked(router, case, kind="approve", amount=20_000, to_queue="general")
    offer = router.pool().offers[router.pool().works[question.work_id or ""].offer_id or ""]
    assert offer.agent_id == "a04", "nobody else may grant as much"
    answer(router, question, "approved")
    assert case.approved == 20_000
    assert router.reply(case, amount=20_001)[0].data["code"] == "needs_approval"
    replied = router.reply(case, amount=20_000)[0]
    assert (replied.type, replied.data["amount"]) == ("case.replied", 20_000)
    router.replay()


@pytest.mark.parametrize(("amount", "tier", "floor", "asked_first"), [
    (20_000, None, 3, "a04"),    # the lowest tier of whoever may: nobody waits for steps to open
    (900, None, 2, "a03"),
    (900, 3, 3, "a04"),          # a tier that is asked for holds
    (60_000, None, 1, None),     # nobody may: it waits, and whoever comes to have it may be anywhere
])  # fmt: skip
def test_an_approval_begins_at_the_lowest_tier_that_may_grant_it(
    amount: int, tier: int | None, floor: int, asked_first: str | None
) -> None:
    router = Router(roster=WITH_AUTHORITY.replace("{id: a03,", "{id: a03, authority: 1000,"))
    case = held(router)
    question = asked(router, case, kind="approve", amount=amount, tier=tier, to_queue="billing")
    work = router.pool().works[question.work_id or ""]
    offer = router.pool().offers.get(work.offer_id or "")
    assert (work.floor, offer and offer.agent_id) == (floor, asked_first)
    router.replay()


def test_an_approval_that_is_refused_approves_nothing() -> None:
    router = Router(roster=WITH_AUTHORITY)
    case = held(router)
    question = asked(router, case, kind="approve", amount=20_000, to_queue="general")
    answer(router, question, "refused")
    assert (case.approved, case.children) == (0, [])
    assert router.reply(case, amount=20_000)[0].data["code"] == "needs_approval"


def test_nobody_approves_beyond_their_authority_even_where_skills_are_waived() -> None:
    router = Router(roster=WITH_AUTHORITY)
    case = held(router)
    question = asked(router, case, kind="approve", amount=60_000, to_queue="general")
    assert router.pool().works[question.work_id or ""].state == "queued", "nobody may"
    router.send("case.assign", kind="supervisor", case=question.id, data={"to_agent": "a04", "reason": "urgent"})  # fmt: skip
    made = router.act("case.answer", question, verdict="approved", **NOTE)
    assert made[0].data == {"code": "no_authority", "params": {"amount": 60_000, "most": 50_000}}
    said = {"verdict": "approved"} | NOTE
    router.send("case.answer", kind="supervisor", case=question.id, data=said)
    assert case.approved == 60_000, "a supervisor answers for it"


def test_what_was_asked_ends_with_the_case_that_it_is_for() -> None:
    router = Router()
    case = held(router)
    question = asked(router, case, to_queue="general")
    router.accept(router.pool().offers[router.pool().works[question.work_id or ""].offer_id or ""])
    deeper = asked(router, question)
    router.act("case.resolve", case)
    assert (case.status, question.status, deeper.status) == ("resolved",) * 3
    assert [one.state for one in router.pool().works.values()] in (
        [],
        ["wrapping"],
        ["wrapping"] * 2,
    )
    router.wait(60_000)
    assert not router.pool().works
    router.replay()


def test_questions_are_bounded_in_number_and_depth() -> None:
    router = Router()
    case = held(router)
    for _ in range(5):
        asked(router, case, to_queue="general")
    made = router.act("case.consult", case, **NOTE)
    assert made[0].data["code"] == "too_many_questions"
    above, depth = router.pool().cases[case.children[0]], 1
    while True:
        data = {"kind": "supervisor", "case": above.id, "data": {"to_queue": "general"} | NOTE}
        made = router.send("case.consult", **data)
        if made[0].type == "command.refused":
            break
        above, depth = router.pool().cases[made[0].case_id or ""], depth + 1
    assert (made[0].data["code"], depth) == ("too_many_questions", 3)
    router.replay()


@pytest.mark.parametrize(("data", "code"), [
    ({"kind": "approve"}, "invalid_data"),
    ({"kind": "consult", "amount": 5}, "invalid_data"),
    ({"kind": "approve", "amount": 5, "to_agent": "a03"}, "no_authority"),
    ({"to_agent": "nobody"}, "unknown_agent"),
    ({"to_queue": "nowhere"}, "unknown_queue"),
    ({"tier": 9}, "invalid_data"),
])  # fmt: skip
def test_what_makes_no_sense_is_not_asked(data: dict[str, Any], code: str) -> None:
    router = Router()
    case = held(router)
    made = router.act("case.consult", case, **(NOTE | data))
    assert (types(made), made[0].data["code"]) == (["command.refused"], code)


def test_no_customer_reads_an_answer_to_a_question_and_no_question_leaves_its_case() -> None:
    router = Router()
    case = held(router)
    question = asked(router, case, to_queue="general")
    router.accept(router.pool().offers[router.pool().works[question.work_id or ""].offer_id or ""])
    assert router.reply(question)[0].data["code"] == "is_question"
    other = {"to_pool": "sales"} | NOTE
    for one in (case, question):
        assert router.act("case.transfer", one, **other)[0].data["code"] == "has_questions"
    router.contact("mail-2")
    target = {"target": router.case().id}
    made = router.send("case.merge", kind="supervisor", case=case.id, data=target)
    assert made[0].data["code"] == "has_questions"


QUALITY = ROUTING.replace("letter: S", "letter: S\n    quality: {percent: 100, queue: general}")


def test_what_was_resolved_is_drawn_for_somebody_else_to_look_at() -> None:
    router = Router(QUALITY)
    case = held(router)
    agent = router.pool().works[case.work_id or ""].agent_id
    made = router.reply(case, then="resolved")
    opened = next(d for d in made if d.type == "case.opened")
    assert opened.data["parent"] == {
        "case_id": case.id, "number": case.number, "kind": "review", "agent_id": agent,
    }  # fmt: skip
    review = router.pool().cases[opened.case_id or ""]
    work = router.pool().works[review.work_id or ""]
    assert work.queue == "general"
    assert agent not in [router.pool().offers[o].agent_id for o in work.open_offers]
    router.accept(router.pool().offers[work.offer_id or ""])
    wrong = router.act("case.answer", review, verdict="answered", **NOTE)
    assert wrong[0].data["code"] == "invalid_data"
    made = router.act("case.answer", review, verdict="passed", score=90, **NOTE)
    told = next(d for d in made if d.data.get("answer"))
    assert (told.case_id, told.data["answer"]["score"]) == (case.id, 90)
    assert (case.status, review.status) == ("resolved", "resolved")
    assert types(made).count("case.opened") == 0, "what looks is not looked at"
    router.replay()


def test_as_many_are_drawn_as_the_policy_says_and_a_replay_draws_the_same() -> None:
    router = Router(QUALITY.replace("percent: 100", "percent: 30"))
    for number in range(60):
        router.contact(f"mail-{number}")
        case = router.case()
        data = {"to_agent": "a01", "reason": "test"}
        router.send("case.assign", kind="supervisor", case=case.id, data=data)
        router.overridden.add("a01")
        router.reply(case, then="resolved")
        router.wait(40_000)
        for one in list(router.pool().cases.values()):
            if one.parent is not None and one.status == "open":
                router.send("case.resolve", kind="supervisor", case=one.id)
    drawn = [d for d in router.decisions if d.type == "case.opened" and d.data.get("parent")]
    assert 8 <= len(drawn) <= 30
    router.replay()


def test_somebody_looks_at_a_resolved_case_again_when_it_was_said() -> None:
    router = Router()
    case = held(router)
    router.reply(case, then="open")
    at_ms = router.now_ms + 30 * 86_400_000
    router.act("case.resolve", case, follow_up_ms=at_ms, queue="general")
    router.wait(29 * 86_400_000)
    assert case.status == "resolved", "it isn't closed before"
    router.wait(86_400_000)
    assert case.status == "open"
    work = router.pool().works[case.work_id or ""]
    assert (work.queue, work.since_ms) == ("general", at_ms), "as old as its beginning"
    assert router.last("case.reopened").data["reason"] == "follow_up"
    router.replay()


def test_who_writes_before_a_follow_up_needs_none() -> None:
    router = Router()
    case = held(router)
    router.act("case.resolve", case, follow_up_ms=router.now_ms + 86_400_000)
    router.contact("mail-2", conversation="mail-1")
    assert case.status == "open"
    router.send("case.resolve", kind="supervisor", case=case.id)
    router.wait(2 * 86_400_000)
    assert case.status == "resolved"
    refused = router.send("case.resolve", kind="supervisor", case=case.id, data={"follow_up_ms": 5})
    assert refused[0].data["code"] == "wrong_state"
    router.replay()
