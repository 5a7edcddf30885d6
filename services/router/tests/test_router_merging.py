"""Cases become one, and two again: both numbers live, messages find their way, nothing is lost."""

from __future__ import annotations

from typing import Any

from router_harness import Router, types

from vaxel_router.core.state import Case
from vaxel_shared.contracts import wire


def two(router: Router) -> tuple[Case, Case]:
    router.contact("mail-1")
    router.contact("mail-2", queue="general")
    first, second = router.pool().cases.values()
    return first, second


def ask(router: Router, type_: str, case: Case, target: Case, **by: Any) -> list[wire.Decision]:
    by.setdefault("kind", "supervisor")
    return router.send(type_, case=case.id, data={"target": target.id}, **by)


def test_a_case_that_went_into_another_is_found_under_both_numbers() -> None:
    router = Router()
    first, second = two(router)
    made = ask(router, "case.merge", second, first)
    assert types(made)[:3] == ["offer.ended", "work.closed", "case.merged"]
    assert made[2].data["into_number"] == first.number
    assert (second.status, second.work_id) == ("merged", None)
    joined = router.contact("mail-3", conversation="mail-2")
    assert (joined[0].type, joined[0].case_id) == ("case.joined", first.id)
    router.accept(next(o for o in router.pool().offers.values()))
    work = router.pool().works[first.work_id or ""]
    body = {"body_ref": "body/" + "0" * 64, "body_sha256": "0" * 64, "body_size": 3}
    by = {"kind": "agent", "agent": work.agent_id, "token": work.token}
    made = router.send("case.reply", case=second.id, data=body, **by)
    assert (made[0].type, made[0].case_id) == ("case.replied", first.id)
    assert made[0].data["conversation_key"].endswith("mail-1"), "the other case's own"
    router.replay()


def test_what_became_one_is_two_again_with_the_conversations_of_each() -> None:
    router = Router()
    first, second = two(router)
    ask(router, "case.merge", second, first)
    made = ask(router, "case.split", first, second)
    assert types(made)[:2] == ["case.split", "work.queued"]
    assert made[1].data["since_ms"] == second.opened_ms
    assert (second.status, first.merged) == ("open", [])
    for name, case in (("mail-1", first), ("mail-2", second)):
        joined = router.contact(f"{name}-again", conversation=name)
        assert (joined[0].type, joined[0].case_id) == ("case.joined", case.id)
    assert ask(router, "case.split", first, second)[0].data["code"] == "unknown_case"
    router.replay()


def test_cases_that_became_one_are_closed_together() -> None:
    router = Router()
    first, second = two(router)
    router.contact("mail-3")
    third = router.case()
    ask(router, "case.merge", third, second)
    ask(router, "case.merge", second, first)
    router.send("case.resolve", kind="supervisor", case=third.id)
    assert first.status == "resolved", "asked of the third, done to the one that lives"
    router.wait(15 * 86_400_000)
    closed = [d.case_id for d in router.decisions if d.type == "case.closed"]
    assert closed == [third.id, second.id, first.id]
    assert not router.pool().cases
    router.replay()


def test_a_case_takes_along_that_nobody_answered_it_until_somebody_does() -> None:
    router = Router()
    first, second = two(router)
    made = ask(router, "case.merge", second, first)
    merged = next(d for d in made if d.type == "case.merged")
    assert merged.data["waiting_since_ms"] == second.contact_ms is not None
    assert "answered" not in ask(router, "case.split", first, second)[0].data
    ask(router, "case.merge", second, first)
    body = {"body_ref": "body/" + "0" * 64, "body_sha256": "0" * 64, "body_size": 3}
    router.send("case.reply", kind="supervisor", case=second.id, data=body)
    assert ask(router, "case.split", first, second)[0].data["answered"] is True
    made = ask(router, "case.merge", second, first)
    assert "waiting_since_ms" not in next(d for d in made if d.type == "case.merged").data
    router.replay()


def test_who_may_merge_what_and_into_what() -> None:
    router = Router()
    first, second = two(router)
    assert ask(router, "case.merge", first, first)[0].data["code"] == "invalid_data"
    router.accept(next(o for o in router.pool().offers.values() if o.agent_id == "a01"))
    work = router.pool().works[first.work_id or ""]
    other = ask(router, "case.merge", second, first, kind="agent", agent="a01", token=work.token)
    assert other[0].data["code"] == "not_owner"
    router.send("case.resolve", kind="supervisor", case=second.id)
    assert ask(router, "case.merge", first, second)[0].data["code"] == "wrong_state"
    mine = ask(router, "case.merge", first, second, kind="agent", agent="a01", token=work.token)
    assert mine[0].data["code"] == "wrong_state"
    ask(router, "case.merge", second, first)
    assert second.status == "merged"
    assert ask(router, "case.merge", second, first)[0].data["code"] == "invalid_data"
    router.replay()
