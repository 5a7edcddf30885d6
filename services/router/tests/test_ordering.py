"""The order of service where it goes by time: what a priority is worth, promises, a set age."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from router_harness import Router

from vaxel_router.core import ordering
from vaxel_router.core.policy import Order, Policy, Promise, Queue
from vaxel_router.core.state import Work, work_key

MINUTE = 60_000
ROUTING = """
pools:
  - name: support
    letter: S
    {order}
    queues:
      - {{name: billing, steps: [{{after: 0s, tiers: [1]}}]}}
      - {{name: chats, promise: {{within: 10m, cost: 2}}, steps: [{{after: 0s, tiers: [1]}}]}}
      - {{name: mails, promise: {{within: 4h}}, steps: [{{after: 0s, tiers: [1]}}]}}
"""
ROSTER = """
agents:
  - {id: a01, name: One, email: a01@agents.example, pool: support, languages: {en: 9}, capacity: 1, channels: {email: {max: 1}}, present: true}
"""
WAITING = "order: {by: waiting, point: 1m, at_most: 10m}"
PROMISE = "order: {by: promise, point: 1m, at_most: 10m, within: 1h}"


def a_router(order: str = "") -> Router:
    router = Router(ROUTING.format(order=order), ROSTER, restarts=True)
    arrives(router, "in-hand")
    router.accept()
    return router


def arrives(router: Router, name: str, priority: int = 0, queue: str = "billing") -> None:
    router.contact(
        name, priority=priority, queue=queue, requires={"skills": {}, "languages": ["en"]}
    )


def waiting(router: Router) -> list[str]:
    pool = router.pool()
    return [pool.cases[w.case_id].last_contact_id for w in router.world.waiting(pool)]


def served(router: Router) -> str:
    """Whatever is in hand is done; what comes next is taken."""
    (mine,) = router.pool().agents["a01"].works
    router.act("case.resolve", router.pool().cases[router.pool().works[mine].case_id])
    offer = router.offer()
    router.accept(offer)
    pool = router.pool()
    return pool.cases[pool.works[offer.work_id].case_id].last_contact_id


def test_without_an_order_the_priority_is_all_and_the_low_one_may_wait_for_ever() -> None:
    router = a_router()
    arrives(router, "low")
    for number in range(30):
        router.wait(MINUTE)
        arrives(router, f"high{number}", priority=1)
        assert served(router) == f"high{number}"
    assert waiting(router) == ["low"]
    assert "place_ms" not in router.last("work.queued").data


def test_nobody_is_passed_by_work_that_came_later_than_the_bound() -> None:
    router = a_router(WAITING)
    bound_ms = ordering.passed_within_ms(router.library[router.pool().policy or ""])
    assert bound_ms == 20 * MINUTE
    arrives(router, "low", priority=-50)
    came = {"low": router.now_ms}
    order = []
    for number in range(30):
        router.wait(MINUTE)
        arrives(router, f"high{number}", priority=900)
        came[f"high{number}"] = router.now_ms
        order.append(served(router))
    place = order.index("low")
    assert place == 19, "so many came within the bound, a minute apart; of equal places the older"
    assert all(came[name] - came["low"] < bound_ms for name in order[:place])
    router.replay()


def test_a_point_of_priority_is_worth_its_time_and_no_more() -> None:
    router = a_router(WAITING)
    arrives(router, "plain")
    router.wait(4 * MINUTE)
    arrives(router, "three", priority=3)
    arrives(router, "five", priority=5)
    router.wait(5 * MINUTE)
    arrives(router, "ten", priority=99)
    assert waiting(router) == ["five", "ten", "plain", "three"]
    assert router.last("work.queued").data["place_ms"] == router.now_ms - 10 * MINUTE


def test_the_earliest_promise_goes_first_and_a_costly_one_as_if_due_sooner() -> None:
    router = a_router(PROMISE)
    arrives(router, "mail", queue="mails")
    router.wait(50 * MINUTE)
    arrives(router, "bill")
    router.wait(30 * MINUTE)
    arrives(router, "chat", queue="chats")
    assert waiting(router) == ["chat", "bill", "mail"]
    assert router.last("work.queued").data["place_ms"] == router.now_ms + 5 * MINUTE
    router.wait(200 * MINUTE)
    arrives(router, "late-chat", queue="chats")
    assert waiting(router) == ["chat", "bill", "mail", "late-chat"]
    assert ordering.passed_within_ms(router.library[router.pool().policy or ""]) == 255 * MINUTE
    router.replay()


def test_a_priority_is_worth_its_time_among_promises_too() -> None:
    router = a_router(PROMISE)
    arrives(router, "bill", priority=3)
    assert router.last("work.queued").data["place_ms"] == router.now_ms + 57 * MINUTE
    arrives(router, "slow", priority=-99)
    assert router.last("work.queued").data["place_ms"] == router.now_ms + 70 * MINUTE


def test_a_clocks_alert_says_when_it_is_really_due_and_never_makes_it_later() -> None:
    router = a_router(PROMISE)
    arrives(router, "bill")
    arrives(router, "mail", queue="mails")
    mail = next(c for c in router.pool().cases.values() if c.last_contact_id == "mail")
    for due_ms in (router.now_ms + 30 * MINUTE, router.now_ms + 900 * MINUTE):
        router.send(
            "sla.alert",
            case=mail.id,
            data={"clock": "first_response", "cycle": 0, "stage": "warning", "due_ms": due_ms},
        )
        assert waiting(router) == ["mail", "bill"]
    work = router.pool().works[router.pool().cases[mail.id].work_id or ""]
    assert work.due_ms == work.place_ms == router.now_ms + 30 * MINUTE
    router.replay()


def test_what_is_due_stays_with_work_that_is_given_back_and_ends_with_an_answer() -> None:
    router = a_router(PROMISE)
    served_case = router.pool().cases[next(iter(router.pool().works.values())).case_id]
    due_ms = router.now_ms + 7 * MINUTE
    data = {"clock": "first_response", "cycle": 0, "stage": "warning", "due_ms": due_ms}
    router.send("sla.alert", case=served_case.id, data=data)
    away = {"presence": "away", "mode": "return_work"}
    router.send("agent.presence", agent="a01", data=away)
    queued = router.last("work.queued").data
    assert (queued["reason"], queued["place_ms"]) == ("agent_away", due_ms)
    router.send("agent.presence", agent="a01", data={"presence": "available"})
    router.accept()
    router.reply(router.pool().cases[served_case.id], then="waiting")
    router.send("case.reopen", kind="supervisor", case=served_case.id)
    since_ms = router.pool().cases[served_case.id].opened_ms
    assert router.last("work.queued").data["place_ms"] == since_ms + 60 * MINUTE
    router.replay()


def test_another_policy_orders_what_waits_anew() -> None:
    router = a_router()
    arrives(router, "old")
    router.wait(30 * MINUTE)
    arrives(router, "urgent", priority=9)
    assert waiting(router) == ["urgent", "old"]
    router.publish(ROUTING.format(order=WAITING))
    assert waiting(router) == ["old", "urgent"]
    router.publish(ROUTING.format(order=""))
    assert waiting(router) == ["urgent", "old"]
    router.replay()


def test_another_policy_serves_in_its_own_order_whom_it_lets_in() -> None:
    closed = ROUTING.replace("tiers: [1]", "tiers: [2]")
    router = Router(closed.format(order=""), ROSTER)
    arrives(router, "old")
    router.wait(30 * MINUTE)
    arrives(router, "urgent", priority=9)
    router.publish(ROUTING.format(order=WAITING))
    made = router.last("offer.made")
    assert router.pool().cases[made.case_id or ""].last_contact_id == "old"
    router.replay()


@pytest.mark.parametrize("order", ["", WAITING])
def test_a_supervisor_sets_an_age_and_nobody_else_does(order: str) -> None:
    router = a_router(order)
    arrives(router, "one")
    router.wait(MINUTE)
    arrives(router, "two")
    two = next(c for c in router.pool().cases.values() if c.last_contact_id == "two")
    data = {"since_ms": router.now_ms - 60 * MINUTE}
    for kind, agent, wrong, code in (
        ("agent", "a01", data, "not_allowed"),
        ("supervisor", None, {"since_ms": router.now_ms + 1}, "invalid_data"),
        ("supervisor", None, {"since_ms": -1}, "invalid_data"),
        ("supervisor", None, {**data, "tier": 1}, "invalid_data"),
    ):
        router.send("case.escalate", kind=kind, agent=agent, case=two.id, data=wrong)
        assert router.last("command.refused").data["code"] == code
    router.send("case.escalate", kind="supervisor", case=two.id, data=data)
    assert waiting(router) == ["two", "one"]
    made = router.last("work.escalated").data
    assert (made["since_ms"], made["reason"]) == (data["since_ms"], "age_set")
    assert served(router) == "two"
    router.replay()


ORDERS = st.builds(
    Order,
    by=st.sampled_from(["waiting", "promise"]),
    point_ms=st.integers(0, 10**7),
    at_most_ms=st.integers(0, 10**8),
    within_ms=st.integers(0, 10**9),
)
PROMISES = st.none() | st.builds(Promise, within_ms=st.integers(0, 10**9), cost=st.integers(1, 9))


@given(ORDERS, PROMISES, PROMISES, st.integers(-1000, 1000), st.integers(-1000, 1000), st.data())
def test_no_priority_and_no_promise_beats_the_bound(
    order: Order,
    one: Promise | None,
    other: Promise | None,
    low: int,
    high: int,
    data: st.DataObject,
) -> None:
    queues = [Queue("", name, [], promise=what) for name, what in (("one", one), ("other", other))]
    policy = Policy("", "support", "S", queues, order=order)
    bound_ms = ordering.passed_within_ms(policy)
    assert bound_ms is not None
    since_ms = data.draw(st.integers(0, 2**41))
    later_ms = since_ms + bound_ms + data.draw(st.integers(1, 10**6))

    def key(queue: Queue, priority: int, since_ms: int, number: int) -> int:
        place_ms = ordering.place_ms(
            policy, queue, priority=priority, since_ms=since_ms, due_ms=None
        )
        return work_key(
            Work(
                id="-",
                case_id="-",
                state="queued",
                queue=queue.name,
                channel="email",
                language="en",
                priority=priority,
                skills={},
                languages=[],
                needs={},
                speaks=[],
                tiers=[1],
                floor=1,
                since_ms=since_ms,
                clock_ms=since_ms,
                step=0,
                step_at="",
                order=number,
                place_ms=place_ms,
            )
        )

    first, second = data.draw(st.permutations(queues))
    assert key(first, low, since_ms, 2) < key(second, high, later_ms, 1)


def ordered_roster(queue_order: str) -> str:
    return ROSTER.replace("present: true}", f"queue_order: {queue_order}, present: true}}")


def test_whoever_has_an_order_of_queues_takes_first_what_waits_in_the_first() -> None:
    router = a_router()
    router.roster(ordered_roster("[mails, chats]"))
    for name, queue in (("bill", "billing"), ("chat", "chats"), ("old", "mails"), ("new", "mails")):
        router.wait(MINUTE)
        arrives(router, name, queue=queue, priority=9 if queue == "billing" else 0)
    assert served(router) == "old"
    explain = router.last("offer.made").data["explain"]
    assert explain["queue_order"] == ["mails", "chats"]
    assert [served(router) for _ in range(3)] == ["new", "chat", "bill"]
    router.replay()


def test_an_order_of_queues_may_come_and_go_while_work_waits() -> None:
    router = a_router()
    for name, queue in (("bill", "billing"), ("mail", "mails"), ("other", "mails")):
        arrives(router, name, queue=queue)
    router.roster(ordered_roster("[mails]"))
    assert served(router) == "mail"
    router.roster(ROSTER)
    assert served(router) == "bill"
    assert "queue_order" not in router.last("offer.made").data["explain"]


def test_what_is_kept_for_somebody_with_an_order_of_queues_stands_in_it_too() -> None:
    router = a_router()
    router.roster(ordered_roster("[mails]"))
    case = router.case()
    arrives(router, "mail", queue="mails")
    router.reply(case, status="waiting_customer")
    router.accept()
    arrives(router, "other", queue="mails")
    router.contact("again", conversation="in-hand")  # kept for a01, who answered last
    assert router.pool().works[router.pool().cases[case.id].work_id or ""].prefer_agent == "a01"
    assert [served(router), served(router)] == ["other", "again"]


def test_an_order_of_too_many_queues_is_none() -> None:
    router = a_router()
    profile = {"id": "a01", "queue_order": [f"q{number}" for number in range(51)]}
    data = {"source": "file", "version": "v", "directory_ref": "d", "directory_sha256": "0"}
    (refused,) = router.send("roster.set", data=data | {"agents": [profile]})
    assert refused.data["code"] == "invalid_data"
