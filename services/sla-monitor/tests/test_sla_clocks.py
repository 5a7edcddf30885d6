"""Clocks by what happens to a case: in time, too late, paused, reopened, moved, repeated."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sla_kit import HOUR, MIN, POLICY, T0, Told, said

from vaxel_shared.contracts.sla import Due, Move
from vaxel_sla_monitor.core.state import decode, encode
from vaxel_sla_monitor.core.step import step
from vaxel_sla_monitor.core.telling import command_of

STARTED = ["first_response started", "resolution started"]


def test_an_answer_in_time_meets_the_first_response():
    told = Told()
    assert told.open() == STARTED
    assert told.known(30 * MIN) == []  # 50 % is at 30 minutes, and only past it
    assert told.known(30 * MIN + 1) == ["first_response warned 50"]
    assert told.move("case.replied", 60 * MIN) == ["first_response warned 75", "first_response met"]
    assert told.known(61 * MIN) == []


def test_an_answer_a_millisecond_late_breaches_although_no_timer_ran():
    told = Told()
    told.open()
    assert told.move("case.replied", 60 * MIN + 1) == [
        "first_response warned 50", "first_response warned 75", "first_response breached",
        "first_response stopped",
    ]  # fmt: skip
    breach = told.events[-2]
    assert breach.at_ms == breach.due_ms == T0 + 60 * MIN
    assert breach.detected_ms == T0 + 60 * MIN + 1
    assert sum(item.counted_ms for item in breach.segments) == breach.target_ms == HOUR
    assert told.events[-1].told == ["warning.50", "warning.75", "breach"]


def test_time_runs_from_when_the_message_was_received():
    told = Told()
    told.open(20 * MIN, received=0)
    assert told.known(60 * MIN + 1)[-1] == "first_response breached"


def test_overdue_stages_are_told_once_each_in_order_after_an_outage():
    told = Told()
    told.open()
    assert told.known(10 * HOUR) == [
        "first_response warned 50", "first_response warned 75", "first_response breached",
        "resolution warned 50", "resolution warned 75", "resolution breached",
    ]  # fmt: skip
    assert told.known(20 * HOUR) == []
    assert all(event.catchup for event in told.events[2:])


def test_a_timer_ahead_of_its_mark_or_out_of_date_does_nothing():
    told = Told()
    told.open()
    clock = told.case.clocks["first_response"]
    base = {"case_id": "case-1", "clock": "first_response", "cycle": 1, "stage": "breach"}
    for changes in (
        {"due_ms": clock.due_ms, "known_ms": clock.due_ms},
        {"due_ms": clock.due_ms - 1, "known_ms": clock.due_ms + 1},
        {"due_ms": clock.due_ms, "known_ms": clock.due_ms + 1, "cycle": 2},
        {"due_ms": clock.due_ms, "known_ms": clock.due_ms + 1, "clock": "resolution"},
    ):
        assert told.feed(Due(**base | changes)) == []
    assert step(None, Due(**base, due_ms=1, known_ms=2), told.rules).case is None


def test_an_answer_in_time_that_is_read_late_takes_the_breach_back():
    told = Told()
    told.open()
    told.known(61 * MIN)
    assert told.move("case.replied", 60 * MIN) == ["first_response retracted", "first_response met"]
    taken_back = next(event for event in told.events if event.type == "retracted")
    assert taken_back.retracts == "breach"
    assert command_of(taken_back).data["retracted"] is True
    assert told.events[-1].told == ["warning.50", "warning.75"]


def test_what_ends_without_an_answer_keeps_no_promise_and_starts_again_when_it_opens():
    told = Told()
    told.open()
    given_up = told.move("case.given_up", HOUR // 2, reason="abandoned")
    assert given_up == ["first_response cancelled", "resolution cancelled"]
    assert told.known(5 * HOUR) == []
    assert told.move("case.reopened", 6 * HOUR) == ["first_response resumed", "resolution resumed"]


@pytest.mark.parametrize("ending", ["case.resolved", "case.closed"])
def test_an_end_that_came_in_time_and_is_read_late_takes_the_breach_back(ending):
    """Only a broker's clock that was set back has a mark ahead of what is decided later."""
    told = Told()
    told.open()
    assert told.known(61 * MIN)[-1] == "first_response breached"
    said = told.move(ending, 45 * MIN)
    assert said[:3] == [
        "first_response retracted 75",  # at 45 minutes, so not before
        "first_response retracted",
        "first_response cancelled",
    ]


def test_waiting_for_the_customer_stops_the_resolution_clock_only():
    told = Told()
    told.open()
    told.move("case.replied", 10 * MIN)
    assert told.move("case.waiting", 1 * HOUR, waits_for="customer") == ["resolution paused"]
    assert told.case.clocks["resolution"].due_ms is None
    assert told.known(100 * HOUR) == []
    assert told.move("case.reopened", 50 * HOUR) == ["resolution resumed"]
    assert told.case.clocks["resolution"].due_ms == T0 + 53 * HOUR
    assert told.move("work.queued", 50 * HOUR, queue="general", priority=0) == []
    assert told.known(53 * HOUR + 1) == [
        "resolution warned 50", "resolution warned 75", "resolution breached",
    ]  # fmt: skip


