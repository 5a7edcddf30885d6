"""Explaining a case: what a person reads, out of decisions as the router writes them."""

import json

import fake_api
import pytest

from vaxel_cli.commands.story import story
from vaxel_cli.main import run

AT = "2026-11-22T14:37:57.123Z"
CASE_ID = "6f0c3f0e-0000-5000-8000-000000000001"
EXPLAIN = {
    "candidates": 12,
    "eligible": 1,
    "by_code": {"not_in_tier": 5, "presence_offline": 3, "skill_missing": 2, "newfangled": 1},
    "rejected": [
        {"agent_id": "a05", "code": "not_in_tier", "params": {"tier": 2, "tiers": [1]}},
        {"agent_id": "a02", "code": "skill_missing", "params": {"skill": "billing"}},
        {"agent_id": "a99", "code": "newfangled", "params": {}},
    ],
    "terms": [
        {"code": "sticky", "value": 0},
        {"code": "tier", "value": 1},
        {"code": "idle_since_ms", "value": 1_700_000_000_000},
    ],
    "tie_break": "agent_id",
    "step": {"id": "billing[0]", "at": "routing.yaml:48"},
}
TIMELINE = [
    fake_api.message("i1", AT, "kaisa@customer.example"),
    fake_api.decision(
        "case.opened", AT, policy="p1",
        data={"number": "S-1", "contact_id": "i1", "queue": "billing", "labels": ["billing"],
              "rule": {"id": "billing", "at": "routing.yaml:93"}},
    ),
    fake_api.decision("notice.due", AT, data={"kind": "received"}),
    fake_api.decision(
        "work.queued", AT,
        data={"queue": "billing", "requires": {"skills": {"billing": 3}, "languages": ["fi"]},
              "tiers": [1], "step": 0, "step_at": "routing.yaml:48", "reason": "opened"},
    ),
    fake_api.decision("offer.made", AT, agent="a01", data={"attempt": 1, "explain": EXPLAIN}),
    fake_api.decision("offer.ended", AT, agent="a01", data={"outcome": "declined", "reason": "busy"}),
    fake_api.decision("command.refused", AT, data={"code": "stale_token", "params": {}}),
]  # fmt: skip
LIVE = {
    "case": {"id": CASE_ID, "number": "S-1"},
    "work": {
        "id": f"{CASE_ID}.1", "state": "queued", "queue": "billing", "step": 0,
        "step_at": "routing.yaml:48", "next_ms": 1_700_000_600_000, "agent_id": None,
    },
    "position": 1,
    "why_not_yet": {
        "candidates": 12, "eligible": 0, "by_code": {"barred": 1, "presence_away": 11},
        "rejected": [
            {"agent_id": "a01", "code": "barred", "params": {"until_ms": 1_700_000_000_000}}
        ],
        "step": {"id": "billing[0]", "at": "routing.yaml:48"},
    },
    "as_of": {"partition": 1, "offset": 7, "seq": 7},
}  # fmt: skip
NAMES = {"a01": "Aino Koskela", "a02": "Maarja Lepik"}


@pytest.fixture
def api(tmp_path):
    with fake_api.serving(fake_api.FakeApi()) as served:
        fake_api.write_run(tmp_path, served)
        served.on("GET", "/api/v1/cases/S-1", fake_api.case("S-1", TIMELINE))
        served.on("GET", "/api/v1/cases/S-1/live", LIVE)
        served.on(
            "GET", "/api/v1/agents",
            fake_api.agents(("a01", "Aino Koskela", "away"), ("a02", "Maarja Lepik", "available")),
        )  # fmt: skip
        yield served


def vaxel(tmp_path, *arguments):
    return run([*arguments, "--data-dir", str(tmp_path)])


EXPECTED = """\
S-1  open  billing  fi  priority 5
2026-11-22 14:37:57  opened S-1: queue billing, rule billing (routing.yaml:93), labels billing
2026-11-22 14:37:57  queued in billing: tier 1, billing 3 or better, speaks fi (opened)  \
routing.yaml:48
2026-11-22 14:37:57  offered to Aino Koskela (a01), attempt 1
     12 agents, 1 could take it, step billing[0] (routing.yaml:48)
        5  not in a tier that this step reaches
           a05  (tier 2, tiers 1)
           and 4 more
        3  offline
        2  lacks a skill
           Maarja Lepik (a02)  (skill billing)
           and 1 more
        1  newfangled
           a99
     chosen by answered this customer last: no; in tier (the lowest first): 1; \
without new work the longest: 2023-11-14T22:13:20.000Z; tie broken by agent_id
2026-11-22 14:37:57  Aino Koskela (a01): declined (busy)
2026-11-22 14:37:57  refused: the offer or assignment is no longer the current one; look again
now  waits in billing at position 1
     12 agents, 0 could take it, step billing[0] (routing.yaml:48)
       11  away
        1  declined or missed this work not long ago
           Aino Koskela (a01)  (until 2023-11-14T22:13:20.000Z)
     widens at 2023-11-14 22:23:20, after routing.yaml:48
"""


