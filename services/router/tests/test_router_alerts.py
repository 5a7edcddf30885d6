"""A clock's alert raises work, once, and takes nothing out of anybody's hands."""

from __future__ import annotations

from typing import Any

from router_harness import Router, types


def alert(router: Router, stage: str = "warning", **wants: Any) -> list[Any]:
    data = {"clock": "first_response", "cycle": 1, "stage": stage, "due_ms": router.now_ms, **wants}
    return router.send("sla.alert", case=router.case().id, data=data)


def test_waiting_work_moves_up_a_tier_and_is_offered_there() -> None:
    router = Router()
    router.send("agent.presence", kind="agent", agent="a01", data={"presence": "away"})
    router.contact("mail-1", requires={"skills": {}, "languages": ["sv", "fi"]})
    made = alert(router, "breach", tier_at_least=2)
    assert types(made) == ["work.escalated", "offer.made"]
    assert (made[0].data["reason"], made[0].data["to_tiers"]) == ("sla_breach", [2])
    assert made[1].agent_id == "a03"
    router.replay()


def test_a_raised_priority_passes_older_work_and_stays_with_the_case() -> None:
    router = Router()
    for number in range(4):
        router.contact(f"mail-{number}")
    last = router.case()
    assert last.work_id is not None
    alert(router, priority_at_least=50)
    assert router.world.waiting(router.pool())[0].id == last.work_id
    assert last.priority == 50
    router.replay()


def test_work_in_hand_is_raised_visibly_and_stays_in_that_hand() -> None:
    router = Router()
    router.contact("mail-1")
    router.accept()
    holder = router.pool().works[router.case().work_id or ""].agent_id
    made = alert(router, "breach", tier_at_least=3, priority_at_least=9)
    assert types(made) == ["work.escalated"]
    work = router.pool().works[router.case().work_id or ""]
    assert (work.agent_id, work.priority, work.floor) == (holder, 9, 3)
    router.replay()


def test_an_alert_for_a_case_that_nobody_works_on_changes_nothing() -> None:
    router = Router()
    router.contact("mail-1")
    router.accept()
    router.act("case.resolve", router.case())
    router.wait(30_000)
    assert types(alert(router, tier_at_least=2)) == ["command.refused"]
    assert types(alert(router, retracted=True)) == ["command.refused"]


def test_alerts_end_at_a_limit() -> None:
    router = Router()
    router.contact("mail-1")
    for _ in range(6):
        assert types(alert(router, priority_at_least=5))[0] == "work.escalated"
    made = alert(router, priority_at_least=6)
    assert made[0].data["code"] == "not_allowed"
