"""Queues with hours: closed outside of them, by a timer for each opening and closing."""

from __future__ import annotations

from datetime import datetime

import pytest
from router_harness import Router, types

from vaxel_router.core import hours, switches
from vaxel_router.core.opening import LOOK_MS, Hours, Opening, calendar_of, hours_at
from vaxel_shared.contracts import wire

HOUR = 3_600_000
OFFICE = [[8 * HOUR, 16 * HOUR]]
WEEK = [OFFICE, OFFICE, OFFICE, OFFICE, OFFICE, [], []]
OPENINGS = {
    "office": {"zone": "Europe/Helsinki", "week": WEEK, "dates": {"2023-11-16": []}},
}
ROUTING = """
pools:
  - name: support
    letter: S
    queues:
      - name: billing
        skills: {{billing: 1}}
        hours: {{calendar: office{to}}}
        steps: [{{after: 0s, tiers: [1]}}, {{after: 30m, tiers: [1, 2]}}]
      - name: general
        steps: [{{after: 0s, tiers: [1, 2, 3]}}]
"""


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def opening(
    week: list[list[list[int]]], dates: dict[str, list[list[int]]] | None = None
) -> Opening:
    stretches = [[(start, end) for start, end in day] for day in week]
    special = {day: [(s, e) for s, e in hours] for day, hours in (dates or {}).items()}
    return Opening("Europe/Helsinki", stretches, special)


DAY = [[0, 24 * HOUR]]


@pytest.mark.parametrize(
    ("week", "dates", "now", "is_open", "until"),
    [
        (WEEK, {}, "2023-11-15T07:59:59+02:00", False, "2023-11-15T08:00:00+02:00"),
        (WEEK, {}, "2023-11-15T08:00:00+02:00", True, "2023-11-15T16:00:00+02:00"),
        (WEEK, {}, "2023-11-15T16:00:00+02:00", False, "2023-11-16T08:00:00+02:00"),
        (WEEK, {}, "2023-11-17T18:00:00+02:00", False, "2023-11-20T08:00:00+02:00"),
        (WEEK, {"2023-11-16": []}, "2023-11-15T17:00:00+02:00", False, "2023-11-17T08:00:00+02:00"),
        (WEEK, {"2023-11-18": OFFICE}, "2023-11-18T09:00:00+02:00", True, "2023-11-18T16:00:00+02:00"),
        # over the clock's change: eight on the clock, an hour sooner or later
        (WEEK, {}, "2023-10-27T17:00:00+03:00", False, "2023-10-30T08:00:00+02:00"),
        # hours that meet at midnight are one stretch
        ([DAY, DAY, [], [], [], [], []], {}, "2023-11-13T09:00:00+02:00", True, "2023-11-15T00:00:00+02:00"),
        ([DAY] * 6 + [[]], {}, "2023-11-13T09:00:00+02:00", True, "2023-11-19T00:00:00+02:00"),
    ],
)  # fmt: skip
def test_hours_are_of_the_wall_clock(
    week: list[list[list[int]]], dates: dict[str, list[list[int]]], now: str, is_open: bool,
    until: str,
) -> None:  # fmt: skip
    calendar = calendar_of(opening(week, dates))
    assert hours_at(calendar, ms(now)) == Hours(is_open, ms(until))


def test_hours_that_never_change_are_looked_at_again_within_a_year_or_so() -> None:
    now_ms = ms("2023-11-15T12:00:00+02:00")
    always = hours_at(calendar_of(opening([DAY] * 7)), now_ms)
    assert always.is_open
    assert always.until_ms >= now_ms + LOOK_MS
    assert hours_at(calendar_of(opening([[]] * 7)), now_ms) == Hours(False, now_ms + LOOK_MS)


def at_work(to: str = "") -> Router:
    """It begins at 00:13 on Wednesday the 15th of November 2023, in Helsinki."""
    router = Router()
    router.publish(ROUTING.format(to=to), OPENINGS)
    return router


def until(router: Router, text: str) -> list[wire.Decision]:
    return router.wait(ms(text) - router.now_ms)