def test_waiting_for_somebody_else_goes_on_counting():
    told = Told()
    told.open()
    assert told.move("case.waiting", 1 * HOUR, waits_for="third_party") == [
        "first_response warned 50", "first_response warned 75",
    ]  # fmt: skip
    told.move("case.waiting", 2 * HOUR, waits_for="customer")
    assert told.move("case.waiting", 3 * HOUR, waits_for="internal")[-1] == "resolution resumed"
    assert told.case.clocks["resolution"].due_ms == T0 + 5 * HOUR


def test_a_breach_stays_one_when_the_clock_is_stopped_afterwards():
    told = Told()
    told.open()
    told.known(5 * HOUR)
    assert told.move("case.waiting", 5 * HOUR, waits_for="customer") == ["resolution paused"]
    assert told.case.clocks["resolution"].breached
    assert told.move("case.resolved", 6 * HOUR) == [
        "first_response cancelled",
        "resolution stopped",
    ]


@pytest.mark.parametrize(
    ("mode", "expected", "due_h", "cycle"),
    [
        ("continue", ["resolution resumed"], 13, 1),  # one hour was used; three are left from 10 on
        ("restart", ["resolution started"], 14, 2),
        ("ignore", [], None, 1),
    ],
)
def test_a_resolved_case_that_is_opened_again(mode, expected, due_h, cycle):
    told = Told(POLICY + f"    reopen: {mode}\n")
    told.open()
    told.move("case.replied", 10 * MIN)
    assert told.move("case.resolved", 1 * HOUR) == ["resolution met"]
    assert told.known(9 * HOUR) == []
    assert told.move("case.reopened", 10 * HOUR) == expected
    clock = told.case.clocks["resolution"]
    assert clock.cycle == cycle
    assert clock.open is (mode != "ignore")
    if due_h is not None:
        assert clock.due_ms == T0 + due_h * HOUR


def test_a_higher_priority_counts_from_the_start():
    told = Told()
    told.open()
    told.known(31 * MIN)
    moved = told.move("work.queued", 40 * MIN, queue="general", priority=50)
    assert moved == ["first_response moved"]
    assert told.known(40 * MIN + 1) == ["first_response warned 75", "first_response breached"]
    assert told.events[-1].at_ms == T0 + 10 * MIN


def test_a_lower_priority_takes_back_what_is_due_later_now():
    told = Told()
    told.open(priority=60)
    told.known(11 * MIN)
    assert told.move("work.queued", 12 * MIN, queue="general", priority=0) == [
        "first_response retracted 50", "first_response retracted 75", "first_response retracted",
        "first_response moved",
    ]  # fmt: skip
    assert told.known(31 * MIN) == ["first_response warned 50"]


def test_what_an_alert_causes_changes_no_target():
    told = Told()
    told.open()
    told.known(31 * MIN)
    raised = told.move("work.escalated", 31 * MIN, reason="sla_warning.50", priority=60)
    requeued = told.move("work.queued", 32 * MIN, queue="general", priority=60)
    assert raised == requeued == []
    assert told.case.clocks["first_response"].due_ms == T0 + 60 * MIN
    assert told.move("work.escalated", 33 * MIN, reason="request", priority=55)[0] == (
        "first_response moved"
    )


def test_a_case_that_leaves_its_policy_keeps_no_clock():
    told = Told(
        POLICY.replace(
            "    calendar: always\n", "    when: {queue: general}\n    calendar: always\n"
        )
    )
    told.open()
    assert told.move("work.queued", 1 * MIN, queue="other", priority=0) == [
        "first_response cancelled", "resolution cancelled",
    ]  # fmt: skip
    assert told.known(100 * HOUR) == []


def test_a_case_that_comes_under_a_policy_is_judged_from_its_opening():
    told = Told(
        POLICY.replace("    calendar: always\n", "    when: {queue: vip}\n    calendar: always\n")
    )
    assert told.open() == []
    assert told.move("work.queued", 2 * HOUR, queue="vip", priority=0) == STARTED
    assert told.known(2 * HOUR + 1)[:3] == [
        "first_response warned 50", "first_response warned 75", "first_response breached",
    ]  # fmt: skip


def test_mail_that_nobody_wrote_has_no_clocks():
    told = Told()
    assert told.open(automatic=True) == []
    assert told.case.clocks == {}


def test_what_ends_a_case_ends_its_clocks():
    told = Told()
    told.open()
    assert told.move("case.closed", 5 * MIN) == ["first_response cancelled", "resolution cancelled"]
    assert told.case.clocks == {}
    assert told.move("case.replied", 6 * MIN) == []


def test_a_case_that_ended_is_not_begun_anew_by_a_late_repeat_of_its_opening():
    told = Told()
    told.open()
    told.move("case.closed", 1 * MIN)
    assert told.open(seq=0) == []
    assert told.known(50 * MIN) == []
    assert told.case is not None


