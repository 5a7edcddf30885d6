"""Agents by the clock: shifts, a fair share in a time, a pause after hard work."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from router_harness import ROSTER, ROUTING, START_MS, Router, types

from vaxel_router.core.opening import Opening
from vaxel_router.core.policy import decode
from vaxel_router.core.shifts import look
from vaxel_shared.calendars.calendar import BusinessCalendar
from vaxel_shared.calendars.holidays import country
from vaxel_shared.calendars.hours import parse_hours
from vaxel_shared.calendars.zones import zone
from vaxel_shared.config import source
from vaxel_shared.config.routing import Routing, policy_version, pool_policy
from vaxel_shared.config.sla import opening
from vaxel_shared.config.source import validate

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
DAILY = {"zone": "UTC", "week": [[[8 * HOUR_MS, 16 * HOUR_MS]]] * 7}
"""START_MS is 22:13:20 of a Tuesday."""
SHIFTS = ROSTER.replace("present: true}", "present: true, shift: day}")


def router_with(calendars: dict[str, object], roster: str = SHIFTS) -> Router:
    router = Router(publish=False)
    adopt(router, calendars)
    router.roster(roster)
    router.wait(0)
    return router


def adopt(router: Router, calendars: dict[str, object]) -> None:
    routing = validate(Routing, source.parse("routing.yaml", ROUTING.encode()))
    blob = pool_policy(routing.pools[0], calendars, calendars)
    version = policy_version(blob)
    router.library[version], router.blobs[version] = decode(blob), blob
    data = {"kind": "routing", "version": version, "ref": f"policy/{version}"}
    router.send("policy.publish", data=data)
    router.wait(0)


def to(router: Router, text: str) -> list[str]:
    """Time passes until then, with the router there; answers the types of what was decided."""
    end_ms, made = round(datetime.fromisoformat(text).timestamp() * 1000), []
    while (due := router.world.next_timer()) is not None and due[0] <= end_ms:
        made += types(router.wait(max(due[0] - router.now_ms, 0)))
    return made + types(router.wait(end_ms - router.now_ms))


def test_new_work_comes_within_the_shift_only() -> None:
    router = router_with({"day": DAILY})
    agent = router.pool().agents["a01"]
    assert (agent.presence, agent.standing) == ("available", "off_shift")
    assert types(router.contact("mail-1"))[-1] == "work.queued"
    assert "offer.made" not in to(router, "2023-11-15T07:59:59+00:00")
    assert "offer.made" in to(router, "2023-11-15T08:00:00+00:00")
    router.accept()
    router.contact("mail-2")
    assert router.offer().agent_id == "a01"
    made = to(router, "2023-11-15T16:00:00+00:00")
    assert "offer.ended" in made
    assert "work.closed" not in made, "work in hand stays"
    assert router.pool().agents["a01"].standing == "off_shift"
    ended = [d for d in router.decisions if d.type == "offer.ended"][-1]
    assert (ended.data["outcome"], ended.data["reason"]) in (
        ("withdrawn", "shift_over"), ("unseen", "not_reported_sent"),
    )  # fmt: skip
    router.replay()


def test_a_policy_without_the_calendar_keeps_nobody_from_work() -> None:
    router = router_with({"day": DAILY})
    assert types(router.contact("mail-1"))[-1] == "work.queued"
    adopt(router, {})
    assert router.pool().offers
    assert router.pool().agents["a01"].shift_ms is None
    adopt(router, {"day": DAILY})
    assert not router.pool().offers, "what is shown is taken back"
    router.replay()


def test_a_shift_that_was_never_on_is_looked_at_again() -> None:
    never = {"zone": "UTC", "week": [[]] * 7, "dates": {"2027-01-01": [[0, HOUR_MS]]}}
    router = router_with({"day": never})
    agent = router.pool().agents["a01"]
    assert agent.standing == "off_shift"
    assert agent.shift_ms is not None
    assert agent.shift_ms > router.now_ms + 300 * DAY_MS
    router.replay()


@pytest.mark.parametrize(
    ("week", "at", "expected"),
    [
        ([[[22 * HOUR_MS, DAY_MS]], [[0, 6 * HOUR_MS]], [], [], [], [], []],
         "2026-01-05T23:00:00+00:00", (True, "2026-01-06T06:00:00+00:00")),
        ([[], [[0, 6 * HOUR_MS]], [], [], [], [], []],
         "2026-01-05T23:00:00+00:00", (False, "2026-01-06T00:00:00+00:00")),
        ([[[HOUR_MS, 2 * HOUR_MS], [3 * HOUR_MS, 4 * HOUR_MS]], [], [], [], [], [], []],
         "2026-01-05T01:30:00+00:00", (True, "2026-01-05T02:00:00+00:00")),
        ([[[HOUR_MS, 2 * HOUR_MS], [3 * HOUR_MS, 4 * HOUR_MS]], [], [], [], [], [], []],
         "2026-01-05T02:00:00+00:00", (False, "2026-01-05T03:00:00+00:00")),
        ([[[HOUR_MS, 2 * HOUR_MS]], [], [], [], [], [], []],
         "2026-01-05T02:00:00+00:00", (False, "2026-01-12T01:00:00+00:00")),
    ],
)  # fmt: skip
def test_edges(week: list[list[tuple[int, int]]], at: str, expected: tuple[bool, str]) -> None:
    on, until_ms = look(Opening("UTC", week), _ms(at))
    assert until_ms is not None
    assert (on, datetime.fromtimestamp(until_ms / 1000, UTC).isoformat()) == expected


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def test_a_day_and_night_shift_is_on_and_one_without_hours_never() -> None:
    on, until_ms = look(Opening("UTC", [[(0, DAY_MS)]] * 7), START_MS)
    assert on
    assert until_ms is not None
    assert until_ms > START_MS
    assert look(Opening("UTC", [[]] * 7), START_MS) == (False, None)
    assert look(Opening("UTC", [[(0, DAY_MS)]] * 7), 2**53) == (True, None)


def test_holidays_come_as_dates_and_the_clocks_change_counts() -> None:
    made = BusinessCalendar(
        "kontor", zone("Europe/Copenhagen"), (parse_hours(["08:00-16:00"]),) * 5 + ((), ()),
        days_off=(country("DK", None, ["public"]),),
    )  # fmt: skip
    plain = opening(made)
    assert plain["dates"]["2026-12-25"] == []
    assert "2026-12-26" not in plain["dates"], "a Saturday is off anyway"
    [calendar] = decode_calendars({"kontor": plain})
    edges, at_ms = [], _ms("2026-03-27T00:00:00+00:00")
    for _ in range(4):
        _, until_ms = look(calendar, at_ms)
        assert until_ms is not None
        edges.append(datetime.fromtimestamp(until_ms / 1000, UTC).isoformat()[5:16])
        at_ms = until_ms
    assert edges == ["03-27T07:00", "03-27T15:00", "03-30T06:00", "03-30T14:00"]


def decode_calendars(calendars: dict[str, object]) -> list[Opening]:
    routing = validate(Routing, source.parse("routing.yaml", ROUTING.encode()))
    return list(decode(pool_policy(routing.pools[0], calendars, calendars)).calendars.values())


@pytest.mark.parametrize(
    "wrong",
    [
        {"zone": "Nowhere/At", "week": [[]] * 7},
        {"zone": "UTC", "week": [[]] * 6},
        {"zone": "UTC", "week": [[[5, 4]]] * 7},
        {"zone": "UTC", "week": [[]] * 7, "dates": {"soon": []}},
    ],
)
def test_what_is_no_calendar_is_no_policy(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="calendar x"):
        decode_calendars({"x": json.loads(json.dumps(wrong))})


def test_nobody_gets_more_than_the_share_within_the_time() -> None:
    roster = ROSTER.replace("capacity: 2", "capacity: 9").replace("max: 2}", "max: 9}")
    share = ", share: {most: 2, within: 1h}}"
    router = Router(ROUTING, roster.replace("present: true}", "present: true" + share))
    for other in ("a02", "a03"):
        router.send("agent.presence", kind="agent", agent=other, data={"presence": "away"})
    got: list[int] = []
    for number in range(6):
        router.contact(f"mail-{number}")
    while len(got) < 6:
        while router.pool().offers:
            assert router.offer().agent_id == "a01"
            router.accept()
            got.append(router.now_ms)
        agent = router.pool().agents["a01"]
        assert agent.stop == "share_full"
        made = router.contact(f"more-{len(got)}")
        assert types(made)[-1] == "work.queued"
        router.wait(agent.recent[0] + HOUR_MS - router.now_ms)
    assert all(third - first >= HOUR_MS for first, third in zip(got, got[2:], strict=False))
    router.replay()


def test_a_decline_is_no_part_of_the_share() -> None:
    router = Router(
        ROUTING, ROSTER.replace("present: true}", "present: true, share: {most: 1, within: 1h}}")
    )
    router.contact("mail-1")
    router.contact("mail-2")
    assert len(router.pool().offers) == 1
    assert "offer.made" in types(router.decline())


def test_hard_work_is_followed_by_a_pause() -> None:
    routing = ROUTING.replace("skills: {billing: 1}", "skills: {billing: 1}\n        cool_down: 5m")
    router = Router(routing)
    for number in range(3):
        router.contact(f"mail-{number}")
    router.accept(next(iter(router.pool().offers.values())))
    case = router.pool().cases[router.pool().works[router.pool().agents["a01"].works[0]].case_id]
    router.act("case.resolve", case)
    made = router.wait(30_000)
    assert types(made) == ["work.closed", "agent.changed"], "after the wrap-up"
    assert made[1].data == {"rest_ms": router.now_ms + 300_000, "reason": "cool_down"}
    assert router.pool().agents["a01"].stop == "resting"
    assert len(router.pool().agents["a01"].offers) == 1, "what was shown before stays"
    made = router.wait(300_000)
    assert [d.agent_id for d in made if d.type == "offer.made"][:1] == ["a01"]
    assert router.pool().agents["a01"].rest_ms is None
    router.replay()


def test_edges_follow_each_other() -> None:
    calendar = Opening("Europe/Helsinki", [[(HOUR_MS, 2 * HOUR_MS), (3 * HOUR_MS, DAY_MS)]] * 7)
    at_ms, seen = START_MS, []
    for _ in range(40):
        on, until_ms = look(calendar, at_ms)
        assert until_ms is not None
        seen.append(on)
        at_ms = until_ms
    assert all(before != after for before, after in pairwise(seen))
