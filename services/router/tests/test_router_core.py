"""One mail through the core: what is decided, and why."""

from __future__ import annotations

import pytest
from router_harness import ROSTER, ROUTING, START_MS, Router, types

from vaxel_router.core.numbers import is_valid


def test_first_contact_opens_a_case_and_is_offered_with_reasons() -> None:
    router = Router()
    made = router.contact("mail-1")
    assert types(made) == ["case.opened", "notice.due", "work.queued", "offer.made"]
    assert made[0].data["rule"] == {"id": "billing-words", "at": "routing.yaml:20"}
    assert is_valid(made[0].data["number"])
    offer = made[3]
    assert offer.agent_id == "a01"
    explain = offer.data["explain"]
    assert explain["candidates"] == 4
    assert explain["eligible"] == 1
    assert explain["by_code"] == {"not_in_tier": 2, "skill_missing": 1}
    assert {r["agent_id"] for r in explain["rejected"]} == {"a02", "a03", "a04"}
    assert explain["step"]["at"].startswith("routing.yaml:")
    router.replay()


def test_accept_reply_and_answer_come_back_to_the_same_agent() -> None:
    router = Router()
    router.contact("mail-1")
    assert types(router.accept()) == ["offer.ended", "work.assigned"]
    case = router.case()
    assert types(router.reply(case)) == ["case.replied", "case.waiting", "work.wrapping"]
    assert types(router.wait(30_000)) == ["work.closed"]
    made = router.contact("mail-2", conversation="mail-1")
    assert types(made) == ["case.reopened", "work.queued", "offer.made"]
    assert made[0].data["number"] == case.number
    assert made[2].agent_id == "a01"
    assert made[2].data["explain"]["terms"][0] == {"code": "sticky", "value": 1}
    router.replay()


def test_answer_during_wrap_up_reopens_at_once() -> None:
    router = Router()
    router.contact("mail-1")
    router.accept()
    router.reply(router.case())
    made = router.contact("mail-2", conversation="mail-1")
    assert types(made) == ["work.closed", "case.reopened", "work.queued", "offer.made"]
    router.replay()


def test_second_contact_joins_an_open_case() -> None:
    router = Router()
    router.contact("mail-1")
    assert types(router.contact("mail-2", conversation="mail-1")) == ["case.joined"]


def test_reply_that_crosses_a_new_message_is_refused() -> None:
    router = Router()
    router.contact("mail-1")
    router.accept()
    seen = router.case().last_contact_seq
    router.contact("mail-2", conversation="mail-1")
    made = router.reply(router.case(), expected_seq=seen)
    assert types(made) == ["command.refused"]
    assert made[0].data["code"] == "newer_message"
    fresh = router.reply(router.case(), expected_seq=router.case().last_contact_seq)
    assert types(fresh)[0] == "case.replied"


def test_the_same_command_twice_is_applied_once() -> None:
    router = Router()
    router.contact("mail-1")
    assert types(router.contact("mail-1")) == ["command.repeated"]
    assert len(router.pool().cases) == 1


def test_an_outage_however_long_makes_no_command_forgotten() -> None:
    router = Router()
    router.contact("mail-1")
    router.wait(30 * 86_400_000)
    assert types(router.contact("mail-1")) == ["command.repeated"]
    router.replay()


def test_the_ninth_day_before_the_present_one_is_forgotten() -> None:
    router = Router()
    router.contact("mail-1")
    for day in range(9):
        assert types(router.contact("mail-1")) == ["command.repeated"]
        router.wait(86_400_000)
        router.contact(f"of-day-{day}")
    assert types(router.contact("mail-1"))[0] != "command.repeated"


def test_contact_older_than_the_memory_is_a_repeat() -> None:
    router = Router()
    day_ms = 86_400_000
    old = router.now_ms
    router.contact("mail-1", src=[0, 7])
    for day in range(9):
        router.wait(day_ms)
        router.contact(f"of-day-{day}", src=[1, day])
    assert types(router.contact("mail-1", src=[0, 7], received_at_ms=old)) == ["command.repeated"]
    assert types(router.contact("mail-9", src=[0, 8], received_at_ms=old))[0] == "case.opened"


def test_decline_keeps_age_bars_the_agent_and_waits_for_the_next_step() -> None:
    router = Router()
    router.contact("mail-1")
    since = router.last("work.queued").data["since_ms"]
    assert types(router.decline()) == ["offer.ended"]
    made = router.wait(5 * 60_000)
    assert "work.escalated" in types(made)
    assert router.last("work.stepped").data["tiers"] == [1, 2]
    assert "offer.made" not in types(made), "a03 speaks no Finnish"
    made = router.wait(5 * 60_000)
    assert router.last("offer.made").agent_id == "a03", "English will do after ten minutes"
    assert router.pool().works[router.case().work_id or ""].since_ms == since
    router.replay()


def test_offer_never_reported_sent_ends_unseen_and_bars_nobody() -> None:
    router = Router()
    router.contact("mail-1")
    made = router.wait(600_000)
    ended = next(d for d in made if d.type == "offer.ended")
    assert ended.data["outcome"] == "unseen"
    assert "bar_until_ms" not in ended.data
    assert router.last("offer.made").agent_id == "a01"


