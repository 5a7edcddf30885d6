"""Coming and going: connections that break, channels one by one, names of one's own, open offers."""

from __future__ import annotations

from typing import Any

import pytest
from router_harness import ROSTER, ROUTING, Router, types

from vaxel_shared.contracts import wire

GRACE = ROUTING.replace(
    "    wrap_up: 30s\n",
    "    presence: {grace: 1m, after_grace: return_work, names: "
    "{lunch: {presence: away, mode: keep_no_new}, home: {presence: offline, mode: return_work}}}\n",
)
BOTH = ROSTER.replace("{email: {cost: 1, max: 2}}", "{email: {cost: 1, max: 2}, chat: {max: 2}}")


def be(router: Router, agent: str, presence: str = "available", **data: Any) -> list[wire.Decision]:
    return router.send(
        "agent.presence", kind="agent", agent=agent, data={"presence": presence, **data}
    )


def busy(routing: str = GRACE) -> Router:
    """a01 has one mail in hand and another offered; one more waits for the next."""
    router = Router(routing)
    router.contact("mail-1")
    router.accept()
    router.contact("mail-2")
    return router


def test_a_connection_that_flaps_does_no_harm() -> None:
    router = busy()
    idle, held = router.pool().agents["a01"].idle_since_ms, router.pool().agents["a01"].works[0]
    offer = router.offer()
    for _ in range(5):
        made = be(router, "a01", "offline", lost=True)
        assert types(made) == ["agent.changed"], "nothing is taken"
        assert made[0].data["grace_ms"] == router.now_ms + 60_000
        assert types(router.contact(f"more-{router.now_ms}"))[-1] == "work.queued", "nothing new"
        router.wait(59_000)
        made = be(router, "a01")
        assert types(made)[0] == "agent.changed"
    agent = router.pool().agents["a01"]
    assert agent.works == [held]
    assert offer.id in agent.offers
    assert agent.misses == 0
    assert agent.idle_since_ms >= idle
    assert agent.grace_ms is None
    router.replay()


def test_who_is_not_back_within_the_grace_gives_all_back() -> None:
    router = busy()
    be(router, "a01", "offline", lost=True)
    router.wait(30_000)
    assert types(be(router, "a01", "offline", lost=True)) == ["agent.changed"]
    made = router.wait(30_000)
    assert "offer.ended" in types(made), "the first loss counts"
    assert types(made).count("work.closed") == 1
    assert router.pool().agents["a01"].works == []
    assert router.pool().agents["a01"].offers == []
    assert [d.data["reason"] for d in made if d.type == "work.queued"] == ["agent_lost"]
    router.replay()


@pytest.mark.parametrize("after", ["keep", "keep_no_new"])
def test_after_the_grace_work_may_be_kept(after: str) -> None:
    router = busy(GRACE.replace("after_grace: return_work", f"after_grace: {after}"))
    be(router, "a01", "offline", lost=True)
    router.wait(60_000)
    assert len(router.pool().agents["a01"].works) == 1
    assert router.pool().agents["a01"].offers == []
    router.replay()


def test_without_a_grace_a_lost_connection_is_an_absence() -> None:
    router = busy(GRACE.replace("grace: 1m", "grace: 0s"))
    made = be(router, "a01", "offline", lost=True)
    assert {"offer.ended", "work.closed"} <= set(types(made))
    router.replay()


def test_a_customer_is_kept_for_whoever_lost_the_connection_a_moment_ago() -> None:
    router = Router(GRACE, ROSTER.replace("skills: {technical: 5}", "skills: {billing: 5}"))
    router.contact("mail-1")
    router.accept()
    owner = router.pool().works[router.case().work_id or ""].agent_id
    router.reply(router.case())
    router.wait(30_000)
    assert owner is not None
    be(router, owner, "offline", lost=True)
    assert types(router.contact("mail-2", conversation="mail-1"))[-1] == "work.queued"
    assert types(be(router, owner)) == ["agent.changed", "offer.made"]
    router.decline()
    be(router, owner, "offline", lost=True)
    router.contact("mail-3")
    router.wait(60_000)
    assert all(offer.agent_id != owner for offer in router.pool().offers.values())
    router.replay()


def test_an_offer_that_runs_out_while_the_connection_is_lost_is_nobodys_miss() -> None:
    router = Router(GRACE.replace("grace: 1m", "grace: 30m"))
    router.contact("mail-1")
    router.sent(router.offer())
    be(router, "a01", "offline", lost=True)
    made = router.wait(600_000)
    ended = next(d for d in made if d.type == "offer.ended")
    assert (ended.data["outcome"], ended.data["reason"]) == ("unseen", "connection_lost")
    assert router.pool().agents["a01"].misses == 0


def test_who_is_known_to_be_there_only_for_a_time_is_lost_after_it() -> None:
    router = Router(GRACE)
    be(router, "a01", until_ms=router.now_ms + 10_000)
    router.wait(5_000)
    be(router, "a01", until_ms=router.now_ms + 10_000)
    router.wait(9_000)
    assert router.pool().agents["a01"].presence == "available"
    router.wait(1_000)
    assert router.pool().agents["a01"].standing == "lost"
    router.wait(60_000)
    assert router.pool().agents["a01"].standing == "offline"
    router.replay()


