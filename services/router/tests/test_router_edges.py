"""What small defects put into the core showed that nobody had looked at (``make mutants``)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from router_harness import ROSTER, ROUTING, Router, types

from vaxel_router.core import limits, step, views
from vaxel_router.core.limits import DAY_MS, MEMORY_DAYS
from vaxel_router.core.numbers import is_valid
from vaxel_router.core.policy import decode
from vaxel_router.core.state import Case
from vaxel_shared.contracts import wire

MINUTE_MS = 60_000
NOTE = {"note_ref": "note/" + "0" * 64, "note_sha256": "0" * 64, "note_size": 3}


def test_whoever_hands_work_on_is_spared_it_for_a_time_and_whom_it_is_for_comes_first() -> None:
    router = Router()
    router.contact("mail-1", queue="general")
    router.accept()
    case = router.case()
    holder = router.pool().works[case.work_id or ""].agent_id
    router.act("case.transfer", case, to_agent="a04", **NOTE)
    work = router.pool().works[case.work_id or ""]
    assert work.barred == {holder: router.now_ms + 60 * MINUTE_MS}, "bar_after_decline"
    assert (work.prefer_agent, work.prefer_until_ms) == ("a04", router.now_ms + 60 * MINUTE_MS)


def test_what_is_raised_to_another_tier_stays_in_its_queue_while_that_is_diverted() -> None:
    router = Router()
    router.contact("mail-1")
    router.accept()
    data = {"switch": "divert", "queue": "billing", "value": "general", "on": True, "reason": "x"}
    router.send("switch.set", kind="supervisor", data=data | {"until_ms": router.now_ms + 9_000})
    router.act("case.escalate", router.case(), tier=2)
    assert router.pool().works[router.case().work_id or ""].queue == "billing"


def one_of_two(router: Router) -> tuple[Case, Case, str | None]:
    """A case in hand, another that was merged into it, and who has it."""
    for name in ("mail-1", "mail-2"):
        router.contact(name, queue="general")
    first, second = router.pool().cases.values()
    router.accept(router.pool().offers[router.pool().works[first.work_id or ""].offer_id or ""])
    router.send("case.merge", kind="supervisor", case=second.id, data={"target": first.id})
    return first, second, router.pool().works[first.work_id or ""].agent_id


def test_only_whoever_had_a_case_last_takes_it_apart() -> None:
    router = Router()
    first, second, holder = one_of_two(router)
    router.reply(first, then="waiting")
    router.wait(31_000)
    assert first.work_id is None
    for agent, said in (("a03", "command.refused"), (holder, "case.split")):
        made = router.send(
            "case.split", kind="agent", agent=agent, case=first.id, data={"target": second.id}
        )
        assert made[0].type == said, agent


def test_a_roster_that_lets_more_go_than_one_record_takes_goes_on_in_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(step, "DECISIONS_MAX", 2)
    router = Router()
    one = "\n".join(line for line in ROSTER.splitlines() if "id: a0" not in line or "a01" in line)
    router.roster(one)
    assert list(router.pool().agents) == ["a01"]
    router.replay()


@pytest.mark.parametrize("data", [
    {"switch": "nonsense", "queue": "billing"},
    {"switch": "close"},
    {"switch": "divert", "value": "general"},
])  # fmt: skip
def test_a_switch_that_is_none_or_names_no_queue_is_refused(data: dict[str, Any]) -> None:
    router = Router()
    given = {"on": True, "reason": "drill", "until_ms": router.now_ms + MINUTE_MS} | data
    made = router.send("switch.set", kind="supervisor", data=given)
    assert (made[0].type, made[0].data["code"]) == ("command.refused", "invalid_data")


def test_an_old_contact_that_another_pool_hands_over_was_not_applied_before() -> None:
    router = Router()
    router.contact("mail-1")
    old_ms = router.now_ms - (MEMORY_DAYS + 1) * DAY_MS
    assert types(router.contact("mail-2", received_at_ms=old_ms, src=[0, 0])) == [
        "command.repeated"
    ]
    passed_on = {"from_pool": "other", "case_id": "case-x", "hops": 1}
    made = router.contact("mail-3", received_at_ms=old_ms, src=[0, 0], forwarded=passed_on)
    assert types(made) != ["command.repeated"]


@pytest.mark.parametrize(("more", "timer"), [
    (", share: {most: 1, within: 1h}", "share:support:a01"),
    (", occupancy: {most: 50, within: 1h}", "occupied:support:a01"),
])  # fmt: skip
def test_a_limit_that_a_roster_takes_away_leaves_no_timer(more: str, timer: str) -> None:
    router = Router(roster=ROSTER.replace("present: true}", f"present: true{more}}}"))
    router.contact("mail-1")
    router.accept()
    assert timer in router.world.state.timers
    router.roster(ROSTER)
    assert timer not in router.world.state.timers


@pytest.mark.parametrize("promise", [
    {"at": "x:9", "within_ms": 60_000, "cost": 0},
    {"at": "x:9", "within_ms": -1, "cost": 1},
])  # fmt: skip
def test_a_promise_that_is_none_is_no_policy(promise: dict[str, Any]) -> None:
    queue = {"at": "x:2", "name": "general", "steps": [{"at": "x:3", "after_ms": 0, "tiers": [1]}]}
    policy = {"at": "x:1", "name": "support", "letter": "S", "queues": [queue]}
    assert decode(wire.encode(policy)).queues[0].promise is None
    queue["promise"] = promise
    with pytest.raises(ValueError, match="promise"):
        decode(wire.encode(policy))


@pytest.mark.parametrize("text", ["", "S", "S-!", "ÅÄÖ"])
def test_what_has_no_check_character_is_no_number(text: str) -> None:
    assert is_valid(text) is False


def test_who_puts_nothing_aside_has_nothing_aside() -> None:
    router = Router()
    assert [agent["aside"] for agent in views.agents(router.world)] == [[]] * 4


def test_what_is_matched_one_by_one_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vaxel_router.core.cycle.LOOKS_MAX", 3)
    windowed = ROUTING.replace("    queues:", "    match: {window: 2s}\n    queues:")
    router = Router(re.sub(r"sticky_wait: 1h", "sticky_wait: 0s", windowed))
    for number in range(3):
        router.contact(f"c{number}", queue="general")
    made = router.wait(2_000)
    window = router.last("switch.changed").data["window"]
    assert window["matched"] == types(made).count("offer.made") == 3


def test_nobody_takes_a_case_apart_that_another_has_in_hand() -> None:
    router = Router()
    first, second, holder = one_of_two(router)
    other = next(name for name in sorted(router.pool().agents) if name != holder)
    work = router.pool().works[first.work_id or ""]
    refused = "command.refused"
    for agent, token, said in (
        (other, work.token, refused), (holder, "0.0", refused), (holder, work.token, "case.split"),
    ):  # fmt: skip
        made = router.send(
            "case.split", kind="agent", agent=agent, case=first.id, token=token,
            data={"target": second.id},
        )  # fmt: skip
        assert made[0].type == said


@pytest.mark.parametrize(("hops", "becomes"), [
    (limits.HOPS_MAX - 1, "contact.forwarded"), (limits.HOPS_MAX, "case.opened"),
])  # fmt: skip
def test_what_pools_pass_on_to_each_other_is_taken_after_so_many(hops: int, becomes: str) -> None:
    router = Router()
    before = {"from_pool": "other", "case_id": "there", "hops": hops}
    made = router.contact("mail-1", forwarded=before)
    assert made[0].type == becomes


def test_a_queue_says_since_when_its_oldest_waits_and_nobody_in_hand_counts() -> None:
    router = Router()
    start_ms = router.now_ms
    roomless = ROSTER.replace("present: true", "present: false")
    router.contact("mail-1", queue="general")
    router.accept()
    router.roster(roomless)
    (row,) = (one for one in views.queues(router.world) if one["queue"] == "general")
    assert (row["assigned"], row["waiting"]) == (1, 0)
    assert "oldest_since_ms" not in row
    for agent in sorted(router.pool().agents):
        away = {"presence": "away", "mode": "keep"}
        router.send("agent.presence", kind="agent", agent=agent, data=away)
    for name in ("mail-2", "mail-3"):
        router.wait(MINUTE_MS)
        router.contact(name, queue="general")
    (row,) = (one for one in views.queues(router.world) if one["queue"] == "general")
    assert (row["waiting"], row["oldest_since_ms"]) == (2, start_ms + MINUTE_MS)


def test_what_somebody_who_is_gone_had_comes_back_however_many_records_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    router = Router()
    for number in range(4):
        router.contact(f"mail-{number}", queue="general")
        router.accept()
    holders = {work.agent_id for work in router.pool().works.values()}
    monkeypatch.setattr(step, "DECISIONS_MAX", 2)
    for agent in sorted(one for one in holders if one is not None):
        data = {"presence": "offline", "lost": True}
        router.send("agent.presence", agent=agent, data=data)
    for _ in range(20):
        router.wait(MINUTE_MS // 5)
    offline = [one for one in router.pool().agents.values() if one.presence == "offline"]
    assert len(offline) >= len(holders)
    assert [one.works for one in offline if one.works] == []
