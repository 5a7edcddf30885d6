"""Which rules hold for work that is there when another policy is adopted: as that policy says."""

from __future__ import annotations

from router_harness import ROUTING, Router, types
from test_router_trials import OTHER, second

MINUTE = 60_000


def routing(*, tiers: str, in_flight: str = "new", queue: str = "billing") -> str:
    return f"""
pools:
  - name: support
    letter: S
    in_flight: {in_flight}
    offer: {{limit: 2h}}
    queues:
      - name: {queue}
        steps: [{{after: 0s, tiers: [1]}}, {{after: 10m, tiers: {tiers}}}, {{after: 60m, tiers: [1, 2, 3]}}]
"""


WAITS = {"languages": ["xx"]}


def waiting(in_flight: str) -> Router:
    """A work that came under a policy of tiers 1 and 2, and another policy since."""
    router = Router(routing(tiers="[1, 2]"))
    router.contact("mail-1", requires=WAITS)
    router.wait(5 * MINUTE)
    router.publish(routing(tiers="[1, 3]", in_flight=in_flight))
    return router


def test_the_new_rules_hold_at_once_unless_the_policy_says_otherwise() -> None:
    router = waiting("new")
    (made,) = router.wait(5 * MINUTE)[:1]
    assert made.data["tiers"] == [1, 3]
    assert made.policy == router.pool().policy
    router.replay()


def test_work_goes_on_to_its_end_under_the_rules_that_it_came_under() -> None:
    router = waiting("old")
    (work,) = router.pool().works.values()
    made = router.wait(5 * MINUTE)
    assert made[0].data["tiers"] == [1, 2]
    assert made[0].policy == work.rules != router.pool().policy
    router.contact("mail-2", requires=WAITS)
    made = router.wait(10 * MINUTE)
    assert [d.data["tiers"] for d in made if d.type == "work.stepped"] == [[1, 3]]
    router.publish(routing(tiers="[2, 3]", in_flight="old"))
    assert len({one.rules for one in router.pool().works.values()}) == 2, "each its own"
    router.publish(routing(tiers="[1, 2]", in_flight="new"))
    assert {one.rules for one in router.pool().works.values()} == {None}
    router.replay()


def test_from_its_next_step_on_the_new_rules_hold() -> None:
    router = waiting("next_step")
    (work,) = router.pool().works.values()
    assert work.tiers == [1]
    assert work.rules is not None
    made = router.wait(5 * MINUTE)
    assert (made[0].data["tiers"], made[0].data["rules"]) == ([1, 3], "new")
    assert work.rules is None
    router.replay()


def test_a_queue_that_is_gone_goes_on_for_the_work_that_is_in_it() -> None:
    router = Router(routing(tiers="[1, 2]"))
    router.contact("mail-1", requires=WAITS)
    router.publish(routing(tiers="[1, 2]", in_flight="old", queue="other"))
    made = router.wait(10 * MINUTE)
    assert types(made)[0] == "work.stepped"
    assert made[0].data["tiers"] == [1, 2]
    assert router.publish(routing(tiers="[1]", queue="other"))[1].data["tiers"] == []
    router.replay()


def test_whom_older_rules_leave_out_is_left_out_whatever_is_tried_beside_them() -> None:
    """Each policy names the agents it tells apart; those of rules that still hold count as well."""
    router = Router(ROUTING.replace("name: billing\n", "name: billing\n        without: [a01]\n"))
    router.contact("mail-1")
    (work,) = router.pool().works.values()
    router.publish(ROUTING.replace("letter: S", "letter: S\n    in_flight: old"))
    second(router, OTHER)
    for presence in ("away", "available"):
        router.send("agent.presence", kind="agent", agent="a01", data={"presence": presence})
    assert work.state == "queued", "a01 alone could have it"
    router.contact("mail-2")
    assert router.offer().agent_id == "a01", "what came later goes by the new rules"
    router.replay()


def test_a_restart_knows_the_rules_of_all_work() -> None:
    router = Router(routing(tiers="[1, 2]"), restarts=True)
    router.contact("mail-1", requires=WAITS)
    router.publish(routing(tiers="[1, 3]", in_flight="old"))
    assert router.wait(10 * MINUTE)[0].data["tiers"] == [1, 2]
    router.replay()
