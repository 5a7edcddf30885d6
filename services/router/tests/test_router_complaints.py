"""Complaints go by stages: each is looked at by somebody new, and ends with an explanation."""

from __future__ import annotations

from typing import Any

import pytest
from router_harness import ROUTING, Router, types

from vaxel_router.core.policy import decode
from vaxel_router.core.state import Case, Work
from vaxel_shared import ids
from vaxel_shared.config import source
from vaxel_shared.config.document import ConfigError
from vaxel_shared.config.routing import Routing
from vaxel_shared.contracts import wire

STAGED = ROUTING.replace(
    "    queues:\n",
    """    complaints: {stages: [complaints, reviews]}
    queues:
      - name: complaints
        steps: [{after: 0s, tiers: [1, 2, 3]}]
      - name: reviews
        steps: [{after: 0s, tiers: [1, 2, 3]}]
""",
)
NOTE = {"note_ref": "note/" + "0" * 64, "note_sha256": "0" * 64, "note_size": 3}


def work_of(router: Router, case: Case) -> Work:
    return router.pool().works[case.work_id or ""]


def holder(router: Router, case: Case) -> str:
    """Accepts, and says who has it now."""
    work = work_of(router, case)
    if work.offer_id is not None:
        router.accept(router.pool().offers[work.offer_id])
    assert work.agent_id is not None
    return work.agent_id


def complaint(router: Router) -> Case:
    router.contact("mail-1", queue="complaints", requires={})
    return router.case()


def reported(router: Router, case: Case, seq: int, state: str) -> list[wire.Decision]:
    """What delivery says of the reply that is the first decision of a record."""
    effect_id = ids.effect_id(router.world.state.log_id, router.partition, seq, 0)
    data = {"effect_id": effect_id, "effect": "reply", "state": state, "code": "rejected"}
    return router.send("delivery.result", case=case.id, data=data)


def test_a_complaint_is_not_resolved_before_its_explanation_was_sent() -> None:
    router = Router(STAGED)
    case = complaint(router)
    assert (case.stage, holder(router, case)) == (1, "a01")
    refused = router.act("case.resolve", case)[0]
    assert refused.data == {"code": "explanation_missing", "params": {"stage": 1}}
    router.reply(case, then="open")
    assert router.act("case.resolve", case)[0].type == "command.refused", "an interim answer"
    assert router.reply(case, then="resolved")[0].type == "command.refused"
    made = router.reply(case, then="resolved", explanation=True)
    assert (made[0].data["explanation"], types(made)[1]) == (True, "case.resolved")
    router.replay()


def test_an_explanation_may_come_first_and_the_end_later() -> None:
    router = Router(STAGED)
    case = complaint(router)
    holder(router, case)
    router.reply(case, then="waiting", explanation=True)
    assert types(router.act("case.resolve", case))[:1] == ["case.resolved"]


def test_an_explanation_that_never_arrives_was_none() -> None:
    router = Router(STAGED)
    case = complaint(router)
    holder(router, case)
    router.reply(case, then="resolved", explanation=True)
    seq = router.seq
    assert types(reported(router, case, seq, "sent")) == ["effect.reported"]
    made = reported(router, case, seq, "failed")
    assert (case.status, case.explanation) == ("open", None)
    assert made[1].data["reason"] == "explanation_undelivered"
    assert holder(router, case) == "a01", "first for whoever wrote it"
    assert router.act("case.resolve", case)[0].data["code"] == "explanation_missing"
    router.replay()


def test_who_complains_again_is_heard_by_somebody_who_never_had_it() -> None:
    router = Router(STAGED)
    case = complaint(router)
    first = holder(router, case)
    router.reply(case, then="resolved", explanation=True)
    router.contact("mail-2", conversation="mail-1", queue="complaints")
    assert (case.stage, case.queue, case.explanation) == (2, "reviews", None)
    second = holder(router, case)
    assert second != first
    assert router.act("case.resolve", case)[0].data["code"] == "explanation_missing"
    router.reply(case, then="waiting")
    router.contact("mail-3", conversation="mail-1", queue="complaints")
    assert (case.stage, holder(router, case)) == (2, second), (
        "the same stage goes on with whoever has it"
    )
    router.reply(case, then="resolved", explanation=True)
    router.contact("mail-4", conversation="mail-1", queue="complaints")
    assert (case.stage, case.queue) == (2, "reviews"), "there is no third"
    router.replay()