def test_a_person_reads_why(tmp_path, api, capsys):
    assert vaxel(tmp_path, "explain", "s-1") == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == EXPECTED.splitlines()


def test_json_holds_codes_and_words(tmp_path, api, capsys):
    assert vaxel(tmp_path, "explain", "S-1", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rule"] == {"id": "billing", "at": "routing.yaml:93"}
    offer = next(step for step in told["steps"] if step["type"] == "offer.made")
    assert offer["agent"] == {"id": "a01", "name": "Aino Koskela"}
    groups = {group["code"]: group for group in offer["explain"]["rejected"]}
    assert groups["not_in_tier"]["count"] == 5
    assert groups["skill_missing"]["agents"] == [
        {"id": "a02", "name": "Maarja Lepik", "text": "lacks a skill (skill billing)"}
    ]
    assert [term["code"] for term in offer["explain"]["terms"]] == [
        "sticky",
        "tier",
        "idle_since_ms",
    ]
    assert offer["explain"]["tie_break"] == "agent_id"
    assert told["now"]["position"] == 1
    assert told["now"]["next_at"] == "2023-11-14T22:23:20.000Z"
    assert told["now"]["as_of"]["seq"] == 7


def test_an_offered_work_names_whose_answer_it_waits_for():
    offer = {
        "id": "o1", "case_id": CASE_ID, "work_id": f"{CASE_ID}.1", "agent": "a01",
        "state": "pending", "token": "4.0", "queue": "billing", "attempt": 1, "reason": None,
        "made_at": AT, "expires_at": AT, "ended_at": None,
    }  # fmt: skip
    work = {**LIVE["work"], "state": "offered", "offer_id": "o1"}
    live = {**LIVE, "work": work, "why_not_yet": None, "position": None}
    told = story(fake_api.case("S-1", TIMELINE, offers=[offer]), live, NAMES)
    assert told["now"]["text"] == "offered to Aino Koskela (a01)"
    assert "next_at" not in told["now"]


def test_a_case_is_found_by_its_id_too(tmp_path, api, capsys):
    api.on("GET", f"/v1/cases/{CASE_ID}", LIVE)
    assert vaxel(tmp_path, "explain", CASE_ID) == 0
    assert capsys.readouterr().out.startswith("S-1  open")


def test_an_id_that_the_router_does_not_hold_asks_for_the_number(tmp_path, api, capsys):
    assert vaxel(tmp_path, "explain", CASE_ID) == 1
    assert "give its number instead" in capsys.readouterr().err


def test_an_unknown_number_is_exit_1(tmp_path, api, capsys):
    assert vaxel(tmp_path, "explain", "S-2") == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_router_is_asked_itself_when_the_register_can_not(tmp_path, api, capsys):
    api.on("GET", "/api/v1/cases/S-1/live", {"title": "away"}, status=503)
    api.on("GET", f"/v1/cases/{CASE_ID}", LIVE)
    assert vaxel(tmp_path, "explain", "S-1") == 0
    assert "waits in billing at position 1" in capsys.readouterr().out


def test_without_the_router_the_past_is_told_and_the_gap_is_said(tmp_path, api, capsys):
    api.on("GET", "/api/v1/cases/S-1/live", {"title": "away"}, status=503)
    api.on("GET", f"/v1/cases/{CASE_ID}", {"title": "away"}, status=503)
    assert vaxel(tmp_path, "explain", "S-1") == 0
    captured = capsys.readouterr()
    assert "offered to Aino Koskela" in captured.out
    assert "now" not in captured.out
    assert "what it waits for right now can't be told" in captured.err


def test_another_viewer_asks_with_their_own_token(tmp_path, api, capsys):
    assert vaxel(tmp_path, "explain", "S-1", "--as", "a01") == 0
    tokens = {request["headers"]["Authorization"] for _, path, request in api.asked}
    assert tokens == {"Bearer t-a01"}
    assert vaxel(tmp_path, "explain", "S-1", "--as", "a77") == 2


def test_names_that_the_viewer_may_not_know_are_left_out():
    told = story(fake_api.case("S-1", TIMELINE, agent="a01"), None, {})
    assert told["agent"] == {"id": "a01"}
    assert "Aino" not in json.dumps(told)