def test_work_waits_for_the_opening_in_its_place_and_its_steps_rest() -> None:
    router = at_work()
    assert "offer.made" not in types(router.contact("mail-1"))
    assert until(router, "2023-11-15T07:59:59+02:00") == [], "no step passes while it is closed"
    made = until(router, "2023-11-15T08:00:00+02:00")
    assert types(made) == ["switch.changed", "offer.made"]
    assert made[0].cause == "timer:switch:hours:billing"
    assert made[0].data["on"] is False
    assert made[0].data["until_ms"] == ms("2023-11-15T16:00:00+02:00")
    router.accept()
    router.act("case.resolve", router.case())
    until(router, "2023-11-15T16:00:00+02:00")
    router.contact("mail-2")
    assert not router.pool().offers
    until(router, "2023-11-16T12:00:00+02:00")
    assert not router.pool().offers, "it is a holiday"
    until(router, "2023-11-17T08:00:00+02:00")
    assert len(router.pool().offers) == 1
    router.replay()


def test_outside_its_hours_another_queue_takes_what_comes_and_what_waits() -> None:
    router = at_work(", to: general")
    queued = next(d for d in router.contact("mail-1") if d.type == "work.queued")
    assert (queued.data["queue"], queued.data["detour"]) == ("general", "hours")
    until(router, "2023-11-15T09:00:00+02:00")
    router.contact("mail-2", requires={"languages": ["xx"]})
    made = until(router, "2023-11-15T16:00:00+02:00")
    moved = next(d for d in made if d.data.get("queue") == "general" and d.type == "work.stepped")
    assert moved.data["reason"] == "hours"
    router.replay()


def test_what_a_person_closed_stays_closed_when_its_hours_begin() -> None:
    router = at_work()
    router.contact("mail-1")
    end = ms("2023-11-15T10:00:00+02:00")
    given = {"switch": "close", "queue": "billing", "reason": "flood", "until_ms": end}
    router.send("switch.set", kind="supervisor", data=given)
    until(router, "2023-11-15T09:59:00+02:00")
    assert not router.pool().offers
    until(router, "2023-11-15T10:00:00+02:00")
    assert len(router.pool().offers) == 1
    router.replay()


def test_hours_end_with_the_policy_that_has_them() -> None:
    router = at_work()
    router.contact("mail-1")
    text = ROUTING.format(to="").replace("hours: {calendar: office}", "")
    made = router.publish(text)
    assert types(made) == ["policy.adopted", "switch.changed", "offer.made"]
    assert not router.pool().switches
    assert not router.pool().shut
    router.replay()


def test_a_queue_that_is_open_by_its_hours_is_no_switch_that_is_on() -> None:
    router = at_work()
    (row,) = switches.active(router.pool())
    closed = {"switch": "hours", "queue": "billing", "reason": "outside_hours"}
    assert {name: row[name] for name in closed} == closed
    until(router, "2023-11-15T08:00:00+02:00")
    assert switches.active(router.pool()) == []


def test_a_new_policy_says_of_hours_only_what_it_changes() -> None:
    router = at_work()
    text = ROUTING.format(to="").replace("30m", "40m")
    assert types(router.publish(text, OPENINGS)) == ["policy.adopted"]
    (row,) = switches.active(router.pool())
    assert row["until_ms"] == ms("2023-11-15T08:00:00+02:00")
    early = [[7 * HOUR, 16 * HOUR]]
    week = {"office": {"zone": "Europe/Helsinki", "week": [early] * 7}}
    made = router.publish(text.replace("40m", "50m"), week)
    assert types(made) == ["policy.adopted", "switch.changed"]
    assert made[1].data["until_ms"] == ms("2023-11-15T07:00:00+02:00")
    router.replay()


def test_more_calendars_than_are_remembered_are_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hours, "CALENDARS_MAX", 1)
    monkeypatch.setattr(hours, "_calendars", {("gone", "billing"): object()})
    router = at_work()
    router.contact("mail-1")
    assert types(until(router, "2023-11-15T08:00:00+02:00")) == ["switch.changed", "offer.made"]
    assert len(hours._calendars) == 1