def test_a_case_that_ended_is_forgotten_an_hour_later():
    told = Told()
    told.open()
    told.move("case.closed", 5 * MIN)
    told.known(65 * MIN)
    assert told.case is not None
    told.known(65 * MIN + 1)
    assert told.case is None


def test_the_first_policy_that_matches_holds():
    told = Told(
        """\
calendars: [{name: always, zone: UTC, hours: always}]
policies:
  - {name: chat, when: {channel: [chat]}, calendar: always, first_response: 30s}
  - {name: fi, when: {language: fi, label: [vip, gold]}, calendar: always, first_response: 10m}
  - {name: rest, calendar: always, first_response: 1h}
"""
    )
    for facts, policy in (
        ({"channel": "chat"}, "chat"),
        ({"language": "fi", "labels": ["gold"]}, "fi"),
        ({"language": "fi"}, "rest"),
        ({}, "rest"),
    ):
        told.case, told.seq = None, -1
        told.open(**facts)
        assert told.events[-1].policy == policy


def test_an_alert_names_what_it_wants_under_an_id_that_a_repeat_has_too():
    told, again = Told(), Told()
    for one in (told, again):
        one.open()
        one.known(2 * HOUR + 1)
    assert [event.id for event in told.events] == [event.id for event in again.events]
    commands = [command for event in told.events if (command := command_of(event))]
    wants = [
        (c.data["stage"], c.data.get("priority_at_least"), c.data.get("tier_at_least"))
        for c in commands
    ]
    assert wants == [
        ("warning.50", 20, None), ("warning.75", 20, None), ("breach", 30, 2), ("warning.50", 20, None),
    ]  # fmt: skip
    assert len({command.id for command in commands}) == 4
    assert {command.pool for command in commands} == {"support"}


KINDS = (
    "case.joined", "case.replied", "case.waiting", "case.reopened", "case.resolved", "work.queued",
    "work.escalated",
)  # fmt: skip


@st.composite
def lives(draw):
    """Moves in order, each a while after the one before, and looks at the clock between them."""
    made, at_ms = [], 0
    for seq in range(1, draw(st.integers(2, 14))):
        at_ms += draw(st.integers(0, 3 * HOUR))
        kind = draw(st.sampled_from(KINDS))
        facts = {"priority": draw(st.sampled_from([0, 20, 60]))} if kind.startswith("work") else {}
        waits = draw(st.sampled_from(["customer", "internal"])) if kind == "case.waiting" else None
        reason = (
            draw(st.sampled_from(["sla_breach", "request"])) if kind == "work.escalated" else None
        )
        made.append((kind, at_ms, {"seq": seq, "waits_for": waits, "reason": reason, **facts}))
    return made


def live(told, life, looks):
    told.open()
    for number, (kind, at_ms, more) in enumerate(life):
        if looks[number % len(looks)]:
            told.known(at_ms)
        told.move(kind, at_ms, **more)
    told.known(1000 * HOUR)


@settings(max_examples=300, deadline=None)
@given(lives(), st.lists(st.booleans(), min_size=1, max_size=5))
def test_when_timers_run_changes_nothing_of_what_is_told(life, looks):
    """A monitor that was away tells the same as one that watched, and each thing once."""
    watching, away = Told(), Told()
    live(watching, life, looks)
    live(away, life, [False])
    names = [
        [(said(event), event.at_ms, event.id) for event in one.events] for one in (watching, away)
    ]
    assert sorted(names[0]) == sorted(names[1])
    assert len({event.id for event in watching.events}) == len(watching.events)
    assert watching.case == away.case


@settings(max_examples=300, deadline=None)
@given(lives(), st.data())
def test_moves_read_again_change_and_tell_nothing(life, data):
    told, moves = Told(), []
    feed = told.feed

    def noting(event):
        moves.append(event)
        return feed(event)

    told.feed = noting
    live(told, life, [True, False])
    case, count = told.case, len(told.events)
    from_ = data.draw(st.integers(0, len(moves) - 1))
    for event in moves[from_:]:
        feed(event)
    assert told.case == case
    assert len(told.events) == count


@settings(max_examples=200, deadline=None)
@given(lives())
def test_a_breach_is_told_exactly_when_more_than_the_target_has_passed(life):
    """What stands at the end, against the clock's own time, by the calendar."""
    told = Told()
    live(told, life, [True])
    for clock in told.case.clocks.values():
        if clock.state in {"met", "stopped"}:
            used = told.rules.elapsed(clock, clock.ended_ms)
            assert clock.breached is (used > clock.target_ms)
        elif clock.state == "paused":
            assert clock.breached is (
                told.rules.elapsed(clock, clock.pauses[-1][0]) > clock.target_ms
            )


@settings(max_examples=100, deadline=None)
@given(lives())
def test_a_state_survives_the_table(life):
    told = Told()
    live(told, life, [True])
    assert decode(encode(told.case)) == told.case


def test_a_move_of_a_case_that_began_before_the_log_is_ignored():
    told = Told()
    move = Move(type="case.replied", case_id="x", pool="p", partition=0, seq=9, index=0, at_ms=T0)
    assert told.feed(move) == []
    assert told.case is None
