"""A short window: what it collects, when it ends, who gets what, and what is said of it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from router_harness import ROSTER, ROUTING, START_MS, Router, types

from vaxel_router.core import cycle, views
from vaxel_router.core.engine import Batch
from vaxel_router.core.inputs import decode
from vaxel_router.core.matching.best import Place, Problem, TooMuch, solve
from vaxel_shared.contracts import wire

WINDOW = ROUTING.replace("    wrap_up: 30s\n", "    wrap_up: 30s\n    match: {window: 2s}\n")


def desk(**over: Any) -> Router:
    """a01 alone takes billing; a01 and a02 take whatever is general."""
    return Router(WINDOW, ROSTER, **over)


def offered(decisions: list[wire.Decision]) -> dict[str | None, str | None]:
    """Number of the case → agent."""
    return {d.data["number"]: d.agent_id for d in decisions if d.type == "offer.made"}


def test_work_is_collected_and_matched_so_that_more_of_it_is_served() -> None:
    plain = Router(ROUTING, ROSTER.replace("capacity: 2", "capacity: 1"))
    together = Router(WINDOW, ROSTER.replace("capacity: 2", "capacity: 1"))
    for router in (plain, together):
        router.contact("general", queue="general")
        router.contact("billing")
        router.wait(2_000)
    # One by one the general work took the only agent who can do the other.
    assert [d.agent_id for d in plain.decisions if d.type == "offer.made"] == ["a01"]
    made = [d for d in together.decisions if d.type == "offer.made"]
    assert [d.agent_id for d in made] == ["a02", "a01"]
    assert made[0].data["explain"]["window"] == {
        "method": "best", "works": 2, "agents": 2, "matched": 2, "gap": 0, "alone": "a01",
    }  # fmt: skip
    assert "alone" not in made[1].data["explain"]["window"]
    together.replay()


def test_nothing_waits_longer_than_the_window_and_nothing_goes_out_before() -> None:
    router = desk()
    router.contact("one", queue="general")
    opened = router.last("switch.changed")
    assert opened.data == {
        "switch": "window", "reason": "collecting", "until_ms": START_MS + 2_000,
    }  # fmt: skip
    router.wait(1_500)
    router.contact("two", queue="general")
    assert not router.pool().offers
    assert offered(router.wait(499)) == {}
    assert len(offered(router.wait(1))) == 2
    closed = router.last("switch.changed")
    assert closed.at_ms == START_MS + 2_000
    assert (closed.data["on"], closed.data["window"]["gap"]) == (False, 0)
    router.replay()


def test_where_there_is_nothing_to_choose_it_is_offered_at_once() -> None:
    router = desk()
    assert types(router.contact("one"))[-1] == "offer.made", "a01 alone may take it"
    alone = Router(WINDOW, ROSTER)
    alone.send("agent.presence", kind="agent", agent="a02", data={"presence": "away"})
    assert types(alone.contact("one", queue="general"))[-1] == "offer.made"


def test_a_freed_agent_with_two_works_to_choose_from_waits_for_others() -> None:
    router = Router(WINDOW, ROSTER.replace("capacity: 2", "capacity: 1"))
    router.contact("first")
    for name in ("second", "third"):
        router.contact(name)
    router.accept()
    router.reply(
        next(iter(router.pool().cases.values())),
        then="resolved",
    )
    router.wait(30_000)  # the wrap-up is over
    assert not router.pool().offers
    assert router.last("switch.changed").data["reason"] == "collecting"
    router.wait(2_000)
    offer = router.offer()
    assert router.pool().works[offer.work_id].case_id == list(router.pool().cases)[1], "the older"
    router.replay()


def test_priority_and_age_say_who_is_served_whatever_it_costs() -> None:
    router = Router(WINDOW, ROSTER.replace("capacity: 2", "capacity: 1"))
    router.contact("late", queue="general")
    for number in range(3):
        router.contact(f"more{number}", queue="general", priority=number)
    made = offered(router.wait(2_000))
    served = [c.priority for c in router.pool().cases.values() if c.number in made]
    assert sorted(served) == [1, 2]
    router.replay()


def test_many_works_that_came_in_one_record_are_matched_in_one_cycle() -> None:
    router = desk()
    batch = Batch(router.world, router.library, seq=router.seq + 1, wall_ms=router.now_ms)
    for number in range(4):
        command = wire.Command(
            id=f"c{number}", type="contact.add", pool="support", via="test",
            actor=wire.Actor(kind="customer", id="c"),
            data={
                "contact_id": f"c{number}", "conversation_key": f"support|email|support|c{number}",
                "customer_id": "customer", "channel": "email", "account": "support",
                "language": "fi", "queue": "general" if number < 2 else "billing",
                "requires": {"skills": {}, "languages": ["fi"]}, "received_at_ms": router.now_ms,
                "src": [0, 100 + number], "rule": {"id": "r", "at": "routing.yaml:1"},
            },
        )  # fmt: skip
        assert batch.add(decode(100 + number, router.now_ms, wire.encode(command)))
    batch.tick(router.now_ms + 2_000)
    made = [d for d in batch.decisions if d.type == "offer.made"]
    assert [d.agent_id for d in made] == ["a02", "a02", "a01", "a01"]
    assert {d.cause for d in made} == {"timer:window:"}, "one pass for all of them"


def test_a_record_that_is_full_goes_on_with_the_rest_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vaxel_router.core.step.DECISIONS_MAX", 3)
    router = desk(restarts=True)
    for number in range(4):
        router.contact(f"c{number}", queue="general")
    assert len(offered(router.wait(2_000))) == 4
    router.replay()


def test_what_is_too_much_to_be_searched_goes_one_by_one_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cycle, "LOOKS_MAX", 3)
    router = desk()
    for number in range(3):
        router.contact(f"c{number}", queue="general")
    made = [d for d in router.wait(2_000) if d.type == "offer.made"]
    assert len(made) == 3
    assert all(d.data["explain"]["window"]["method"] == "one_by_one" for d in made)
    assert router.last("switch.changed").data["window"]["reason"] == "too_many"


def test_a_window_goes_on_after_a_restart_and_ends_with_a_policy_without() -> None:
    router = desk(restarts=True)
    router.contact("one", queue="general")
    router.publish(ROUTING)
    assert len(router.pool().offers) == 1, "the new rules hold at once"
    router.wait(2_000)
    assert router.last("switch.changed").data["on"] is False
    router.replay()


def test_whoever_asks_why_not_yet_hears_until_when_it_is_collected() -> None:
    router = desk()
    router.contact("one", queue="general")
    told = views.case(router.world, router.case().id)
    assert told is not None
    assert told["held"] == {"code": "collecting", "until_ms": START_MS + 2_000}


def test_work_shown_to_several_isnt_shown_to_whom_the_window_gives_other_work() -> None:
    text = WINDOW.replace("- name: general\n", "- name: general\n        broadcast: 2\n")
    router = Router(text, ROSTER.replace("capacity: 2", "capacity: 1"))
    router.contact("general", queue="general")
    router.contact("billing")
    made = [(d.agent_id, d.data["queue"]) for d in router.wait(2_000) if d.type == "offer.made"]
    assert made == [("a02", "general"), ("a01", "billing")]


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Small enough to try every way."""
    agents = draw(
        st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=3), min_size=1, max_size=3)
    )
    places = [
        Place(agent, draw(st.integers(1, 2)))
        for agent in range(len(agents))
        for _ in range(draw(st.integers(1, 2)))
    ]
    some = st.dictionaries(st.integers(0, len(places) - 1), st.integers(-6, 9))
    costs = draw(st.lists(some, min_size=1, max_size=4))
    items = draw(st.lists(st.integers(0, len(costs) - 1), max_size=5))
    return Problem(items, costs, places, [sorted(one) for one in agents])


