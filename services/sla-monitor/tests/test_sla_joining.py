"""Clocks of cases that become one and two again, and of what is asked for a time to come."""

from sla_kit import CASE, HOUR, MIN, POLICY, T0, Told

from vaxel_shared.contracts.sla import Move


def taken_in(told, at_ms, since, other="old"):
    told.seq += 1
    return told.feed(
        _move("case.took_in", told.seq, at_ms, other=other, waiting_since_ms=T0 + since)
    )


def let_go(told, at_ms, other="old"):
    told.seq += 1
    return told.feed(_move("case.let_go", told.seq, at_ms, other=other))


def back(told, at_ms, answered=None):
    told.seq += 1
    return told.feed(_move("case.split", told.seq, at_ms, answered=answered))


def _move(kind, seq, at_ms, **more):
    place = {"partition": 0, "seq": seq, "index": 0, "at_ms": T0 + at_ms}
    return Move(type=kind, case_id=CASE, pool="support", **place, **more)


def due(told):
    return {name: clock.due_ms - T0 for name, clock in told.case.clocks.items() if clock.open}


def test_who_waited_for_a_first_answer_in_a_case_that_went_in_waits_in_the_other():
    told = Told()
    told.open(30 * MIN)
    assert taken_in(told, 40 * MIN, since=0) == [
        "first_response moved", "first_response warned 50", "resolution moved",
    ]  # fmt: skip
    assert due(told) == {"first_response": 60 * MIN, "resolution": 4 * HOUR}
    assert told.known(60 * MIN + 1)[-1] == "first_response breached"
    assert told.events[-1].elapsed_ms == told.events[-1].target_ms


def test_what_was_answered_or_came_later_moves_nothing():
    told = Told()
    told.open()
    assert taken_in(told, 20 * MIN, since=10 * MIN) == []
    told.move("case.replied", 50 * MIN)
    assert taken_in(told, 60 * MIN, since=-HOUR, other="older") == ["resolution moved"]
    assert due(told) == {"resolution": 3 * HOUR}


def test_when_it_is_taken_out_again_the_other_counts_from_its_own_message():
    told = Told()
    told.open(40 * MIN)
    taken_in(told, 50 * MIN, since=0)
    taken_in(told, 50 * MIN, since=20 * MIN, other="second")
    told.known(61 * MIN)
    assert let_go(told, 62 * MIN) == [
        "first_response retracted 75",
        "first_response retracted",
        "first_response moved",
        "resolution moved",
    ]
    assert due(told) == {"first_response": 80 * MIN, "resolution": 260 * MIN}
    assert let_go(told, 63 * MIN, "second")[-1] == "resolution moved"
    assert due(told) == {"first_response": 100 * MIN, "resolution": 280 * MIN}
    assert all(clock.own_ms is None for clock in told.case.clocks.values())


def test_a_case_that_was_taken_out_again_keeps_its_promises():
    """Its first response never stood still; resolution rested while the other's ran."""
    told = Told()
    told.open()
    assert told.move("case.merged", 10 * MIN) == [
        "first_response cancelled",
        "resolution cancelled",
    ]
    assert told.known(50 * HOUR) == []
    assert back(told, 20 * MIN) == ["first_response resumed", "resolution resumed"]
    assert due(told) == {"first_response": 60 * MIN, "resolution": 4 * HOUR + 10 * MIN}
    assert told.move("work.queued", 20 * MIN, queue="general", priority=0) == []
    assert told.move("case.replied", 61 * MIN)[-1] == "first_response stopped"


def test_an_answer_in_the_other_was_one_to_this_too():
    told = Told()
    told.open()
    told.move("case.merged", 10 * MIN)
    assert back(told, 20 * MIN, answered=True) == ["resolution resumed"]
    assert told.case.clocks["first_response"].state == "cancelled"


def test_a_case_that_was_resolved_when_it_went_in_is_opened_again_by_its_policys_word():
    told = Told(POLICY + "    reopen: continue\n")
    told.open()
    told.move("case.replied", 10 * MIN)
    told.move("case.resolved", HOUR)
    told.move("case.merged", 2 * HOUR)
    assert back(told, 3 * HOUR) == ["resolution resumed"]
    assert due(told) == {"resolution": 6 * HOUR}


def test_a_case_that_comes_back_from_another_pool_keeps_its_promises():
    told = Told()
    told.open()
    told.move("case.handed_over", 10 * MIN)
    assert told.move("case.handed_over", 11 * MIN) == [], "where it went is known now"
    assert told.move("case.reopened", 20 * MIN) == ["first_response resumed", "resolution resumed"]
    assert due(told) == {"first_response": 60 * MIN, "resolution": 4 * HOUR + 10 * MIN}


def test_what_is_closed_with_the_other_is_forgotten():
    told = Told()
    told.open()
    told.move("case.merged", 10 * MIN)
    assert told.move("case.closed", HOUR) == []
    assert (told.case.ended_ms, told.case.clocks) == (T0 + HOUR, {})


def test_what_was_asked_for_a_time_to_come_is_promised_from_then_on():
    told = Told()
    told.open(1, received=0)
    waits = {"waits_for": "internal", "reason": "scheduled"}
    assert told.move("case.waiting", 1, **waits) == ["first_response paused", "resolution paused"]
    assert told.known(9 * HOUR) == []
    assert told.move("case.reopened", 10 * HOUR) == ["first_response resumed", "resolution resumed"]
    assert due(told) == {"first_response": 11 * HOUR, "resolution": 14 * HOUR}


def test_who_calls_something_scheduled_later_on_stops_no_first_response():
    told = Told()
    told.open()
    told.move("case.waiting", 5 * MIN, waits_for="customer", reason="scheduled")
    assert told.case.clocks["first_response"].state == "running"


def test_a_transfer_counts_by_the_new_queues_promise_from_the_start():
    urgent = "  - name: urgent\n    when: {queue: urgent}\n    calendar: always\n    first_response: 15m\n"
    told = Told(POLICY.replace("policies:\n", "policies:\n" + urgent))
    told.open()
    assert told.move("work.queued", 20 * MIN, queue="urgent", priority=0, reason="transfer") == [
        "first_response moved", "resolution cancelled",
    ]  # fmt: skip
    assert told.known(20 * MIN + 1) == ["first_response breached"]
