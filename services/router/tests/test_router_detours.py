"""Where work goes when its queue can't have it: overflow, limits, steps skipped, how long it takes."""

from __future__ import annotations

from typing import Any

from router_harness import Router, types

from vaxel_router.core import views, waits
from vaxel_router.core.of_queues import Pace
from vaxel_shared.contracts import wire

MINUTE = 60_000


def routing(billing: str = "", general: str = "", steps: str | None = None) -> str:
    steps = steps or "[{after: 0s, tiers: [1]}, {after: 30m, tiers: [1, 2]}]"
    return f"""
pools:
  - name: support
    letter: S
    offer: {{limit: 10m}}
    queues:
      - name: billing
        skills: {{billing: 1}}
        steps: {steps}
        {billing}
      - name: general
        steps: [{{after: 0s, tiers: [1, 2, 3]}}]
        {general}
      - name: automatic
        automatic: true
        steps: [{{after: 0s, tiers: [1, 2, 3]}}]
"""


NOBODY = {"languages": ["xx"]}
"""Waits: nobody speaks it."""


def queued(made: list[wire.Decision]) -> dict[str, Any]:
    return next(d.data for d in made if d.type == "work.queued")


def waiting(router: Router, queue: str) -> list[str]:
    return [w.id for w in router.pool().works.values() if w.queue == queue and w.state == "queued"]


def test_what_waits_too_long_goes_to_another_queue_with_its_age() -> None:
    router = Router(routing("overflow: [{after: 20m, to: general}]"))
    router.contact("mail-1", requires=NOBODY)
    (work,) = router.pool().works.values()
    began = work.since_ms
    assert router.wait(20 * MINUTE - 1) == []
    (made,) = router.wait(1)
    assert (made.type, made.data["reason"], made.data["queue"]) == (
        "work.stepped", "overflow", "general",
    )  # fmt: skip
    assert made.cause == f"timer:step:{work.id}"
    assert (work.queue, work.since_ms, work.clock_ms) == ("general", began, router.now_ms)
    assert work.needs == {}, "the other queue asks for no skill"
    assert router.case().queue == "billing", "the case is at home where it was"
    router.replay()


def test_before_work_is_lent_the_other_queue_is_looked_at_again_and_again() -> None:
    rule = "{after: 5m, every: 5m, to: general, if_there: {waiting_below: 1}}"
    router = Router(routing(f"overflow: [{rule}]"))
    router.contact("busy", queue="general", requires=NOBODY)
    router.contact("mail-1", requires=NOBODY)
    router.wait(12 * MINUTE)
    assert len(waiting(router, "billing")) == 1
    busy = next(case for case in router.pool().cases.values() if case.queue == "general")
    router.send("case.resolve", kind="supervisor", case=busy.id)
    router.wait(2 * MINUTE)
    assert len(waiting(router, "billing")) == 1, "not before it is looked at"
    router.wait(MINUTE)
    assert len(waiting(router, "general")) == 1
    router.replay()


def test_work_goes_only_where_somebody_is_there_for_it() -> None:
    router = Router(
        routing("overflow: [{after: 5m, every: 1m, to: general, if_there: {staffed: true}}]")
    )
    for name in ("a01", "a02"):
        router.send("agent.presence", agent=name, data={"presence": "away"})
    router.contact("mail-1")
    router.wait(10 * MINUTE)
    assert len(waiting(router, "billing")) == 1
    router.send("agent.presence", agent="a02", data={"presence": "available"})
    made = router.wait(MINUTE)
    assert types(made) == ["work.stepped", "offer.made"]
    assert made[1].agent_id == "a02"
    router.replay()


def test_a_full_queue_sends_what_comes_to_another_and_what_waits_stays() -> None:
    router = Router(routing("limit: {waiting: 2, to: general}"))
    for number in range(2):
        assert queued(router.contact(f"mail-{number}", requires=NOBODY))["queue"] == "billing"
    third = queued(router.contact("mail-2", requires=NOBODY))
    assert (third["queue"], third["home"], third["detour"]) == ("general", "billing", "full")
    assert len(waiting(router, "billing")) == 2
    router.replay()


def test_a_full_queue_that_refuses_says_so_and_takes_whoever_insists() -> None:
    router = Router(routing("limit: {waiting: 1, refuse: true}"))
    router.contact("mail-1", requires=NOBODY)
    made = router.contact("mail-2")
    assert types(made) == ["case.opened", "notice.due", "case.resolved"]
    assert made[1].data["kind"] == "full"
    assert made[2].data["reason"] == "queue_full"
    again = router.contact("mail-3", conversation="mail-2")
    assert types(again)[:2] == ["case.reopened", "work.queued"]
    unanswerable = router.contact("mail-4", automatic=True)
    assert "work.queued" in types(unanswerable), "whom nothing may be said to is never refused"
    router.replay()