def test_offer_that_was_sent_expires_after_its_limit_and_goes_on() -> None:
    router = Router()
    router.contact("mail-1", queue="general")
    first = router.offer()
    router.wait(5_000)
    router.sent(first)
    router.wait(595_000)
    assert first.id in router.pool().offers, "its limit counts from when it was sent"
    made = router.wait(5_000)
    assert [d.data.get("outcome") for d in made if d.type == "offer.ended"] == ["expired"]
    assert router.offer().agent_id != first.agent_id
    router.replay()


def test_undeliverable_offer_goes_to_the_next_agent() -> None:
    router = Router()
    router.contact("mail-1", queue="general")
    first = router.offer()
    made = router.send(
        "delivery.result",
        data={
            "effect_id": "e",
            "effect": "offer",
            "state": "failed",
            "code": "no_address",
            "offer_id": first.id,
        },
    )
    assert types(made) == ["effect.reported", "offer.ended", "offer.made"]
    assert made[2].agent_id != first.agent_id


def test_late_answer_after_an_outage_still_counts() -> None:
    """The answer stands before the deadline on the log, though it is folded an hour later."""
    router = Router()
    router.contact("mail-1")
    router.sent(router.offer())
    offer = router.offer()
    router.now_ms = offer.expires_ms - 1
    assert types(router.accept(offer)) == ["offer.ended", "work.assigned"]


def test_an_hours_outage_counts_as_nobodys_miss_and_sets_nobody_away() -> None:
    """Offers that were shown ran out while the router was away: no answer had a way to it."""
    strict = ROUTING.replace("bar_after_miss: 10m", "bar_after_miss: 10m, misses_before_away: 1")
    outcomes = []
    for away_ms in (600_000, 3_600_000):
        router = Router(strict)
        for name in ("mail-1", "mail-2"):
            router.contact(name, queue="general")
            for offer in list(router.pool().offers.values()):
                router.sent(offer)
        made = router.wait(away_ms)
        ended = [d for d in made if d.type == "offer.ended" and d.at_ms <= START_MS + 600_000]
        outcomes.append([d.data["outcome"] for d in ended])
        away = [a.id for a in router.pool().agents.values() if a.presence == "away"]
        assert bool(away) == (away_ms == 600_000)
        router.replay()
    assert outcomes == [["expired", "expired"], ["unseen", "unseen"]]


def test_freed_capacity_wakes_the_oldest_waiting_first() -> None:
    router = Router()
    for number in range(4):
        router.contact(f"mail-{number}")
    assert len(router.pool().offers) == 2
    waiting = [w.case_id for w in router.pool().works.values() if w.state == "queued"]
    first = next(iter(router.pool().offers.values()))
    router.accept(first)
    made = router.act(
        "case.resolve", router.pool().cases[router.pool().works[first.work_id].case_id]
    )
    assert types(made) == ["case.resolved", "work.wrapping"]
    made = router.wait(30_000)
    assert types(made) == ["work.closed", "offer.made"]
    assert made[1].case_id == waiting[0]
    router.replay()


def test_agent_away_waits_and_a_new_skill_in_the_roster_is_used_at_once() -> None:
    router = Router()
    router.send("agent.presence", kind="agent", agent="a01", data={"presence": "away"})
    assert types(router.contact("mail-1"))[-1] == "work.queued"
    made = router.roster(
        ROSTER.replace("skills: {technical: 5}", "skills: {technical: 5, billing: 2}")
    )
    assert types(made) == ["agent.changed", "offer.made", "roster.adopted"]
    assert made[1].agent_id == "a02"
    router.replay()


def test_away_withdraws_offers_and_returns_work_when_asked() -> None:
    router = Router()
    router.contact("mail-1", queue="general")
    router.accept()
    holder = router.pool().works[router.case().work_id or ""].agent_id
    router.contact("mail-2", queue="general", conversation="x")
    made = router.send(
        "agent.presence",
        kind="agent",
        agent=holder,
        data={"presence": "away", "mode": "return_work"},
    )
    assert types(made)[0] == "agent.changed"
    assert "work.closed" in types(made)
    assert router.pool().agents[holder or ""].works == []
    router.replay()


def test_sticky_case_does_not_wait_for_an_agent_who_is_away() -> None:
    router = Router()
    router.contact("mail-1", queue="general")
    router.accept()
    holder = router.case().last_agent
    router.reply(router.case())
    router.send("agent.presence", kind="agent", agent=holder, data={"presence": "away"})
    made = router.contact("mail-2", conversation="mail-1")
    assert types(made)[-1] == "offer.made"
    assert made[-1].agent_id != holder


def test_removed_agent_gives_everything_back() -> None:
    router = Router()
    router.contact("mail-1")
    router.accept()
    without = "\n".join(line for line in ROSTER.splitlines() if "a01" not in line)
    made = router.roster(without)
    assert "agent.removed" in types(made)
    work = router.pool().works[router.case().work_id or ""]
    assert work.state == "queued"
    router.replay()


