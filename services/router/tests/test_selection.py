"""Who may take it by an expression or by name, and who of several is best."""

from __future__ import annotations

import pytest
from router_harness import Router

from vaxel_router.core.policy import decode

QUEUES = """
pools:
  - name: support
    letter: S
    queues:
      - name: billing
        {more}
        steps:
          - {{after: 0s, tiers: [1, 2]}}
          {step}
"""

ROSTER = """
agents:
  - {id: a01, name: One, email: a01@agents.example, pool: support, skills: {billing: 2}, languages: {en: 9, fi: 9}, capacity: 4, channels: {email: {max: 4}}, present: true}
  - {id: a02, name: Two, email: a02@agents.example, pool: support, skills: {billing: 2}, languages: {en: 9}, capacity: 2, channels: {email: {max: 2}}, present: true}
  - {id: a03, name: Three, email: a03@agents.example, pool: support, skills: {billing: 2, law: 4}, languages: {en: 9, sv: 5}, capacity: 4, channels: {email: {max: 4}}, present: true}
  - {id: a04, name: Four, email: a04@agents.example, pool: support, tier: 2, skills: {law: 1, new: 1}, languages: {en: 9}, capacity: 4, channels: {email: {max: 4}}, present: true}
"""


def a_router(more: str = "", step: str = "") -> Router:
    return Router(QUEUES.format(more=more, step=step), ROSTER, restarts=True)


def offered(router: Router, name: str, **requires: object) -> str | None:
    """Whom a new bill is offered to; None: it waits."""
    router.now_ms += 1_000
    made = router.contact(name, requires={"skills": {}, "languages": ["en"], **requires})
    return next((one.agent_id for one in made if one.type == "offer.made"), None)


def explain(router: Router) -> dict[str, object]:
    found: dict[str, object] = router.last("offer.made").data["explain"]
    return found


def test_an_expression_holds_and_who_does_not_meet_it_is_told_so() -> None:
    router = a_router("needs: law and not new", "- {after: 5m, tiers: [1, 2], needs: ''}")
    assert offered(router, "m1") == "a03"
    assert explain(router)["by_code"] == {"needs_unmet": 3}
    rejected = explain(router)["rejected"]
    assert rejected[0]["params"] == {"needs": "law and not new"}  # type: ignore[index]
    assert offered(router, "m2", needs="billing or french") == "a03"
    assert offered(router, "m3", needs="french") is None
    (work,) = (one for one in router.pool().works.values() if one.state == "queued")
    assert work.wants is not None
    assert work.wants.needs == "(law and not new) and (french)"
    router.wait(5 * 60_000)
    wants = router.pool().works[work.id].wants
    assert wants is not None
    assert wants.needs == "french", "the contact's own stays"
    router.replay()


def test_a_contact_may_not_say_whom_to_choose_and_its_expression_must_be_one() -> None:
    router = a_router()
    for wants in (
        {"needs": "a and"}, {"needs": "a or " * 130 + "a"}, {"only": ["a01"]}, {"prefer": {"a01": 1}},
        {"without": ["a01"]}, {"choice": "round_robin"}, {"spare": True},
    ):  # fmt: skip
        offered(router, f"m{len(router.work)}", **wants)
        assert router.last("command.refused").data["params"] == {"requires": next(iter(wants))}
    assert not router.pool().cases


@pytest.mark.parametrize(
    ("choice", "who", "term"),
    [
        ("longest_idle", ["a01", "a02", "a03", "a01"], "idle_since_ms"),
        ("round_robin", ["a01", "a02", "a03", "a01"], "turn"),
        ("least_loaded", ["a01", "a02", "a03", "a01"], "load"),
        ("most_loaded", ["a01", "a01", "a01", "a01", "a02", "a02", "a03"], "load"),
    ],
)
def test_each_queue_has_its_own_choice_among_equals(choice: str, who: list[str], term: str) -> None:
    router = a_router(f"choice: {choice}")
    assert [offered(router, f"m{number}") for number, _ in enumerate(who)] == who
    terms = [one["code"] for one in explain(router)["terms"]]  # type: ignore[attr-defined]
    assert terms[-2:] == ([term, "idle_since_ms"] if term != "idle_since_ms" else ["tier", term])
    router.replay()


def test_turns_go_round_by_who_was_asked_and_loads_by_what_is_in_hand() -> None:
    rounds, loads = a_router("choice: round_robin"), a_router("choice: least_loaded")
    for router in (rounds, loads):
        for number in range(3):
            offered(router, f"m{number}")
        for case in list(router.pool().cases.values())[1:]:  # a02 and a03 are done at once
            offer = router.pool().offers[router.pool().works[case.work_id or ""].offer_id or ""]
            router.now_ms += 1_000
            router.accept(offer)
            router.act("case.resolve", case)
    assert offered(rounds, "n1") == "a01", "whose turn was the longest ago, busy or not"
    assert offered(loads, "n1") == "a02", "nothing in hand, and longer so than a03"
    assert offered(loads, "n2") == "a03"
    assert offered(loads, "n3") == "a01", "a quarter full, where a02 is half full"
    rounds.replay()


