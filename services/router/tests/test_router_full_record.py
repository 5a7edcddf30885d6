"""Records that are cut short, by their size or by an input that can't be folded, lose nothing."""

from __future__ import annotations

import pytest
from router_harness import Router

from vaxel_router.core import step
from vaxel_router.core.engine import Batch, Input

ROUTING = """
pools:
  - name: support
    letter: S
    offer: {limit: 10m, bar_after_decline: 1m, bar_after_miss: 0s}
    queues:
      - name: billing
        steps: [{after: 0s, tiers: [1]}]
"""
ROSTER = """
agents:
  - {id: a01, name: A One, email: a01@agents.example, pool: support, tier: 1, skills: {}, languages: {fi: 10}, capacity: 1, channels: {email: {cost: 1, max: 1}}, present: true}
"""


def test_who_waited_longer_is_offered_first_although_the_record_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    router = Router(ROUTING, ROSTER)
    router.contact("m0")
    older = router.case()
    router.decline()  # a01 is barred from it for a minute
    router.contact("m1")
    younger = router.case()
    router.wait(120_000)
    assert router.pool().works[younger.work_id or ""].state == "offered"
    monkeypatch.setattr(step, "DECISIONS_MAX", 1)
    router.wait(600_000)
    assert router.pool().works[older.work_id or ""].state == "offered"
    router.replay()


TWO = (
    ROUTING.replace("bar_after_miss: 0s", "bar_after_miss: 0s, misses_before_away: 1").replace(
        "tiers: [1]}", "tiers: [1]}, {after: 9m, tiers: [1, 2]}"
    ),
    ROSTER
    + """  - {id: b01, name: B One, email: b01@agents.example, pool: support, tier: 2, skills: {}, languages: {fi: 10}, capacity: 9, channels: {email: {cost: 1, max: 9}}, present: true}
""",
)


def test_whose_offer_was_missed_is_offered_to_the_next_although_the_record_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    router = Router(*TWO)
    router.contact("m0")
    router.sent(router.offer())
    monkeypatch.setattr(step, "DECISIONS_MAX", 1)
    router.wait(10 * 60_000)
    router.wait(0)
    work = router.pool().works[router.case().work_id or ""]
    assert (work.state, router.offer().agent_id) == ("offered", "b01")


def test_an_input_that_is_set_aside_passes_no_timer_by() -> None:
    router = Router(ROUTING, ROSTER)
    router.contact("m0")
    due_ms = router.offer().expires_ms
    batch = Batch(router.world, router.library, seq=router.seq + 1, wall_ms=due_ms)
    batch.reject(Input(len(router.work), due_ms + 60_000, None), "raised:ZeroDivisionError")
    assert router.world.state.now_ms == due_ms - 1
    ended = router.wait(11 * 60_000)[0]
    assert (ended.type, ended.at_ms) == ("offer.ended", due_ms)