def test_transfer_needs_a_note_and_keeps_the_age() -> None:
    router = Router()
    router.contact("mail-1", queue="general")
    router.accept()
    refused = router.act("case.transfer", router.case(), to_queue="billing")
    assert types(refused) == ["input.rejected"], "the contract itself demands the note"
    note = {"note_ref": "note/" + "0" * 64, "note_sha256": "0" * 64, "note_size": 2}
    router.wait(60_000)
    since = router.pool().works[router.case().work_id or ""].since_ms
    made = router.act("case.transfer", router.case(), to_queue="billing", **note)
    assert types(made)[:3] == ["case.noted", "work.closed", "work.queued"]
    assert made[2].data["since_ms"] == since
    assert made[2].data["queue"] == "billing"
    router.replay()


def test_escalation_by_request_goes_to_the_next_tier() -> None:
    router = Router()
    router.contact("mail-1", language="sv", requires={"skills": {}, "languages": ["fi", "sv"]})
    router.accept()
    made = router.act("case.escalate", router.case(), reason="needs approval")
    assert types(made) == ["work.closed", "work.queued", "work.escalated", "offer.made"]
    assert made[3].agent_id == "a03"
    router.replay()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"token": "0.0"}, "stale_token"),
        ({"agent": "a02"}, "not_owner"),
    ],
)
def test_wrong_answers_to_an_offer_are_refused(change: dict[str, str], code: str) -> None:
    router = Router()
    router.contact("mail-1")
    made = router.accept(**change)
    assert types(made) == ["command.refused"]
    assert made[0].data["code"] == code


def test_accepting_an_offer_that_ended_is_refused() -> None:
    router = Router()
    router.contact("mail-1")
    offer = router.offer()
    router.accept(offer)
    made = router.accept(offer)
    assert made[0].data["code"] == "unknown_offer"


def test_supervisor_override_is_a_typed_event_above_capacity() -> None:
    router = Router()
    router.send("agent.presence", kind="agent", agent="a01", data={"presence": "away"})
    for number in range(3):
        router.contact(f"mail-{number}")
    router.overridden = {"a04"}
    for case in list(router.pool().cases.values()):
        made = router.send(
            "case.assign",
            kind="supervisor",
            case=case.id,
            data={"to_agent": "a04", "reason": "knows them"},
        )
        assert made[-1].data["via"] == "override"
    assert len(router.pool().agents["a04"].works) == 3
    router.replay()


def test_resolved_case_reopens_within_the_time_and_links_after_it() -> None:
    router = Router()
    router.contact("mail-1")
    router.accept()
    router.act("case.resolve", router.case())
    number = router.case().number
    made = router.contact("mail-2", conversation="mail-1")
    assert "case.reopened" in types(made)
    router.accept()
    router.act("case.resolve", router.case())
    first = router.case().id
    made = router.wait(15 * 86_400_000)
    assert "case.closed" in types(made)
    made = router.contact("mail-3", conversation="mail-1")
    assert made[0].type == "case.opened"
    assert made[0].data["number"] != number
    assert made[0].data["linked_case_id"] == first
    router.replay()


def test_automatic_mail_is_queued_without_a_notice() -> None:
    router = Router()
    assert "notice.due" not in types(router.contact("m1", automatic=True))
    assert "notice.due" not in types(router.contact("m2", no_auto_response=True))
    assert "notice.due" not in types(router.contact("m3", queue="automatic"))


def test_contact_before_any_policy_waits_and_is_caught_up() -> None:
    router = Router(publish=False)
    made = router.contact("mail-1")
    assert types(made)[-1] == "work.queued"
    router.roster(ROSTER)
    made = router.publish(ROUTING)
    assert types(made) == ["policy.adopted", "work.stepped", "offer.made"]
    router.replay()


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff", b'{"id": 1}', b"[]"])
def test_unreadable_input_is_rejected_and_nothing_else_happens(value: bytes) -> None:
    router = Router()
    made = router.feed(value)
    assert types(made) == ["input.rejected"]


def test_unknown_command_is_refused() -> None:
    made = Router().send("case.unheard", data={"target": "x"})
    assert made[0].data == {"code": "not_supported", "params": {"type": "case.unheard"}}


def test_large_roster_goes_on_over_several_records() -> None:
    agents = "\n".join(
        f"  - {{id: b{n:04d}, name: N, email: b{n}@agents.example, pool: support, languages: {{fi: 5}}, present: true}}"
        for n in range(1_200)
    )
    router = Router()
    before = len(router.records)
    made = router.roster("agents:\n" + agents)
    assert len(router.records) - before >= 3
    assert made[-1].type == "roster.adopted"
    assert len(router.pool().agents) == 1_200
    assert types(router.feed(router.work[-1].value)) == ["command.repeated"]
    router.replay()


def test_the_priority_that_triage_found_is_the_works() -> None:
    """Triage has put the queue's priority in where no rule said another: it counts once."""
    router = Router(
        routing=ROUTING.replace("- name: billing\n", "- name: billing\n        priority: 5\n")
    )
    router.contact("mail-1", priority=5)
    assert router.last("work.queued").data["priority"] == 5