@pytest.mark.parametrize("restarts", [True, False])
def test_a_turn_is_a_turn_however_short_and_however_it_was_given(restarts: bool) -> None:
    router = Router(
        QUEUES.format(more="choice: round_robin", step=""), ROSTER, restarts=restarts
    )  # fmt: skip
    for number in range(3):
        offered(router, f"m{number}")
    for agent in ("a02", "a01"):
        offer = next(one for one in router.pool().offers.values() if one.agent_id == agent)
        case = router.pool().cases[router.pool().works[offer.work_id].case_id]
        router.accept(offer)
        router.now_ms += 60_000
        router.act("case.resolve", case)
    assert offered(router, "n1") == "a01", "idle for the shortest, but whose turn it is"
    last = next(one for one in router.decisions if one.cause == "n1" and one.type == "case.opened")
    data = {"to_agent": "a02", "reason": "override"}
    router.send("case.assign", kind="supervisor", case=last.case_id, data=data)
    assert offered(router, "n2") == "a03", "what a supervisor gave was a turn as well"
    router.replay()


def test_who_is_named_no_more_is_like_all_others_at_once() -> None:
    router = Router(QUEUES.format(more="without: [a01]", step=""), ROSTER)
    router.publish(QUEUES.format(more="", step=""))
    seats = router.world.matchers["support"].seats.values()
    assert {seat.brought.profile.name for seat in seats} == {""}


def test_named_agents_are_left_out_and_others_are_not_told_apart() -> None:
    router = a_router("without: [a01]", "- {after: 5m, tiers: [1, 2], only: []}")
    assert offered(router, "m1") == "a02"
    assert explain(router)["by_code"] == {"left_out": 1}
    matcher = router.world.matchers["support"]
    assert {name: seat.brought.profile.name for name, seat in matcher.seats.items()} == {
        "a01": "a01", "a02": "", "a03": "", "a04": "",
    }  # fmt: skip
    router.publish(QUEUES.format(more="", step=""))
    assert matcher is not router.world.matchers["support"], "every record restarts it"
    assert {
        seat.brought.profile.name for seat in router.world.matchers["support"].seats.values()
    } == {""}
    assert offered(router, "m2") == "a01"
    router.replay()


def test_work_is_kept_for_those_who_are_named_until_a_step() -> None:
    router = a_router("only: [a04, nobody]", "- {after: 5m, tiers: [1, 2], only: []}")
    router.send("agent.presence", agent="a04", data={"presence": "away"})
    assert offered(router, "m1") is None
    router.wait(5 * 60_000)
    assert router.last("offer.made").agent_id == "a01"
    router.replay()


def test_preferred_agents_go_by_their_number_before_tiers_and_until_a_step() -> None:
    more, step = "prefer: {a04: 80, a03: 50, a02: -1}", "- {after: 5m, tiers: [1, 2], prefer: {}}"
    router = a_router(more, step)
    assert [offered(router, f"m{number}") for number in range(5)] == [*["a04"] * 4, "a03"]
    assert explain(router)["terms"][:3] == [  # type: ignore[index]
        {"code": "sticky", "value": 0},
        {"code": "preferred", "value": 50},
        {"code": "tier", "value": 1},
    ]
    for number in range(5, 8):
        offered(router, f"m{number}")
    assert offered(router, "m8") == "a01", "before a02, who is rather spared"
    router.replay()


def test_whoever_could_do_less_besides_goes_first() -> None:
    router = a_router("keep_rare_free: true\n        needs: billing")
    # One of four speaks Finnish, one Swedish, two know law.
    assert offered(router, "m1") == offered(router, "m2") == "a02"
    assert offered(router, "m3") == "a01"
    assert explain(router)["terms"][2] == {"code": "spare_skill", "value": 1_000}  # type: ignore[index]
    assert offered(router, "m4", languages=["sv"]) == "a03"
    assert explain(router)["terms"][2] == {"code": "spare_skill", "value": 500 + 250}  # type: ignore[index]
    router.replay()


def test_what_is_rare_follows_the_roster() -> None:
    router = a_router("keep_rare_free: true\n        needs: billing")
    assert offered(router, "m1") == offered(router, "m2") == "a02"
    router.roster(ROSTER.replace("languages: {en: 9}", "languages: {en: 9, fi: 1}"))
    assert offered(router, "m3") == "a01", "Finnish is common now"
    assert explain(router)["terms"][2] == {"code": "spare_skill", "value": 333}  # type: ignore[index]
    router.replay()


def test_a_policy_with_an_expression_that_is_none_or_a_choice_that_is_none_is_no_policy() -> None:
    (blob,) = a_router("needs: law").blobs.values()
    for bad in (blob.replace(b'"law"', b'"law and"'), blob.replace(b'"needs"', b'"choice"')):
        with pytest.raises(Exception, match=r"needs|no such choice"):
            decode(bad)
