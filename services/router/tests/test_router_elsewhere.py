"""What agents have in hand in tools of their own: it takes capacity, ends by itself, and drifts."""

from __future__ import annotations

from typing import Any

import pytest
from router_harness import ROSTER, Router, types

from vaxel_router.core import views
from vaxel_router.core.limits import DRIFT_MAX, ELSEWHERE_MS_MAX, SOURCES_MAX
from vaxel_shared.contracts import wire

ONE = "\n".join(["agents:", *(line for line in ROSTER.splitlines() if "id: a01" in line)])
MINUTE_MS = 60_000


def said(
    router: Router, agent: str = "a01", *, source: str = "crm", minutes: int = 15, **data: Any
) -> list[wire.Decision]:
    """A tool says what an agent has there."""
    base = {"source": source, "channels": {}, "until_ms": router.now_ms + minutes * MINUTE_MS}
    return router.send("agent.elsewhere", kind="agent", agent=agent, data=base | data)


def why_not(router: Router) -> list[dict[str, Any]]:
    """Why nobody has the latest case."""
    seen = views.case(router.world, router.case().id)
    assert seen is not None
    rejected: list[dict[str, Any]] = seen["why_not_yet"]["rejected"]
    return rejected


@pytest.fixture(params=[False, True], ids=["at once", "restored after each record"])
def router(request: pytest.FixtureRequest) -> Router:
    return Router(roster=ONE, restarts=request.param)


def test_what_an_agent_has_in_a_tool_takes_capacity_until_it_says_otherwise(
    router: Router,
) -> None:
    said(router, channels={"email": 1, "fax": 1})
    assert "offer.made" not in types(router.contact("mail-1")), "a01 has room for two"
    assert why_not(router) == [
        {"agent_id": "a01", "code": "capacity_full", "params": {"used": 2, "capacity": 2}}
    ]
    router.contact("mail-2")
    made = said(router, channels={"email": 1})
    assert types(made) == ["agent.changed", "offer.made"], "one place is free now"
    assert types(said(router, channels={})) == ["agent.changed", "offer.made"], "and the other"
    assert router.world.state.pools["support"].agents["a01"].elsewhere == {}
    router.replay()


def test_a_channel_is_full_with_what_is_there_too(router: Router) -> None:
    said(router, channels={"email": 2})
    router.contact("mail-1")
    assert why_not(router) == [
        {"agent_id": "a01", "code": "channel_full", "params": {"channel": "email", "max": 2}}
    ]


def test_what_a_silent_tool_said_ends_by_itself_and_wakes_what_waits(router: Router) -> None:
    said(router, channels={"email": 2}, minutes=10)
    said(router, source="phone", channels={"voice": 1}, minutes=20)
    router.contact("mail-1")
    router.contact("mail-2")
    assert "offer.made" not in types(router.wait(9 * MINUTE_MS))
    made = router.wait(MINUTE_MS)
    assert types(made)[:2] == ["agent.changed", "offer.made"], "the call takes the other place"
    assert types(made).count("offer.made") == 1
    assert "offer.made" in types(router.wait(10 * MINUTE_MS)), "that is over too"
    router.replay()


def test_nothing_is_taken_from_whoever_is_busier_elsewhere_than_there_is_room(
    router: Router,
) -> None:
    router.contact("mail-1")
    router.accept()
    assert types(said(router, channels={"email": 40})) == ["agent.changed"]
    assert [*router.world.state.pools["support"].agents["a01"].works]
    (agent,) = views.agents(router.world)
    assert (agent["used"], agent["capacity"]) == (41, 2)
    assert agent["elsewhere"]["crm"]["works"] == {"email": 40}
    router.replay()


def test_a_tool_that_differs_twice_in_a_row_is_told_again_and_once_is_no_drift(
    router: Router,
) -> None:
    router.contact("mail-1")
    router.accept()
    case = router.case()
    work = router.pool().works[case.work_id or ""]
    assert types(said(router, cases=["gone"])) == ["agent.changed"], "it may be on its way"
    made = said(router, cases=["gone"])
    assert [(d.type, d.case_id, d.work_id, d.data) for d in made[1:]] == [
        ("tool.drifted", case.id, work.id,
         {"source": "crm", "drift": "missing", "token": work.token}),
        ("tool.drifted", "gone", None, {"source": "crm", "drift": "lingering"}),
    ]  # fmt: skip
    assert types(said(router, cases=["gone"])) == ["agent.changed"], "it has been told just now"
    assert types(said(router, cases=[case.id])) == ["agent.changed"], "both agree"
    assert types(said(router, cases=["gone"])) == ["agent.changed"], "a difference begins anew"
    assert types(said(router)) == ["agent.changed"], "who says nothing of cases can't differ"
    router.replay()


def test_what_another_tool_shows_is_a_matter_of_its_own(router: Router) -> None:
    router.contact("mail-1")
    router.accept()
    said(router, cases=[])
    assert types(said(router, source="phone", cases=[])) == ["agent.changed"]
    assert "tool.drifted" in types(said(router, cases=[]))


def test_more_differences_than_are_told_at_once_wait_for_the_next_time(router: Router) -> None:
    gone = [f"case-{number}" for number in range(DRIFT_MAX + 20)]
    said(router, cases=gone)
    assert types(said(router, cases=gone)).count("tool.drifted") == DRIFT_MAX
    assert types(said(router, cases=gone)).count("tool.drifted") == 20


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"channels": {"email": 101}}, "channels"),
        ({"channels": {"email": 60, "chat": 41}}, "channels"),
        ({"channels": {"email": 2, "chat": -1}}, "channels"),
        ({"channels": {"email": -1}}, "channels"),
        ({"source": ""}, "channels"),
        ({"until_ms": 1}, "until_ms"),
        ({"until_ms": 2**52}, "until_ms"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    router: Router, data: dict[str, Any], why: str
) -> None:
    (made,) = said(router, **data)
    assert (made.type, made.data["code"]) == ("command.refused", "invalid_data")
    assert why in made.data["params"]


def test_so_many_tools_speak_of_an_agent_and_no_more(router: Router) -> None:
    for number in range(SOURCES_MAX):
        assert types(said(router, source=f"tool-{number}", channels={"email": 1}))
    (made,) = said(router, source="one-more", channels={"email": 1})
    assert made.type == "command.refused"
    assert types(said(router, source="tool-3")) == ["agent.changed"], "who spoke before still may"


def test_it_counts_for_a_day_at_most(router: Router) -> None:
    data = {"until_ms": router.now_ms + ELSEWHERE_MS_MAX, "channels": {"email": 1}}
    assert types(said(router, **data)) == ["agent.changed"]


def test_another_profile_keeps_what_is_elsewhere_and_who_leaves_takes_it_along(
    router: Router,
) -> None:
    said(router, channels={"email": 2})
    router.roster(ONE.replace("cost: 1", "cost: 2").replace("capacity: 2", "capacity: 4"))
    (agent,) = views.agents(router.world)
    assert agent["used"] == 2, "what each took when it was said"
    router.roster("agents: []\n")
    router.roster(ONE)
    (agent,) = views.agents(router.world)
    assert (agent["used"], agent["elsewhere"]) == (0, {})
    assert not [key for key in router.world.state.timers if key.startswith("elsewhere")]
    router.replay()


def test_an_agent_speaks_for_nobody_else(router: Router) -> None:
    data = {"source": "crm", "channels": {}, "until_ms": router.now_ms + 1}
    made = router.send("agent.elsewhere", kind="customer", agent="a01", data=data)
    assert made[0].data["code"] == "not_allowed"
    router.replay()
