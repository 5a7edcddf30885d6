"""A queue that divides its work by percentage: exactly, in any order, and to one side for good."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from router_harness import ROSTER, Router

from vaxel_router.core.shares import furthest_behind
from vaxel_shared.config.document import ConfigError

ROUTING = """
pools:
  - name: support
    letter: S
    queues:
      - {{name: incoming, shares: {shares}, steps: [{{after: 0s, tiers: [1]}}]}}
      - {{name: house, steps: [{{after: 0s, tiers: [1]}}]}}
      - {{name: vendor, steps: [{{after: 0s, tiers: [1]}}]}}
"""


def a_router(shares: str = "{house: 70, vendor: 30}") -> Router:
    return Router(ROUTING.format(shares=shares), ROSTER, restarts=True)


def queues(router: Router) -> list[str]:
    return [one.data["queue"] for one in router.decisions if one.type == "work.queued"]


def test_work_is_divided_as_the_shares_say_and_a_replay_divides_alike() -> None:
    router = a_router()
    for number in range(20):
        router.contact(f"m{number}", queue="incoming")
        counts = Counter(queues(router))
        assert abs(counts["house"] - 0.7 * (number + 1)) < 1
    assert counts == {"house": 14, "vendor": 6}
    assert router.last("work.queued").data["share_of"] == "incoming"
    router.replay()


def test_the_greatest_share_has_the_first() -> None:
    shares, given_ = {"a": 10, "z": 90}, Counter[str]()
    for _ in range(10):
        given_[furthest_behind(shares, given_)] += 1
        assert given_["a"] <= given_["z"]
    assert given_ == {"a": 1, "z": 9}


def test_a_case_stays_on_its_side_and_other_queues_are_not_counted() -> None:
    router = a_router()
    router.contact("m1", queue="incoming")
    case = next(iter(router.pool().cases.values()))
    assert case.queue == "house"
    router.contact("m2", queue="vendor")
    router.accept(next(o for o in router.pool().offers.values() if o.work_id.startswith(case.id)))
    router.reply(case, then="waiting")
    router.contact("m3", conversation="m1", queue="incoming")
    assert queues(router) == ["house", "vendor", "house"]
    assert router.pool().shares == {"incoming": {"house": 1}}


def test_a_transfer_to_such_a_queue_is_divided_too() -> None:
    router = a_router("{vendor: 100}")
    router.contact("m1", queue="house")
    router.accept()
    note = {"note_ref": "note/" + "0" * 64, "note_sha256": "0" * 64, "note_size": 3}
    router.act("case.transfer", router.case(), to_queue="incoming", **note)
    assert queues(router) == ["house", "vendor"]
    router.replay()


def test_another_policy_divides_from_the_beginning() -> None:
    router = a_router("{house: 100}")
    for number in range(5):
        router.contact(f"m{number}", queue="incoming")
    router.publish(ROUTING.format(shares="{house: 50, vendor: 50}"))
    for number in range(5, 9):
        router.contact(f"m{number}", queue="incoming")
    assert queues(router)[5:] == ["house", "vendor", "house", "vendor"]
    router.replay()


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        ("{house: 70, vendor: 40}", "add up to 100"),
        ("{incoming: 100}", "incoming"),
    ],
)
def test_shares_that_can_not_be_meant_are_no_configuration(shares: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        a_router(shares)


@settings(deadline=None)
@given(st.lists(st.integers(1, 100), min_size=2, max_size=2), st.integers(1, 300))
def test_two_shares_are_never_off_by_a_whole_work(weights: list[int], count: int) -> None:
    shares = {f"q{number}": weight for number, weight in enumerate(weights)}
    given_: Counter[str] = Counter()
    for number in range(1, count + 1):
        given_[furthest_behind(shares, given_)] += 1
        for name, weight in shares.items():
            assert abs(given_[name] * sum(weights) - weight * number) <= sum(weights)
