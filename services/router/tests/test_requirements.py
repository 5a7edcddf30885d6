"""What a work asks for besides: a highest level, a skill that lapses, skills that only count."""

from __future__ import annotations

import pytest
from router_harness import Router

ROUTING = """
pools:
  - name: support
    letter: S
    queues:
      - name: billing
        skills: {{billing: 1}}
        {more}
        steps:
          - {{after: 0s, tiers: [1, 2]}}
          {step}
"""

ROSTER = """
agents:
  - {id: a01, name: One, email: a01@agents.example, pool: support, skills: {billing: 2}, languages: {en: 9}, capacity: 9, channels: {email: {max: 9}}, present: true}
  - {id: a02, name: Two, email: a02@agents.example, pool: support, skills: {billing: 5, vip: 3}, languages: {en: 9}, capacity: 9, channels: {email: {max: 9}}, present: true}
  - {id: a03, name: Three, email: a03@agents.example, pool: support, skills: {billing: 9, vip: 1, law: 2}, languages: {en: 9}, capacity: 9, channels: {email: {max: 9}}, present: true}
  - {id: a04, name: Four, email: a04@agents.example, pool: support, tier: 2, skills: {billing: 3, vip: 9}, languages: {en: 9}, capacity: 9, channels: {email: {max: 9}}, present: true}
"""


def a_router(more: str = "", step: str = "") -> Router:
    return Router(ROUTING.format(more=more, step=step), ROSTER, restarts=True)


def bill(router: Router, name: str = "m1", **requires: object) -> None:
    router.contact(name, requires={"skills": {}, "languages": ["en"], **requires})


def offered(router: Router) -> str | None:
    return router.last("offer.made").agent_id


def explained(router: Router) -> dict[str, object]:
    explain: dict[str, object] = router.last("offer.made").data["explain"]
    return explain


def test_whoever_is_above_the_range_is_kept_free_and_the_reason_names_it() -> None:
    router = a_router("at_most: {billing: 4}")
    for name in ("m1", "m2"):
        bill(router, name)
        assert offered(router) == "a01"
    assert explained(router)["by_code"] == {"skill_above": 2}
    rejected = {one["agent_id"]: one for one in explained(router)["rejected"]}  # type: ignore[attr-defined]
    assert rejected["a03"]["params"] == {"skill": "billing", "level": 9, "most": 4}
    router.replay()


def test_who_has_none_of_a_skill_is_below_its_limit() -> None:
    router = a_router("at_most: {law: 1}")
    bill(router)
    assert explained(router)["by_code"] == {"skill_above": 1}
    assert explained(router)["eligible"] == 3


def test_a_step_may_let_the_experts_in() -> None:
    router = a_router("at_most: {billing: 1}", "- {after: 5m, tiers: [1, 2], at_most: {}}")
    bill(router)
    assert not router.pool().offers
    router.wait(5 * 60_000)
    assert offered(router) == "a01"
    router.replay()


def test_one_requirement_lapses_at_its_own_time_and_the_others_stay() -> None:
    router = a_router("lapse: {law: 7m}", "- {after: 5m, tiers: [1, 2]}")
    bill(router, skills={"law": 5, "billing": 3})
    work = router.pool().works[router.case().work_id or ""]
    assert (work.needs, work.next_ms) == ({"billing": 3, "law": 5}, work.clock_ms + 5 * 60_000)
    router.wait(5 * 60_000)
    assert (work.needs, work.next_ms) == ({"billing": 3, "law": 5}, work.clock_ms + 7 * 60_000)
    router.wait(2 * 60_000)
    made = router.last("work.stepped")
    assert made.data["requires"] == {"skills": {"billing": 3}, "languages": ["en"]}
    assert "next_ms" not in made.data
    assert offered(router) == "a02"
    router.replay()


def test_a_limit_lapses_with_its_skill_though_nothing_asks_for_the_skill() -> None:
    router = a_router("at_most: {law: 0, vip: 0}\n        lapse: {law: 7m, vip: 9m}")
    router.send("agent.presence", agent="a01", data={"presence": "offline"})
    bill(router)
    assert not router.pool().offers
    router.wait(9 * 60_000 - 1)
    assert not router.pool().offers, "a03 has more than law, and so has a02"
    router.wait(1)
    assert router.last("work.stepped").data["requires"] == {
        "skills": {"billing": 1}, "languages": ["en"],
    }  # fmt: skip
    assert offered(router) == "a02"
    router.replay()


def test_a_contacts_own_lapse_holds_before_the_queues() -> None:
    router = a_router("lapse: {law: 1h}")
    bill(router, skills={"law": 5}, lapse_ms={"law": 60_000})
    router.wait(59_999)
    assert not router.pool().offers
    router.wait(1)
    assert offered(router) == "a01"


def test_a_wish_counts_by_level_within_a_tier_and_rules_nobody_out() -> None:
    router = a_router("wishes: {vip: 2}")
    seen = []
    for name in ("m1", "m2"):
        bill(router, name)
        seen.append(offered(router))
    assert seen == ["a02", "a02"], "a04 has more of it, in a higher tier; nobody takes turns"
    assert explained(router)["terms"] == [
        {"code": "sticky", "value": 0},
        {"code": "tier", "value": 1},
        {"code": "wished", "value": 6},
        {"code": "idle_since_ms", "value": router.now_ms},
    ]
    assert explained(router)["eligible"] == 4
    router.replay()


def test_wishes_of_rule_and_queue_add_up_by_skill_and_a_negative_one_spares() -> None:
    router = a_router("wishes: {vip: 1}")
    bill(router, wishes={"law": 9})
    assert offered(router) == "a03"
    bill(router, "m2", wishes={"vip": -5})
    assert offered(router) == "a02", "the stricter of two for one skill is the greater"
    bill(router, "m3", wishes={"billing": -1})
    assert offered(router) == "a01"


def test_what_was_asked_for_stays_with_the_case() -> None:
    router = a_router()
    bill(router, at_most={"billing": 4}, wishes={"billing": 1})
    router.accept()
    router.reply(router.case(), then="waiting")
    router.send("case.reopen", kind="supervisor", case=router.case().id)
    queued = router.last("work.queued").data
    assert queued["asks"] == {
        "skills": {}, "languages": ["en"], "at_most": {"billing": 4}, "wishes": {"billing": 1},
    }  # fmt: skip
    assert queued["requires"] == {**queued["asks"], "skills": {"billing": 1}}
    router.replay()


@pytest.mark.parametrize(
    "wants", [{"at_most": {"x": -1}}, {"lapse_ms": {"x": -1}}, {"wishes": {"x": 1_001}}]
)
def test_wants_that_make_no_sense_are_refused_by_name(wants: dict[str, dict[str, int]]) -> None:
    router = a_router()
    bill(router, **wants)
    assert router.last("command.refused").data["params"] == {"requires": next(iter(wants))}


def test_a_policy_that_uses_none_of_it_is_the_version_that_it_always_was() -> None:
    (blob,) = a_router().blobs.values()
    assert not any(name in blob for name in (b"at_most", b"lapse", b"wishes"))
