"""Tables of the pure rules: what is kept, what gets no acknowledgement, what follows what."""

import pytest
from delivery_kit import (
    CASE,
    Unreadable,
    case_opened,
    decision,
    interaction,
    notice_due,
    offer_made,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vaxel_delivery.core.automatic import suppressed_by_history, suppressed_by_message
from vaxel_delivery.core.effects import (
    GIVE_UP_MS,
    PAUSE_MS_MAX,
    Effect,
    Outcome,
    after,
    missing_pause_ms,
    pause_ms,
    withheld,
)
from vaxel_delivery.core.kept import FIRST_LINES_CHARS_MAX, keep
from vaxel_delivery.core.links import Link, parse
from vaxel_delivery.core.project import CaseSeen, NewEffect, OfferOpened, Place, changes
from vaxel_shared.config.connectors import AutomaticMail
from vaxel_shared.contracts.wire import Batch

OURS = frozenset({"support@vaxel.example"})
RULES = AutomaticMail()
QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def effect(**changes):
    plain = {"effect_id": "e", "kind": "reply", "pool": "p", "case_id": "c", "lane": "l"}
    return Effect(**(plain | changes))


def flag(name):
    return {"flags": {name: {"value": True, "evidence": ["x"]}}}


def sender(address):
    return {"sender": {"external_id": address}}


@pytest.mark.parametrize(
    ("changes_", "code"),
    [
        ({}, None),
        (flag("auto_reply"), "auto_reply"),
        (flag("no_auto_response"), "no_auto_response"),
        (flag("bounce"), "bounce"),
        (flag("list"), "list"),
        (flag("spam"), "spam"),
        (flag("spoofed"), "spoofed"),
        ({"flags": {"auto_reply": {"value": False}}}, None),
        (sender(""), "null_sender"),
        (sender("MAILER-DAEMON@x.example"), "daemon_sender"),
        (sender("no-reply@x.example"), "daemon_sender"),
        (sender("noreply-123@x.example"), "daemon_sender"),
        (sender("bounces+7=x@x.example"), "daemon_sender"),
        (sender("owner-list@x.example"), "daemon_sender"),
        (sender("list-request@x.example"), "daemon_sender"),
        (sender("postmaster@x.example"), "daemon_sender"),
        (sender("rooted@x.example"), None),
        (sender("Support@vaxel.example"), "own_address"),
        (sender("support+x@vaxel.example"), "own_address"),
        (
            {"recipients": [{"role": "envelope", "external_id": "support@vaxel.example"}]},
            "not_addressed",
        ),
        ({"recipients": []}, "not_addressed"),
        ({"recipients": [{"role": "cc", "external_id": "support+a@VAXEL.example"}]}, None),
    ],
)
def test_which_mail_gets_no_acknowledgement(changes_, code):
    kept = keep(interaction(**changes_))
    got = suppressed_by_message(kept, RULES, OURS)
    assert got == (None if code is None else f"suppressed_{code}")


def test_acknowledgements_can_be_switched_off():
    rules = AutomaticMail(acknowledge=False)
    assert suppressed_by_message(keep(interaction()), rules, OURS) == "suppressed_switched_off"


@pytest.mark.parametrize(
    ("in_conversation", "to_sender", "code"),
    [
        (0, 0, None),
        (1, 0, "suppressed_conversation_window"),
        (0, 9, None),
        (0, 10, "suppressed_sender_cap"),
    ],
)
def test_how_many_are_enough(in_conversation, to_sender, code):
    assert suppressed_by_history(in_conversation, to_sender, RULES) == code


def test_of_an_interaction_only_what_an_answer_needs_is_kept():
    kept = keep(interaction(text="quoted\nnew", reply_text="x" * 5_000))
    assert len(kept.first_lines) == FIRST_LINES_CHARS_MAX
    assert kept.first_lines.endswith("…")
    assert keep(interaction(direction="outbound")) is None
    assert keep(interaction(channel="whatsapp", kind="reaction")) is None


def test_hostile_ids_are_not_kept():
    kept = keep(
        interaction(
            provider={"message_id": "a b"},
            relations={"in_reply_to": "x\r\ny", "references": ["ok", "<b>", "x" * 300]},
        )
    )
    assert (kept.message_id, kept.in_reply_to, kept.references) == (None, None, ("ok",))


@pytest.mark.parametrize(
    ("repeats", "spent", "outcome", "state", "final"),
    [
        (0, False, Outcome("done"), "sent", True),
        (1, False, Outcome("done"), "sent", True),
        (0, False, Outcome("refused", "x"), "failed", True),
        (1, False, Outcome("refused", "x"), "unknown", True),
        (0, False, Outcome("later", "x"), "pending", False),
        (1, False, Outcome("later", "x"), "unknown", False),
        (0, True, Outcome("later", "x"), "failed", True),
        (1, True, Outcome("later", "x"), "unknown", True),
        (0, False, Outcome("lost", "x"), "unknown", False),
        (0, True, Outcome("lost", "x"), "unknown", True),
    ],
)
def test_what_follows_an_attempt(repeats, spent, outcome, state, final):
    now_ms = GIVE_UP_MS["reply"] if spent else 5
    tried = effect(state="sending", attempt=1, repeats=repeats, first_ms=0)
    following = after(tried, outcome, now_ms)
    assert (following.state, following.final) == (state, final)
    assert following.repeats == repeats + (outcome.verdict == "lost")
    if not final:
        assert following.at_ms == now_ms + pause_ms(1)


@QUICK
@given(st.integers(min_value=1, max_value=10_000))
def test_pauses_never_shrink_and_have_a_limit(attempt):
    assert pause_ms(attempt) <= pause_ms(attempt + 1) <= PAUSE_MS_MAX


@QUICK
@given(st.integers(min_value=0), st.integers(min_value=0))
def test_what_is_missing_is_looked_for_again_soon_and_then_less_often(since_ms, waited_ms):
    assert 100 <= missing_pause_ms(since_ms, since_ms + waited_ms) <= 30_000


def test_what_may_have_been_sent_is_never_called_failed():
    assert withheld(effect(repeats=0), "x", 1).state == "failed"
    assert withheld(effect(state="unknown", repeats=1), "x", 1).state == "unknown"


def fold(*decisions):
    return changes(Place("log", 3, 9), Batch(engine="e", wall_ms=0, decisions=list(decisions)))


def test_an_offer_is_an_effect_at_its_place_with_its_own_reasons_only():
    _, opened, new = fold(case_opened(), offer_made())
    assert isinstance(opened, OfferOpened)
    assert isinstance(new, NewEffect)
    assert (new.effect.effect_id, new.place) == ("log:3:9:1", ("log", 3, 9, 1))
    assert opened.token == "9.1"
    assert set(opened.explain) == {"candidates", "eligible", "terms", "tie_break"}
    assert new.effect.data == {}


def test_lanes_part_agents_and_customers_and_join_what_goes_to_one_customer():
    lanes = [
        item.effect.lane
        for item in fold(offer_made(), offer_made("offer-2", "bertil"), notice_due())
        if isinstance(item, NewEffect)
    ]
    assert len(set(lanes)) == 3


@pytest.mark.parametrize("type_", ["case.noted", "agent.changed", "work.wrapping", "future.thing"])
def test_decisions_that_ask_for_nothing_change_nothing(type_):
    assert fold(decision(type_, {})) == []


@pytest.mark.parametrize("type_", ["case.replied", "notice.due", "offer.made", "case.opened"])
def test_a_decision_without_what_its_type_promises_is_unreadable_and_the_next_is_not(type_):
    first, second = fold(decision(type_, {}), decision("case.closed", {}))
    assert first == Unreadable(type_, 0)
    assert second == CaseSeen(CASE, "support", 1_700_000_000_000, {"closed": True})


def test_a_link_carries_what_it_says_and_nothing_else_is_a_link():
    link = Link("o", "a", "1.0", "c", "p", 5)
    assert parse(link.payload()) == link
    for wrong in (
        None,
        {},
        link.payload() | {"x": "5"},
        link.payload() | {"o": ""},
        link.payload() | {"a": 1},
    ):
        assert parse(wrong) is None
