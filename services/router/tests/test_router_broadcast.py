"""Work that is shown to several at once: the first to accept has it."""

from __future__ import annotations

from router_harness import ROSTER, ROUTING, Router, types

from vaxel_router.core.state import Offer
from vaxel_shared.contracts import wire

SHOWN = ROUTING.replace("- name: general", "- name: general\n        broadcast: 3")
FOUR = ROSTER.replace("{sv: 10", "{fi: 10").replace("present: false", "present: true")


def shown(routing: str = SHOWN, roster: str = FOUR) -> tuple[Router, dict[str, Offer]]:
    router = Router(routing, roster)
    router.contact("mail-1", queue="general")
    return router, {offer.agent_id: offer for offer in router.pool().offers.values()}


def ended(made: list[wire.Decision]) -> list[tuple[str | None, str, str | None]]:
    return [
        (d.agent_id, d.data["outcome"], d.data.get("reason"))
        for d in made
        if d.type == "offer.ended"
    ]


def test_the_first_to_accept_has_it_and_the_others_are_told() -> None:
    router, offers = shown()
    assert list(offers) == ["a01", "a02", "a03"], "the three best"
    made = router.decisions[-3:]
    assert made[0].data["explain"]["terms"]
    assert "terms" not in made[1].data["explain"], "of the best only"
    assert [one.data["attempt"] for one in made] == [1, 2, 3]
    made = router.accept(offers["a02"])
    assert types(made) == ["offer.ended", "offer.ended", "offer.ended", "work.assigned"]
    assert ended(made) == [
        ("a01", "withdrawn", "accepted_by_other"),
        ("a03", "withdrawn", "accepted_by_other"),
        ("a02", "accepted", None),
    ]
    assert router.pool().works[router.case().work_id or ""].agent_id == "a02"
    late = router.accept(offers["a01"])
    assert [(d.type, d.data["code"]) for d in late] == [("command.refused", "unknown_offer")]
    assert router.pool().agents["a01"].misses == 0
    router.replay()


def test_each_offer_holds_capacity_and_gives_it_back() -> None:
    router, offers = shown(roster=FOUR.replace("capacity: 2", "capacity: 1"))
    router.contact("mail-2")
    assert types(router.decisions)[-1] == "work.queued", "a01 and a03 have an offer each"
    made = router.accept(offers["a02"])
    assert types(made)[-1] == "offer.made"
    assert made[-1].agent_id == "a01"
    router.replay()


def test_it_waits_again_when_all_have_declined() -> None:
    router, offers = shown(roster=ROSTER.replace("{sv: 10", "{fi: 10"))
    work = router.pool().works[router.case().work_id or ""]
    made = router.decline(offers["a01"])
    assert made[0].data["still_open"] == 2
    assert types(made) == ["offer.ended"]
    assert work.state == "offered"
    router.decline(offers["a03"])
    made = router.decline(offers["a02"])
    assert "still_open" not in made[0].data
    assert work.state == "queued"
    assert list(work.barred) == ["a01", "a02", "a03"]
    router.replay()


def test_who_goes_or_misses_leaves_it_to_the_others() -> None:
    router, offers = shown()
    router.send("agent.presence", kind="agent", agent="a01", data={"presence": "away"})
    work = router.pool().works[router.case().work_id or ""]
    assert work.open_offers == [offers["a02"].id, offers["a03"].id]
    router.sent(offers["a02"])
    router.wait(offers["a03"].expires_ms - router.now_ms)
    assert work.state in ("offered", "queued")
    assert offers["a03"].id not in router.pool().offers
    router.replay()


def test_what_ends_the_work_ends_all_offers_and_whoever_had_them_gets_other_work() -> None:
    router, _ = shown(roster=FOUR.replace("capacity: 2", "capacity: 1"))
    for number in range(3):
        router.contact(f"more-{number}", queue="general")
    case = next(iter(router.pool().cases.values()))
    made = router.send("case.resolve", kind="supervisor", case=case.id)
    made += router.wait(0)
    assert [outcome for _, outcome, _ in ended(made)][:3] == ["withdrawn"] * 3
    waiting = [w for w in router.pool().works.values() if w.state == "queued"]
    assert waiting == [] or all(a.offers or a.works for a in router.pool().agents.values())
    assert "offer.made" in types(made)
    router.replay()


def test_a_customer_of_ones_own_is_shown_to_that_agent_alone() -> None:
    router, offers = shown()
    router.accept(offers["a02"])
    router.reply(router.case())
    router.wait(30_000)
    made = router.contact("mail-2", conversation="mail-1")
    assert [d.agent_id for d in made if d.type == "offer.made"] == ["a02"]


def test_a_supervisors_pick_takes_it_from_all_who_were_asked() -> None:
    router, _ = shown()
    made = router.send(
        "case.assign",
        kind="supervisor",
        case=router.case().id,
        data={"to_agent": "a04", "reason": "override"},
    )
    assert len(ended(made)) == 3
    assert router.pool().works[router.case().work_id or ""].agent_id == "a04"
    router.replay()
