"""A case goes from pool to pool: nothing is lost, nothing is done twice, wherever a kill comes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation.two_pools import ROUTING, Pools

from vaxel_router.core.state import Case

STEPS = 60
"""More than one hand-over with its answer has."""


def live(pools: Pools) -> list[Case]:
    """The cases that are really somewhere: not what only shows the way to another."""
    found = [case for router in pools.routers.values() for case in router.pool().cases.values()]
    return [case for case in found if case.status != "handed_over"]


def ends(pools: Pools) -> None:
    """Every log folds again to the same bytes, and to the same state."""
    for name in pools.names:
        pools[name].replay()


def test_a_case_goes_on_in_another_pool_with_its_age_and_both_numbers_lead_there() -> None:
    pools = Pools()
    pools["support"].contact("mail-1")
    pools["support"].wait(400_000)
    pools["sales"].wait(400_000)
    here = pools.case("support")
    since_ms = pools["support"].pool().works[here.work_id].since_ms
    made = pools.hand_over("support", "sales")
    assert [one.type for one in made][-2:] == ["work.closed", "case.handed_over"]
    pools.live()
    there = pools.case("sales")
    assert pools["sales"].pool().works[there.work_id].since_ms == since_ms
    assert (here.status, here.work_id) == ("handed_over", None)
    assert (here.handed.case_id, here.handed.number) == (there.id, there.number)
    assert there.opened_ms == here.opened_ms
    assert pools["sales"].last("case.opened").data["linked_case_id"] == here.id
    assert pools["sales"].last("case.noted").data["note_ref"] == "note/" + "0" * 64
    assert "notice.due" not in [one.type for one in pools["sales"].decisions], "already told"
    ends(pools)


def test_what_the_customer_writes_later_reaches_the_pool_that_has_the_case() -> None:
    pools = Pools()
    pools["support"].contact("mail-1")
    pools.hand_over("support", "sales")
    pools["support"].contact("mail-2", conversation="mail-1")
    pools.live()
    there = pools.case("sales")
    assert there.last_contact_id == "mail-2"
    assert [one.type for one in pools["sales"].decisions].count("case.opened") == 1
    joined = pools["sales"].last("case.joined")
    assert (joined.case_id, joined.data["conversation_key"]) == (
        there.id,
        "support|email|support|mail-1",
    )
    ends(pools)


@pytest.mark.parametrize(("to", "data", "code"), [
    ("nowhere", {}, "unknown_pool"),
    ("sales", {"to_queue": "unheard-of"}, "unknown_queue"),
])  # fmt: skip
def test_what_is_refused_waits_again_where_it_was_with_its_age(
    to: str, data: dict[str, str], code: str
) -> None:
    pools = Pools()
    pools["support"].contact("mail-1")
    here = pools.case("support")
    since_ms = pools["support"].pool().works[here.work_id].since_ms
    pools.hand_over("support", to, **data)
    pools.live()
    assert here.status == "open"
    assert pools["support"].pool().works[here.work_id].since_ms == since_ms
    reopened = pools["support"].last("case.reopened").data
    assert (reopened["reason"], reopened["code"]) == ("hand_over_refused", code)
    ends(pools)


def test_a_pool_that_is_full_or_does_not_serve_the_channel_sends_it_back() -> None:
    for wrong, code in (("full", "queue_full"), ("chat", "channel_not_served")):
        pools = Pools()
        sales = pools["sales"]
        if wrong == "full":
            sales.publish(_limited())
            sales.contact("own-1")
        pools["support"].contact("mail-1", channel="email" if wrong == "full" else "chat")
        pools.hand_over("support", "sales")
        pools.live()
        assert pools.case("support").status == "open"
        assert pools["support"].last("case.reopened").data["code"] == code
        assert all(case.last_contact_id == "own-1" for case in sales.pool().cases.values())
        ends(pools)


def _limited() -> str:
    text = ROUTING.replace("name: support", "name: sales")
    return text.replace("letter: S", "letter: A\n    limits: {cases: 1}")


def test_coming_back_is_the_same_case_again_and_closing_it_closes_the_other() -> None:
    pools = Pools()
    pools["support"].contact("mail-1")
    here = pools.case("support")
    pools.hand_over("support", "sales")
    pools.live()
    pools.hand_over("sales", "support")
    pools.live()
    assert (here.status, len(pools["support"].pool().cases)) == ("open", 1)
    assert pools.case("sales").status == "handed_over"
    pools["support"].send("case.resolve", kind="supervisor", case=here.id)
    pools["support"].wait(15 * 86_400_000)
    pools.live()
    assert not pools["support"].pool().cases
    assert not pools["sales"].pool().cases, "what only showed the way is gone with it"
    ends(pools)


def test_nothing_can_be_done_to_a_case_where_it_is_no_more() -> None:
    pools = Pools()
    pools["support"].contact("mail-1")
    here = pools.case("support")
    pools.hand_over("support", "sales")
    pools.live()
    for command in ("case.resolve", "case.reopen", "case.escalate"):
        refused = pools["support"].send(command, kind="supervisor", case=here.id)[0].data
        assert refused["code"] == "handed_over"
        assert refused["params"] == {"to_pool": "sales", "number": pools.case("sales").number}


def test_a_relay_that_dies_at_any_step_loses_nothing_and_does_nothing_twice() -> None:
    """Each step in turn; and from there on every few steps again."""
    died = 0
    for at in range(STEPS):
        count = 0

        def dies(_step: str, at: int = at) -> bool:
            nonlocal count
            count += 1
            return count == at or (count > at and count % 7 == 0)

        pools = Pools(kill=dies)
        pools["support"].contact("mail-1")
        pools.hand_over("support", "sales")
        pools["support"].contact("mail-2", conversation="mail-1")
        died += pools.live()
        (there,) = live(pools)
        assert (there.id, there.last_contact_id) == (pools.case("sales").id, "mail-2")
        pools.hand_over("sales", "support")
        died += pools.live()
        (back,) = live(pools)
        assert back.id == pools.case("support").id
        types = [one.type for name in pools.names for one in pools[name].decisions]
        assert types.count("case.opened") == 2, "one in each pool, and no more"
        ends(pools)
    assert died > STEPS


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["contact", "again", "again", "hand", "hand", "resolve", "relay", "wait"]),
        st.sampled_from(["support", "sales", "help"]),
        st.sampled_from(["support", "sales", "help"]),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=150)
@given(MOVES, st.integers(0, 2**32))
def test_wherever_cases_go_every_message_is_in_exactly_one_case_that_lives(
    moves: list[tuple[str, str, str]], seed: int
) -> None:
    chance = random.Random(seed)
    pools = Pools(("support", "sales", "help"), kill=lambda _step: chance.random() < 0.1)
    serial, written = 0, {}
    for what, name, other in moves:
        router, threads = pools[name], list(written)
        if what == "contact" or (what == "again" and not threads):
            serial += 1
            router.contact(f"mail-{serial}")
            written[f"mail-{serial}"] = (name, f"mail-{serial}")
        elif what == "again":
            serial += 1
            thread = chance.choice(threads)
            pools[written[thread][0]].contact(f"mail-{serial}", conversation=thread)
            written[thread] = (written[thread][0], f"mail-{serial}")
        elif what == "hand" and router.pool().cases:
            pools.hand_over(name, other, case=chance.choice(list(router.pool().cases.values())))
        elif what == "resolve" and router.pool().cases:
            case = chance.choice(list(router.pool().cases.values()))
            router.send("case.resolve", kind="supervisor", case=case.id)
        elif what == "relay":
            pools.live()
        elif what == "wait":
            ms = chance.choice((60_000, 3_600_000, 15 * 86_400_000))
            for one in pools.routers.values():
                one.wait(ms)
    pools.live()
    found = live(pools)
    for case in found:
        assert case.handed is None
    conversations = [one for case in found for one in case.conversations]
    assert len(conversations) == len(set(conversations)), "no conversation is in two hands"
    heard = {
        one.data.get("contact_id")
        for name in pools.names
        for one in pools[name].decisions
        if one.type in ("case.opened", "case.joined", "case.reopened")
    }
    assert {f"mail-{number + 1}" for number in range(serial)} <= heard, "nothing is lost"
    lasts = {case.last_contact_id for case in found}
    for thread, (first, last) in written.items():
        key = f"{first}|email|support|{thread}"
        if key in conversations:
            assert last in lasts, "the last message is in the case that lives"
    ends(pools)