def test_away_on_one_channel_leaves_the_others() -> None:
    router = Router(GRACE, BOTH)
    router.contact("chat-1", channel="chat")
    router.accept()
    router.contact("chat-2", channel="chat")
    router.contact("mail-1")
    made = be(router, "a01", "away", channels=["chat"], mode="return_work")
    assert [d.data.get("reason") for d in made if d.type == "offer.ended"] == ["channel_off"]
    assert types(made).count("work.closed") == 1, "the chat in hand goes back, the mail stays"
    explain = router.pool().agents["a01"]
    assert (explain.presence, explain.closed) == ("available", {"chat": 0})
    assert [router.pool().offers[o].channel for o in explain.offers] == ["email"]
    assert types(router.contact("mail-2"))[-1] == "offer.made"
    made = be(router, "a01", "available", channels=["chat"])
    assert types(made).count("offer.made") == 0, "mail took the room meanwhile"
    router.replay()


def test_a_channel_comes_back_by_itself() -> None:
    router = Router(GRACE, BOTH)
    be(router, "a01", "away", channels=["chat"], until_ms=router.now_ms + 600_000)
    router.contact("chat-1", channel="chat")
    assert not router.pool().offers
    made = router.wait(600_000)
    assert router.last("offer.made").agent_id == "a01"
    assert router.pool().agents["a01"].closed == {}
    assert "offer.made" in types(made)
    router.replay()


@pytest.mark.parametrize("channels", [[], ["voice"]])
def test_presence_of_channels_that_an_agent_has_not_is_refused(channels: list[str]) -> None:
    router = Router(GRACE)
    made = be(router, "a01", "away", channels=channels)
    assert [(d.type, d.data["code"]) for d in made] == [("command.refused", "invalid_data")]


def test_presences_have_names_of_ones_own() -> None:
    router = busy()
    made = be(router, "a01", "available", name="lunch")
    assert (made[0].data["presence"], made[0].data["mode"]) == ("away", "keep_no_new")
    assert router.pool().agents["a01"].name == "lunch"
    assert len(router.pool().agents["a01"].works) == 1
    be(router, "a01", "available", name="home")
    assert router.pool().agents["a01"].works == []
    assert be(router, "a01", name="holiday")[0].data["code"] == "unknown_presence"
    be(router, "a01")
    assert router.pool().agents["a01"].name is None
    router.replay()


def test_so_many_offers_are_open_at_once_and_no_more() -> None:
    few = ROSTER.replace("present: true}", "present: true, max_offers: 1}")
    router = Router(ROUTING, few)
    router.contact("mail-1")
    made = router.contact("mail-2")
    assert types(made)[-1] == "work.queued"
    made = router.accept()
    assert types(made) == ["offer.ended", "work.assigned", "offer.made"], "at once, as accepted"
    assert len(router.pool().agents["a01"].offers) == 1
    router.replay()


@pytest.mark.parametrize("who", ["queue", "agent"])
def test_work_is_taken_without_being_asked(who: str) -> None:
    routing = ROUTING.replace(
        "skills: {billing: 1}", "skills: {billing: 1}\n        auto_accept: true"
    )
    roster = ROSTER.replace("present: true}", "present: true, auto_accept: [email]}")
    router = Router(routing if who == "queue" else ROUTING, roster if who == "agent" else ROSTER)
    for name in ("mail-1", "mail-2", "mail-3"):
        made = router.contact(name)
    assert types(made)[-1] == "work.queued", "never beyond capacity"
    assigned = [d for d in router.decisions if d.type == "work.assigned"]
    assert [(d.agent_id, d.data["via"]) for d in assigned] == [("a01", "auto"), ("a01", "auto")]
    assert assigned[0].data["explain"]["eligible"] == 1
    assert not router.pool().offers
    case = router.pool().cases[assigned[0].case_id or ""]
    assert types(router.reply(case))[0] == "case.replied"
    router.wait(30_000)
    assert len(router.pool().agents["a01"].works) == 2, "freed capacity is used at once"
    router.replay()


def test_a_decline_says_when_to_ask_again() -> None:
    router = Router()
    router.contact("mail-1")
    offer = router.offer()

    def decline(at_ms: int) -> list[wire.Decision]:
        return router.send(
            "offer.decline", kind="agent", agent="a01", token=offer.token,
            data={"offer_id": offer.id, "retry_at_ms": at_ms},
        )  # fmt: skip

    for wrong_ms in (router.now_ms, router.now_ms - 1, router.now_ms + 31 * 86_400_000):
        assert decline(wrong_ms)[0].data["code"] == "invalid_data"
    made = decline(router.now_ms + 120_000)
    assert made[0].data["bar_until_ms"] == router.now_ms + 120_000
    assert router.wait(119_999) == []
    assert router.wait(1)[-1].type == "offer.made"
    assert router.offer().agent_id == "a01"
    router.replay()
