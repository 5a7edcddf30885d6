"""Nobody has work in hand for more of the time than the roster allows."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from router_harness import ROSTER, ROUTING, START_MS, Router, types

from vaxel_router.core.limits import SPANS_MAX
from vaxel_router.core.occupancy import Span, busy_ms, kept, most_ms, turn

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
CAPPED = ROSTER.replace("present: true}", "present: true, occupancy: {most: 50, within: 1h}}")


def naive(spans: list[Span], since_ms: int | None, at_ms: int, within_ms: int) -> int:
    """Every millisecond looked at."""
    return sum(
        any(start <= ms < end for start, end in spans) or (since_ms is not None and ms >= since_ms)
        for ms in range(at_ms - within_ms, at_ms)
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Span], int | None, int]:
    edges = sorted(draw(st.lists(st.integers(0, 60), unique=True, max_size=12)))
    spans = list(zip(edges[::2], edges[1::2], strict=False))
    last = spans[-1][1] if spans else 0
    since = draw(st.none() | st.integers(last + 1, 70))
    return spans, since, max(last, since or 0) + draw(st.integers(0, 30))


@given(histories(), st.integers(1, 40), st.integers(1, 99))
def test_the_next_turn_is_where_looking_at_every_millisecond_finds_it(
    history: tuple[list[Span], int | None, int], within_ms: int, percent: int
) -> None:
    spans, since_ms, at_ms = history
    cap_ms = most_ms(percent, within_ms)
    assert busy_ms(spans, since_ms, at_ms, within_ms) == naive(spans, since_ms, at_ms, within_ms)
    full, next_ms = turn(spans, since_ms, at_ms, within_ms, cap_ms)
    then = [
        naive(spans, since_ms, ms, within_ms) >= cap_ms
        for ms in range(at_ms, at_ms + 2 * within_ms + 2)
    ]
    assert full == then[0]
    changes = [at_ms + 1 + i for i, (a, b) in enumerate(pairwise(then)) if a != b]
    assert next_ms == (changes[0] if changes else None)


def test_spans_are_bounded_and_become_one_where_the_gap_is_least() -> None:
    spans = [(10 * i, 10 * i + 5) for i in range(SPANS_MAX)] + [(10 * SPANS_MAX - 4, 10_000)]
    found = kept(spans, 10_000, 100_000)
    assert len(found) == SPANS_MAX
    assert found[-1] == (10 * SPANS_MAX - 10, 10_000), "the last two lay nearest to each other"
    assert kept(spans, 200_000, 100_000) == []


def test_who_had_work_in_hand_for_long_enough_gets_no_more_until_it_is_long_enough_ago() -> None:
    router = Router(ROUTING, CAPPED)
    for other in ("a02", "a03"):
        router.send("agent.presence", kind="agent", agent=other, data={"presence": "away"})
    router.contact("mail-1")
    router.accept()
    agent = router.pool().agents["a01"]
    assert types(router.wait(30 * MINUTE_MS - 1)) == []
    made = router.wait(1)
    assert [(d.type, d.data) for d in made] == [
        ("agent.changed", {"occupied": True, "reason": "occupancy"})
    ]
    assert agent.stop == "occupancy_full"
    work = router.pool().works[agent.works[0]]
    router.act("case.resolve", router.pool().cases[work.case_id])
    router.wait(30_000)
    assert not agent.works, "half an hour, and its wrap-up"
    assert types(router.contact("mail-2"))[-1] == "work.queued"
    waiting = [w for w in router.pool().works.values() if w.state == "queued"]
    assert len(waiting) == 1
    began_ms = agent.spans[0][0]
    made = router.wait(began_ms + HOUR_MS + 30_000 - router.now_ms)
    assert "offer.made" not in types(made), "as much as half of the last hour, still"
    made = router.wait(1)
    assert made[0].data == {"occupied": False, "reason": "occupancy"}
    assert types(made)[1:] == ["offer.made"]
    router.replay()


def test_a_restart_in_between_changes_nothing() -> None:
    seen = []
    for restarts in (False, True):
        router = Router(ROUTING, CAPPED, restarts=restarts)
        router.contact("mail-1")
        router.accept()
        router.wait(40 * MINUTE_MS)
        seen.append([(d.type, d.at_ms, d.data) for d in router.decisions])
    assert seen[0] == seen[1]


@pytest.mark.parametrize(("occupancy", "stop"), [
    ("", ""),
    (", occupancy: {most: 99, within: 1h}", ""),
    (", occupancy: {most: 20, within: 1h}", "occupancy_full"),
])  # fmt: skip
def test_another_cap_holds_at_once(occupancy: str, stop: str) -> None:
    router = Router(ROUTING, CAPPED)
    router.contact("mail-1")
    router.accept()
    router.wait(20 * MINUTE_MS)
    router.roster(ROSTER.replace("present: true}", f"present: true{occupancy}}}"))
    router.wait(0)
    agent = router.pool().agents["a01"]
    assert agent.stop == stop
    assert (agent.busy_ms is None) == (occupancy == ""), "what was before the cap isn't counted"
    router.replay()


def test_work_in_hand_when_a_cap_is_set_counts_from_then_on() -> None:
    router = Router(ROUTING, ROSTER)
    router.contact("mail-1")
    router.accept()
    router.wait(HOUR_MS)
    router.roster(CAPPED)
    assert router.pool().agents["a01"].busy_ms == START_MS + HOUR_MS
    assert router.pool().agents["a01"].stop == ""
