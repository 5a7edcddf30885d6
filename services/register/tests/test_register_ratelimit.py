"""The token bucket: never more than it promises, and honest about the wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vaxel_register.core.limits import BUCKETS_MAX
from vaxel_register.core.ratelimit import RateLimit


def test_a_burst_then_a_wait_that_is_enough() -> None:
    limit = RateLimit(10, 3)
    assert [limit.wait_ms("a", 0) for _ in range(4)] == [0, 0, 0, 101]
    assert limit.wait_ms("a", 101) == 0
    assert limit.wait_ms("b", 0) == 0


def test_subjects_beyond_the_bound_are_forgotten_oldest_first() -> None:
    limit = RateLimit(1, 1)
    for number in range(BUCKETS_MAX + 1):
        assert limit.wait_ms(str(number), 0) == 0
    assert limit.wait_ms(str(BUCKETS_MAX), 0) > 0
    assert limit.wait_ms("0", 0) == 0


@given(st.lists(st.integers(0, 400), max_size=200))
def test_no_pattern_gets_more_than_burst_and_rate(pauses: list[int]) -> None:
    limit, now_ms, taken = RateLimit(5, 4), 0, 0
    for pause in pauses:
        now_ms += pause
        taken += limit.wait_ms("a", now_ms) == 0
    assert taken <= 4 + 5 * now_ms / 1000 + 1e-6
