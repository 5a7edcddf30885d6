"""Work that rests, begins later, or is too much: suspended, scheduled, called back, refused."""

from __future__ import annotations

from typing import Any

from router_harness import ROUTING, START_MS, Router, types

from vaxel_shared.contracts import wire

MINUTE = 60_000


def suspend(router: Router, **data: Any) -> list[wire.Decision]:
    return router.send("case.suspend", kind="supervisor", case=router.case().id, data=data)


def resume(router: Router) -> list[wire.Decision]:
    return router.send("case.resume", kind="supervisor", case=router.case().id)


def test_suspended_work_is_offered_to_nobody_and_keeps_its_place_and_its_steps() -> None:
    router = Router()
    router.contact("mail-1")
    made = suspend(router, until_ms=router.now_ms + 30 * MINUTE, reason="vendor")
    assert types(made) == ["offer.ended", "work.suspended"]
    (work,) = router.pool().works.values()
    assert router.wait(30 * MINUTE - 1) == [], "no step passes meanwhile"
    router.contact("mail-2")
    router.decline()
    made = router.wait(1)
    assert types(made) == ["work.resumed", "offer.made"]
    assert made[0].cause == f"timer:resume:{work.id}"
    assert made[1].work_id == work.id
    assert (work.since_ms, work.step) == (START_MS, 0)
    router.replay()


def test_it_is_resumed_by_hand_and_only_what_waits_can_be_suspended() -> None:
    router = Router()
    router.contact("mail-1")
    assert resume(router)[0].data["code"] == "wrong_state"
    suspend(router)
    assert suspend(router)[0].data["code"] == "wrong_state"
    router.wait(90 * MINUTE)
    assert not router.pool().offers
    assert "offer.made" in types(resume(router))
    router.accept()
    assert suspend(router)[0].data["code"] == "wrong_state"
    (refused,) = router.act("case.suspend", router.case())
    assert refused.data["code"] == "not_allowed"
    router.replay()


def test_suspended_work_can_be_assigned_transferred_and_ended() -> None:
    for type_, data in (
        ("case.assign", {"to_agent": "a02", "reason": "knows"}),
        ("case.resolve", {}),
        ("case.wait", {"waits_for": "customer"}),
    ):
        router = Router()
        router.contact("mail-1")
        suspend(router, until_ms=router.now_ms + 30 * MINUTE)
        made = router.send(type_, kind="supervisor", case=router.case().id, data=data)
        assert "command.refused" not in types(made), type_
        router.wait(60 * MINUTE)
        router.replay()


def test_a_contact_may_begin_in_the_future_and_is_as_old_as_its_beginning() -> None:
    router = Router()
    made = router.contact("mail-1", begin_ms=router.now_ms + 60 * MINUTE)
    assert types(made) == ["case.opened", "notice.due", "case.waiting"]
    assert made[2].data["reason"] == "scheduled"
    router.wait(30 * MINUTE)
    router.contact("mail-2")
    made = router.wait(30 * MINUTE)
    begun = [d for d in made if d.type == "work.queued"]
    assert [d.data["since_ms"] for d in begun] == [START_MS + 60 * MINUTE]
    assert begun[0].data["reason"] == "woken"
    router.replay()


def test_a_callback_goes_to_the_queue_that_was_named_when_its_time_comes() -> None:
    router = Router()
    router.contact("mail-1")
    router.accept()
    case, wake_ms = router.case(), router.now_ms + 60 * MINUTE
    for queue in ("nowhere", 7):
        (refused,) = router.act(
            "case.wait", case, waits_for="customer", wake_ms=wake_ms, queue=queue
        )
        assert refused.type in ("command.refused", "input.rejected")
    router.act("case.wait", case, waits_for="customer", wake_ms=wake_ms, queue="general")
    made = router.wait(60 * MINUTE)
    queued = next(d for d in made if d.type == "work.queued")
    assert (queued.data["queue"], queued.data["reason"]) == ("general", "woken")
    router.replay()


def test_a_pool_takes_so_many_cases_and_so_much_waiting_work_and_no_more() -> None:
    for limits, fit in (("{cases: 2}", 2), ("{waiting: 1}", 1)):
        router = Router(ROUTING.replace("wrap_up: 30s", f"limits: {limits}"))
        for number in range(fit):
            made = router.contact(f"mail-{number}", requires={"languages": ["xx"]})
            assert "work.queued" in types(made)
        made = router.contact("more")
        assert types(made) == ["case.opened", "notice.due", "case.resolved"]
        assert made[1].data["kind"] == "full"
        router.replay()
