"""Switches: a queue closed, a diversion, all hands; each with its reason and its end."""

from __future__ import annotations

from typing import Any

from router_harness import Router, types

from vaxel_router.core import step
from vaxel_shared.contracts import wire

MINUTE = 60_000


def switch(router: Router, name: str, *, minutes: int = 60, **data: Any) -> list[wire.Decision]:
    given = {"switch": name, "on": True, "reason": "drill"} | data
    if given["on"]:
        given.setdefault("until_ms", router.now_ms + minutes * MINUTE)
    return router.send("switch.set", kind="supervisor", data=given)


def test_a_closed_queue_keeps_work_in_its_place_until_it_opens_by_itself() -> None:
    router = Router()
    switch(router, "close", queue="billing", minutes=30)
    assert "offer.made" not in types(router.contact("mail-1"))
    router.wait(MINUTE)
    router.contact("mail-2")
    made = router.wait(29 * MINUTE)
    assert made[0].type == "switch.changed"
    assert made[0].cause == "timer:switch:close:billing"
    offered = [d.case_id for d in made if d.type == "offer.made"]
    first, second = router.pool().cases
    assert offered[:1] == [first]
    works = list(router.pool().works.values())
    assert [work.step for work in works] == [0, 0], "its steps rested"
    assert works[0].since_ms < works[1].since_ms
    assert offered == [first, second]
    router.replay()


def test_work_in_hand_and_open_offers_go_on_in_a_closed_queue() -> None:
    router = Router()
    router.contact("mail-1")
    switch(router, "close", queue="billing")
    assert types(router.accept()) == ["offer.ended", "work.assigned"]
    assert router.reply(router.case())[0].type == "case.replied"
    router.replay()


def test_a_closed_queue_offers_to_nobody_what_was_declined_meanwhile() -> None:
    router = Router()
    router.contact("mail-1")
    switch(router, "close", queue="billing", minutes=120)
    router.decline()
    assert router.wait(90 * MINUTE) != []
    assert not router.pool().offers
    opened = switch(router, "close", queue="billing", on=False)
    assert types(opened) == ["switch.changed", "offer.made"]


def test_a_diversion_moves_what_waits_and_what_comes_and_ends() -> None:
    router = Router()
    router.contact("mail-0", queue="general", requires={"languages": ["de"]})  # nobody speaks it
    made = switch(router, "divert", queue="general", value="billing", minutes=5)
    assert types(made) == ["switch.changed", "work.stepped"]
    assert made[1].data["queue"] == "billing"
    assert made[1].data["reason"] == "divert"
    (work,) = router.pool().works.values()
    assert work.queue == "billing"
    assert work.needs == {"billing": 1}
    queued = next(d for d in router.contact("mail-1", queue="general") if d.type == "work.queued")
    assert (queued.data["queue"], queued.data["home"]) == ("billing", "general")
    assert queued.data["detour"] == "divert"
    assert router.case().queue == "general", "its next work begins where it was meant to"
    router.wait(5 * MINUTE)
    queued = next(d for d in router.contact("mail-2", queue="general") if d.type == "work.queued")
    assert queued.data["queue"] == "general"
    router.replay()


def test_a_diversion_never_leads_back() -> None:
    router = Router()
    switch(router, "divert", queue="general", value="billing")
    switch(router, "divert", queue="billing", value="automatic")
    (refused,) = switch(router, "divert", queue="automatic", value="general")
    assert refused.data["code"] == "invalid_data"
    assert refused.data["params"]["cycle"] == ["automatic", "general", "billing", "automatic"]
    queued = next(d for d in router.contact("mail-1", queue="general") if d.type == "work.queued")
    assert queued.data["queue"] == "automatic"


def test_all_hands_waive_skills_and_open_every_tier_until_it_ends() -> None:
    router = Router()
    for name in ("mail-1", "mail-2"):
        router.contact(name)
        router.accept()
    router.contact("mail-3")
    assert not router.pool().offers, "the only one who knows bills is full"
    made = switch(router, "all_hands", queue="billing", minutes=10)
    assert types(made) == ["switch.changed", "work.stepped", "offer.made"]
    assert made[1].data["requires"]["skills"] == {}
    assert made[1].data["tiers"] == [1, 2, 3]
    assert made[2].agent_id == "a02"
    router.contact("mail-4", requires={"skills": {"magic": 9}, "languages": ["fi"]})
    assert router.offer().agent_id == "a02"
    router.decline()
    (waiting,) = [work for work in router.pool().works.values() if work.state == "queued"]
    assert waiting.needs == {}
    switch(router, "all_hands", queue="billing", on=False)
    assert waiting.needs == {"billing": 1, "magic": 9}
    assert waiting.tiers == [1]
    router.replay()


def test_a_switch_must_say_why_and_until_when() -> None:
    router = Router()
    for data in (
        {"reason": None},
        {"until_ms": None},
        {"until_ms": 1},
        {"until_ms": router.now_ms + 40 * 86_400_000},
    ):
        (refused,) = switch(router, "close", **({"queue": "billing"} | data))
        assert refused.data["code"] == "invalid_data", data
    (refused,) = switch(router, "close", queue="nowhere")
    assert refused.data["code"] == "unknown_queue"
    (refused,) = switch(router, "close", queue="billing", on=False)
    assert refused.data["code"] == "wrong_state"
    (refused,) = router.send(
        "switch.set", kind="agent", agent="a01", data={"switch": "close", "queue": "billing"}
    )
    assert refused.data["code"] == "not_allowed"


def test_what_a_switch_sets_off_goes_on_where_a_record_was_full() -> None:
    limit = step.DECISIONS_MAX
    step.DECISIONS_MAX = 3
    try:
        router = Router(restarts=True)
        for number in range(6):
            router.contact(f"mail-{number}", queue="general", requires={"languages": ["de"]})
        made = switch(router, "divert", queue="general", value="billing")
        moved = [d for d in made if d.type == "work.stepped"]
        assert len(moved) == 6
        assert {work.queue for work in router.pool().works.values()} == {"billing"}
        assert sum(d.data.get("reason") == "more_waits" for d in made) >= 2
        router.replay()
    finally:
        step.DECISIONS_MAX = limit