def test_two_full_queues_keep_what_came_to_them() -> None:
    router = Router(routing("limit: {waiting: 1, to: general}", "limit: {waiting: 1, to: billing}"))
    for number, queue in enumerate(("billing", "general", "billing", "general")):
        router.contact(f"mail-{number}", queue=queue, requires=NOBODY)
    assert len(waiting(router, "billing")) == len(waiting(router, "general")) == 2


def test_work_is_moved_by_waiting_so_often_and_no_more() -> None:
    router = Router(
        routing("overflow: [{after: 5m, to: general}]", "overflow: [{after: 5m, to: billing}]")
    )
    router.contact("mail-1", requires=NOBODY)
    made = router.wait(120 * MINUTE)
    assert sum(d.data.get("queue") is not None for d in made) == 6
    router.replay()


def test_a_step_is_skipped_where_nobody_is_there() -> None:
    steps = (
        "[{after: 0s, tiers: [1], skip_if_unstaffed: true}, "
        "{after: 30m, tiers: [1, 2], skip_if_unstaffed: true}, {after: 60m, tiers: [1, 2, 3]}]"
    )
    router = Router(routing(steps=steps))
    router.send("agent.presence", agent="a01", data={"presence": "away"})
    asked = {"languages": ["en"]}
    made = router.contact("mail-1", requires=asked)
    assert (queued(made)["step"], queued(made)["ahead_ms"]) == (1, 30 * MINUTE)
    assert router.offer().agent_id == "a03", "in tier 2, at once"
    router.send("agent.presence", agent="a03", data={"presence": "away"})
    assert queued(router.contact("mail-2", requires=asked))["step"] == 2
    router.send("agent.presence", agent="a01", data={"presence": "available"})
    third = queued(router.contact("mail-3", requires=asked))
    assert third["step"] == 0
    assert "ahead_ms" not in third
    router.replay()


def test_a_skipped_step_brings_the_later_ones_forward() -> None:
    steps = (
        "[{after: 0s, tiers: [1], skip_if_unstaffed: true}, {after: 30m, tiers: [2]},"
        " {after: 40m, tiers: [3]}]"
    )
    router = Router(routing(steps=steps))
    router.send("agent.presence", agent="a01", data={"presence": "away"})
    router.contact("mail-1", requires=NOBODY | {"skills": {}})
    (work,) = router.pool().works.values()
    assert work.step == 1
    router.wait(10 * MINUTE)
    assert work.step == 2
    router.replay()


def test_how_long_it_takes_is_the_place_times_the_pace_of_the_queue() -> None:
    assert waits.expected_ms(None, 1, 0) is None
    pace = None
    for at in (0, 60_000, 120_000):
        pace = waits.taken(pace, 0, at)
    assert waits.expected_ms(pace, 1, 120_000) is None, "two gaps are too few"
    pace = waits.taken(pace, 0, 210_000)
    assert pace == Pace(210_000, [60_000, 60_000, 90_000])
    assert waits.expected_ms(pace, 4, 215_000) == 4 * 70_000
    late = waits.taken(pace, 400_000, 500_000)
    assert late.gaps_ms == pace.gaps_ms, "nothing waited in between: that is no pace"
    assert waits.expected_ms(pace, 1, 210_000 + 310_000) == (210_000 + 310_000) // 4, "it grows"


def serve(router: Router, count: int) -> None:
    """So many are served, one every five minutes."""
    for _ in range(count):
        router.wait(5 * MINUTE)
        router.accept()
        case = router.pool().cases[next(iter(router.pool().agents["a01"].works)).split(".")[0]]
        router.act("case.resolve", case)


def test_a_customer_hears_a_place_and_a_time_and_new_work_goes_elsewhere_by_it() -> None:
    roster = """
agents:
  - {id: a01, name: A, email: a@agents.example, pool: support, skills: {billing: 5}, languages: {fi: 9}, capacity: 1, channels: {email: {max: 1}}, present: true}
"""
    rule = "overflow: [{expected_wait: 20m, to: general}]"
    router = Router(routing(rule), roster)
    for number in range(7):
        assert queued(router.contact(f"mail-{number}"))["queue"] == "billing", "nothing is known"
    serve(router, 4)
    (live,) = [row for row in views.queues(router.world) if row["queue"] == "billing"]
    assert (live["waiting"], live["expected_wait_ms"]) == (2, 15 * MINUTE)
    seen = views.case(router.world, router.case().id)
    assert seen is not None
    assert (seen["position"], seen["expected_wait_ms"]) == (2, 10 * MINUTE)
    assert queued(router.contact("mail-7"))["queue"] == "billing"
    full = queued(router.contact("mail-8"))
    assert (full["queue"], full["detour"]) == ("general", "overflow")
    router.replay()