def worth(problem: Problem, ways: tuple[int | None, ...]) -> tuple[list[bool], int] | None:
    """(who is left out, what it costs) of one way to place each item; None: there is no room."""
    cost, in_place, in_hand = 0, [0] * len(problem.places), [0] * len(problem.agents)
    for item, at in enumerate(ways):
        if at is None:
            continue
        agent = problem.places[at].agent
        if in_hand[agent] == len(problem.agents[agent]) or in_place[at] == problem.places[at].room:
            return None
        cost += problem.costs[problem.items[item]][at] + problem.agents[agent][in_hand[agent]]
        in_place[at] += 1
        in_hand[agent] += 1
    return [at is None for at in ways], cost


@settings(max_examples=300, deadline=None)
@given(problems())
def test_no_other_way_of_all_there_are_serves_more_or_better(problem: Problem) -> None:
    choices = [[None, *problem.costs[kind]] for kind in problem.items]
    every = [worth(problem, ways) for ways in itertools.product(*choices)]
    left_out, cost = min(one for one in every if one is not None)
    found = solve(problem, 100_000)
    served = {item for item, _ in found.pairs}
    assert [item not in served for item in range(len(problem.items))] == left_out
    assert sum(left_out) == min(sum(one[0]) for one in every if one is not None), "and the most"
    by_agent: dict[int, list[int]] = {}
    for item, agent in found.pairs:
        by_agent.setdefault(agent, []).append(item)
    ways = [
        [
            at
            for at in problem.costs[kind]
            if problem.places[at].agent == dict(found.pairs).get(item)
        ]
        if item in served
        else [None]
        for item, kind in enumerate(problem.items)
    ]
    costs = [one for choice in itertools.product(*ways) if (one := worth(problem, choice))]
    assert min(costs) == (left_out, cost)


def test_a_search_gives_up_at_a_count_and_not_at_a_time() -> None:
    problem = Problem([0, 0], [{0: 1, 1: 1}], [Place(0, 1), Place(1, 1)], [[0], [0]])
    looked = solve(problem, 1_000).looked
    assert solve(problem, looked).looked == looked
    with pytest.raises(TooMuch):
        solve(problem, looked - 1)