def test_thanks_begin_no_stage() -> None:
    router = Router(STAGED)
    case = complaint(router)
    first = holder(router, case)
    router.reply(case, then="resolved", explanation=True)
    router.contact("mail-2", conversation="mail-1", queue="general")
    assert (case.stage, case.queue, holder(router, case)) == (1, "complaints", first)
    assert router.act("case.resolve", case)[0].type == "case.resolved", "it was explained"


def test_nobody_who_had_it_gets_it_again_however_it_comes() -> None:
    router = Router(STAGED)
    case = complaint(router)
    first = holder(router, case)
    router.act("case.transfer", case, to_queue="reviews", **NOTE)
    second = holder(router, case)
    assert (case.stage, first != second, case.involved) == (2, True, [first])
    to_first = router.act("case.transfer", case, to_agent=first, **NOTE)[0]
    assert to_first.data == {"code": "not_independent", "params": {"agent_id": first, "stage": 2}}
    back = router.act("case.transfer", case, to_queue="complaints", **NOTE)[0]
    assert back.data == {"code": "stage_over", "params": {"queue": "complaints", "stage": 2}}
    router.act("case.transfer", case, to_queue="general", **NOTE)
    work = work_of(router, case)
    assert first in work.barred, "in any queue"
    for agent in ("a02", "a03", "a04"):
        router.send(
            "agent.presence",
            kind="agent",
            agent=agent,
            data={"presence": "offline", "mode": "return_work"},
        )
    router.wait(30 * 24 * 3_600_000)
    assert work_of(router, case).state == "queued", "rather nobody than whoever had it"
    router.replay()


def test_whoever_had_the_case_before_it_was_a_complaint_does_not_review_it() -> None:
    router = Router(STAGED)
    router.contact("mail-1", queue="general", requires={})
    case = router.case()
    before = holder(router, case)
    router.act("case.transfer", case, to_queue="reviews", **NOTE)
    assert (case.stage, case.involved) == (2, [before])
    assert holder(router, case) != before


def test_cases_that_become_one_are_at_the_later_stage_and_nobody_of_either_reviews_them() -> None:
    router = Router(STAGED)
    case = complaint(router)
    first = holder(router, case)
    router.act("case.transfer", case, to_queue="reviews", **NOTE)
    holder(router, case)
    router.contact("other", queue="general", requires={})
    other = router.case()
    holder(router, other)
    router.send("case.merge", kind="supervisor", case=case.id, data={"target": other.id})
    assert (case.status, other.stage, other.explanation) == ("merged", 2, None)
    assert first in other.involved
    router.replay()


def test_what_is_asked_about_a_complaint_is_none() -> None:
    router = Router(STAGED)
    case = complaint(router)
    holder(router, case)
    made = router.act("case.consult", case, **NOTE)
    question = router.pool().cases[made[0].case_id or ""]
    assert (question.queue, question.stage) == ("complaints", 0)


def test_without_stages_nothing_is_asked_for() -> None:
    router = Router()
    router.contact("mail-1")
    router.accept()
    assert router.act("case.resolve", router.case())[0].type == "case.resolved"


@pytest.mark.parametrize(("stages", "said"), [
    ("[complaints, nowhere]", "complaints names no queue: 'nowhere'"),
    ("[complaints, complaints]", "complaints names a stage twice"),
    ("[]", "at least 1"),
])  # fmt: skip
def test_stages_that_are_none_are_named(stages: str, said: str) -> None:
    text = STAGED.replace("[complaints, reviews]", stages)
    with pytest.raises(ConfigError, match=said):
        source.validate(Routing, source.parse("routing.yaml", text.encode()))


@pytest.mark.parametrize("stages", [["nowhere"], ["general"] * 6])
def test_a_policy_whose_stages_are_none_is_none(stages: list[str]) -> None:
    policy: dict[str, Any] = {
        "at": "x:1", "name": "support", "letter": "S", "complaints": {"stages": stages},
        "queues": [{"at": "x:2", "name": "general", "steps": [{"at": "x:3", "after_ms": 0, "tiers": [1]}]}],
    }  # fmt: skip
    with pytest.raises(ValueError, match="complaint"):
        decode(wire.encode(policy))
