"""What each decision does to the rows, and that no interleaving or repeat makes a difference.

The fold is pure, so these tests need no database: rows are dictionaries.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from register_kit import (
    CASE,
    CONTACT,
    KEY,
    NUMBER,
    OFFER,
    START_MS,
    WORK,
    accepted,
    agent,
    decision,
    interaction,
    offered,
    opened,
    queued,
)

from vaxel_register.core.projection import (
    instant_ms,
    project,
    project_deadletter,
    project_interaction,
)
from vaxel_register.core.rows import Change, Rows, fold
from vaxel_shared.contracts.deadletters import DeadLetter
from vaxel_shared.contracts.decisions import DATA
from vaxel_shared.contracts.wire import Decision


def changes_of(batches: list[list[Decision]], partition: int = 0) -> list[list[Change]]:
    """The changes of each batch, with seq = offset = its place."""
    return [
        [
            change
            for index, item in enumerate(batch)
            for change in project(item, partition=partition, offset=seq, seq=seq, index=index)
        ]
        for seq, batch in enumerate(batches, 1)
    ]


def rows_of(*batches: list[Decision]) -> Rows:
    """The rows after these batches, without the feed, where every decision has one."""
    rows: Rows = {}
    for changes in changes_of(list(batches)):
        fold(rows, changes)
    rows.pop("feed", None)
    return rows


LIFE = [
    [agent("anna"), agent("ben")],
    [opened(), queued(), offered()],
    accepted(),
]
"""A mail, opened, offered and taken."""


def test_a_contact_opens_a_case_with_what_its_list_shows() -> None:
    case = rows_of([opened()])["cases"][(CASE,)]
    expected = {
        "number": NUMBER, "pool": "support", "status": "open", "channel": "email",
        "account": "support", "language": "fi", "queue": "billing", "priority": 0,
        "customer_id": "cust-1", "labels": ["invoice"], "first_contact_id": CONTACT,
        "last_contact_id": CONTACT, "last_contact_seq": 1, "opened_ms": START_MS - 50,
        "updated_ms": START_MS,
    }  # fmt: skip
    assert {name: case[name] for name in expected} == expected


def test_accepting_gives_case_and_work_an_owner_and_the_token_of_the_assignment() -> None:
    rows = rows_of(*LIFE)
    assert rows["cases"][(CASE,)]["agent_id"] == "anna"
    work, offer = rows["works"][(WORK,)], rows["offers"][(OFFER,)]
    assert (work["state"], work["agent_id"], work["token"]) == ("assigned", "anna", "3.1")
    assert (offer["state"], offer["token"]) == ("accepted", "2.2")


@pytest.mark.parametrize(
    ("last", "status", "agent_id"),
    [
        (decision("case.waiting", case_id=CASE, waits_for="customer"), "waiting_customer", "anna"),
        (decision("case.waiting", case_id=CASE, waits_for="internal"), "waiting_internal", "anna"),
        (decision("case.resolved", case_id=CASE, reason="done"), "resolved", "anna"),
        (decision("case.closed", case_id=CASE), "closed", "anna"),
        (decision("case.reopened", case_id=CASE, number=NUMBER), "open", "anna"),
        (queued(number=2), "open", None),
        (decision("case.noted", case_id=CASE, note_ref="note/x"), "open", "anna"),
    ],
)
def test_what_becomes_of_a_case(last: Decision, status: str, agent_id: str | None) -> None:
    case = rows_of(*LIFE, [last])["cases"][(CASE,)]
    assert (case["status"], case["agent_id"]) == (status, agent_id)


@pytest.mark.parametrize("outcome", ["declined", "expired", "unseen", "withdrawn"])
def test_an_offer_that_nobody_took_puts_the_work_back(outcome: str) -> None:
    ids = {"case_id": CASE, "work_id": WORK, "offer_id": OFFER, "agent_id": "anna"}
    rows = rows_of(*LIFE[:2], [decision("offer.ended", outcome=outcome, **ids)])
    assert rows["offers"][(OFFER,)]["state"] == outcome
    assert rows["works"][(WORK,)]["state"] == "queued"


def test_a_sibling_offer_that_ends_after_the_assignment_takes_nothing_back() -> None:
    ids = {"case_id": CASE, "work_id": WORK, "offer_id": "offer-2", "agent_id": "ben"}
    sibling = decision("offer.ended", outcome="withdrawn", **ids)
    rows = rows_of(LIFE[0], [*LIFE[1], offered("ben", offer_id="offer-2")], LIFE[2], [sibling])
    assert rows["works"][(WORK,)]["state"] == "assigned"
    assert rows["offers"][("offer-2",)]["state"] == "withdrawn"


def test_a_joining_contact_moves_neither_queue_nor_priority_but_the_expected_seq() -> None:
    joined = decision(
        "case.joined", START_MS + 5, case_id=CASE, number=NUMBER, contact_id="contact-2",
        conversation_key=KEY, queue="returns", priority=99,
    )  # fmt: skip
    rows = rows_of(*LIFE, [joined])
    case = rows["cases"][(CASE,)]
    assert (case["queue"], case["priority"], case["last_contact_seq"]) == ("billing", 10, 4)
    assert rows["contacts"][("contact-2",)]["case_id"] == CASE


def test_escalation_and_widening_show_as_the_highest_tier_reached() -> None:
    ids = {"case_id": CASE, "work_id": WORK}
    stepped = decision("work.stepped", step=1, step_at="r:1", tiers=[1, 2, 3], **ids)
    escalated = decision("work.escalated", from_tiers=[1], to_tiers=[4], reason="asked", **ids)
    assert rows_of(*LIFE[:2], [stepped])["cases"][(CASE,)]["tier"] == 3
    rows = rows_of(*LIFE[:2], [stepped], [escalated])
    assert rows["cases"][(CASE,)]["tier"] == 4
    assert rows["works"][(WORK,)]["tiers"] == [4]


@pytest.mark.parametrize(
    ("type_", "state", "ended"),
    [
        ("work.wrapping", "wrapping", False),
        ("work.closed", "closed", True),
        ("work.cancelled", "cancelled", True),
        ("work.abandoned", "abandoned", True),
        ("work.suspended", "suspended", False),
    ],
)
def test_states_of_a_work(type_: str, state: str, ended: bool) -> None:
    last = decision(type_, START_MS + 7, case_id=CASE, work_id=WORK, until_ms=START_MS + 9)
    work = rows_of(*LIFE, [last])["works"][(WORK,)]
    assert work["state"] == state
    assert (work.get("ended_ms") is not None) == ended


def test_every_type_of_decision_becomes_an_entry_of_the_timeline() -> None:
    every = [decision(type_, case_id=CASE, reason="x") for type_ in DATA]
    rows = rows_of([opened()], every)
    assert {row["type"] for row in rows["timeline"].values()} == set(DATA)


def test_a_type_from_a_newer_engine_is_kept_and_changes_nothing_else() -> None:
    before = rows_of(*LIFE)
    after = rows_of(*LIFE, [decision("case.teleported", case_id=CASE)])
    assert len(after.pop("timeline")) == len(before.pop("timeline")) + 1
    assert after == before


def test_decisions_without_their_ids_change_no_row() -> None:
    bare = [decision(type_) for type_ in DATA if type_ not in ("policy.adopted", "roster.adopted")]
    assert set(rows_of(bare)) == {"timeline"}


def test_an_agent_who_moves_pools_ends_in_the_later_one_in_either_order() -> None:
    leaves = changes_of(
        [
            [agent("anna", at_ms=START_MS)],
            [decision("agent.removed", START_MS + 5, agent_id="anna")],
        ],
        partition=0,
    )
    arrives = changes_of([[agent("anna", at_ms=START_MS + 9, pool="returns")]], partition=1)
    results = []
    for order in (leaves + arrives, arrives + leaves, [leaves[0], arrives[0], leaves[1]]):
        rows: Rows = {}
        for changes in order:
            fold(rows, changes)
        results.append(rows["agents"][("anna",)])
    assert results[0] == results[1] == results[2]
    assert (results[0]["pool"], results[0]["removed"]) == ("returns", False)


def test_the_first_record_of_an_interaction_wins() -> None:
    rows: Rows = {}
    for offset, subject in enumerate(["first", "again"]):
        item = interaction(subject=subject)
        fold(rows, project_interaction(item, partition=0, offset=offset, timestamp_ms=0))
    assert rows["interactions"][(CONTACT,)]["subject"] == "first"


def test_an_interaction_keeps_true_flags_only_and_is_found_without_case_or_accents() -> None:
    flags = {"auto_reply": {"value": True}, "spam": {"value": False}}
    change, _ = project_interaction(interaction(flags=flags), partition=0, offset=0, timestamp_ms=0)
    assert change.values["flags"] == ["auto_reply"]
    assert "vaisanen" in change.values["search"]
    assert "lasku 4711 vaarin" in change.values["search"]


def test_a_dead_letter_is_kept_without_its_bytes() -> None:
    letter = DeadLetter(
        id="d1", service="triage", topic="vaxel.interactions", partition=3, offset=9,
        timestamp_ms=1, error_class="poison", reason="not_an_interaction", code_version="0.1.0",
        value_b64="c2VjcmV0",
    )  # fmt: skip
    (change,) = project_deadletter(letter, partition=0, offset=0)
    assert "c2VjcmV0" not in str(change.values)
    assert change.values["source_offset"] == 9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01.5Z", 1500),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:00", 7),
        ("yesterday", 7),
    ],
)
def test_instants(text: str, expected: int) -> None:
    assert instant_ms(text, 7) == expected


def story(case: int, pieces: list[int]) -> list[list[Decision]]:
    """Batches about one case and its agent, as some router might write them."""
    case_id, agent_id = f"case-{case}", f"agent-{case}"
    ids: dict[str, Any] = {"case_id": case_id, "work_id": f"{case_id}.1", "agent_id": agent_id}
    later = [
        [offered(offer_id=f"o{case}", **ids)],
        [decision("offer.ended", offer_id=f"o{case}", outcome="declined", **ids)],
        [decision("work.assigned", via="accept", **ids)],
        [decision("case.waiting", waits_for="customer", **ids), decision("work.closed", **ids)],
        [decision("case.reopened", number=f"S-{case}", contact_id=f"c{case}b", **ids)],
        [queued(case_id, 2)],
        [decision("case.resolved", **ids)],
        [agent(agent_id), decision("agent.changed", agent_id=agent_id, presence="away")],
    ]
    first = [opened(case_id, f"S-{case}", f"contact-{case}"), queued(case_id)]
    return [first, *(later[piece] for piece in pieces)]


pieces = st.lists(st.integers(0, 7), max_size=10)
moves = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=40)
"""Which stream goes on, and how old a batch of it comes once more (0: none)."""


@settings(max_examples=300, deadline=None)
@given(one=pieces, two=pieces, moves=moves)
def test_any_interleaving_and_any_repeat_gives_the_same_rows(
    one: list[int], two: list[int], moves: list[tuple[int, int]]
) -> None:
    streams = [
        changes_of(story(1, one), partition=0),
        changes_of(story(2, two), partition=1),
        [
            project_interaction(interaction(f"contact-{n}"), partition=0, offset=n, timestamp_ms=0)
            for n in range(3)
        ],
    ]
    plain: Rows = {}
    for changes in [batch for stream in streams for batch in stream]:
        fold(plain, changes)

    mixed: Rows = {}
    places = [0, 0, 0]
    rest = [(which, 0) for which, stream in enumerate(streams) for _ in stream]
    for which, back in moves + rest:
        for changes in streams[which][places[which] : places[which] + 1]:
            fold(mixed, changes)
        for changes in streams[which][max(0, places[which] - back) : places[which]][:1]:
            fold(mixed, changes)
        places[which] = min(places[which] + 1, len(streams[which]))
    assert mixed == plain


@pytest.mark.parametrize(("type_", "data", "table", "row"), [
    ("work.stepped", {"queue": "general"}, "works", {"queue": "general"}),
    ("work.stepped", {"queue": "general"}, "cases", {"queue": "general"}),
    ("work.escalated", {"to_tiers": [2], "to_priority": 0}, "works", {"tiers": [2], "priority": 0}),
    ("work.escalated", {"to_tiers": [2], "to_priority": 40}, "cases", {"tier": 2, "priority": 40}),
    ("work.escalated", {"to_tiers": [1], "since_ms": 5}, "works", {"since_ms": 5}),
    ("work.queued", {"stage": 2, "tiers": [1]}, "cases", {"stage": 2}),
    ("agent.changed", {"presence": "offline", "grace_ms": 9}, "agents", {"presence": "offline", "grace_ms": 9}),
    ("agent.changed", {"closed": {"chat": 0}}, "agents", {"closed": {"chat": 0}, "presence": "available"}),
    ("agent.changed", {"on_shift": False, "shift_ms": 9}, "agents", {"off_shift": True, "shift_ms": 9}),
    ("agent.changed", {"rest_ms": 9}, "agents", {"rest_ms": 9}),
    ("agent.changed", {"rest_ms": 0}, "agents", {"rest_ms": None}),
    ("agent.changed", {"occupied": True}, "agents", {"occupied": True}),
    ("agent.changed", {"elsewhere": {"source": "crm", "works": {"email": [3, 1]}, "until_ms": 9}}, "agent_tools", {"works": {"email": [3, 1]}, "until_ms": 9}),
    ("agent.removed", {}, "agents", {"left_ms": START_MS}),
])  # fmt: skip
def test_what_a_decision_changes_is_in_its_row(
    type_: str, data: dict[str, Any], table: str, row: dict[str, Any]
) -> None:
    named = {"case_id": CASE, "work_id": WORK, "agent_id": "anna"}
    rows = rows_of([opened(), queued()], [agent("anna")], [decision(type_, **named, **data)])
    key = {"works": WORK, "cases": CASE, "agents": "anna", "agent_tools": "anna/crm"}[table]
    found = rows[table][(key,)]
    assert {name: found[name] for name in row} == row


def test_who_is_back_in_time_has_no_grace_left() -> None:
    lost = decision("agent.changed", agent_id="anna", presence="offline", grace_ms=9)
    back = decision("agent.changed", agent_id="anna", presence="available")
    assert rows_of([agent("anna")], [lost], [back])["agents"]["anna",]["grace_ms"] is None
