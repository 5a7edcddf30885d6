"""A second policy: without effect, with its differences said; or for a share of the cases."""

from __future__ import annotations

from router_harness import ROUTING, Router, types

from vaxel_router.core.policy import decode as decode_policy
from vaxel_shared.config import source
from vaxel_shared.config.routing import Routing, policy_version, pool_policy
from vaxel_shared.config.source import validate
from vaxel_shared.contracts import wire

OTHER = ROUTING.replace("skills: {billing: 1}", "skills: {technical: 1}")


def second(router: Router, text: str, **data: object) -> list[wire.Decision]:
    routing = validate(Routing, source.parse("routing.yaml", text.encode()))
    blob = pool_policy(routing.pools[0])
    version = policy_version(blob)
    router.library[version], router.blobs[version] = decode_policy(blob), blob
    ask = {"kind": "shadow", "version": version, "ref": f"policy/{version}"} | data
    return router.send("policy.publish", data=ask)


def test_a_second_policy_says_what_it_would_decide_and_changes_nothing() -> None:
    router = Router()
    (adopted,) = second(router, OTHER)
    assert adopted.data["kind"] == "shadow"
    in_force = router.pool().policy
    made = router.contact("mail-1")
    queued, offered = made[2], made[3]
    assert offered.agent_id == "a01", "as ever"
    assert queued.data["shadow"] == {
        "policy": router.pool().shadow, "differs": True, "agent_id": "a02",
    }  # fmt: skip
    assert {d.policy for d in made} == {in_force}
    general = router.contact("mail-2", queue="general")[2]
    assert general.data["shadow"]["differs"] is False
    second(router, ROUTING)
    assert router.pool().shadow is None, "the policy in force ends it"
    assert "shadow" not in router.contact("mail-3")[2].data
    router.replay()


def test_two_policies_decide_side_by_side_each_for_its_share_of_the_cases() -> None:
    router = Router(restarts=True)
    second(router, OTHER, share=40)
    for number in range(60):
        router.contact(f"mail-{number}")
    works = list(router.pool().works.values())
    other = [work for work in works if work.rules is not None]
    assert 12 <= len(other) <= 36
    assert all("technical" in work.needs for work in other)
    assert all("billing" in work.needs for work in works if work.rules is None)
    case = router.pool().cases[other[0].case_id]
    router.send("case.resolve", kind="supervisor", case=case.id)
    again = router.contact("again", conversation=case.conversations[0].rpartition("|")[2])
    assert next(d for d in again if d.type == "work.queued").data["rules"] == other[0].rules
    router.publish(ROUTING.replace("10m, bar", "9m, bar"))
    assert any(work.rules == other[0].rules for work in router.pool().works.values())
    router.replay()


def test_a_second_policy_needs_a_first_and_a_share_that_is_one() -> None:
    router = Router(publish=False)
    assert second(router, OTHER)[0].data["code"] == "no_policy"
    router = Router()
    assert types(second(router, OTHER, share=101)) == ["command.refused"]


def test_a_second_policy_that_is_adopted_is_the_first() -> None:
    router = Router()
    second(router, OTHER, share=50)
    router.publish(OTHER)
    assert (router.pool().shadow, router.pool().share) == (None, 0)
    router.replay()
