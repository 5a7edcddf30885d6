"""Presence through the register's API: who is meant, what is asked, what is said."""

import json
from datetime import UTC, datetime, timedelta

import fake_api
import pytest

from vaxel_cli.main import run

EVERYBODY = fake_api.agents(
    ("a01", "Aino Koskela", "available"),
    ("a02", "Maarja Lepik", "away"),
    ("a03", "Aino Lepik", "offline"),
    ("a04", None, "offline"),
)


@pytest.fixture
def api(tmp_path):
    with fake_api.serving(fake_api.FakeApi()) as served:
        fake_api.write_run(tmp_path, served)
        served.on("GET", "/api/v1/agents", EVERYBODY)
        yield served


def vaxel(tmp_path, *arguments):
    return run([*arguments, "--data-dir", str(tmp_path)])


def done(*types, status="done"):
    decisions = [
        {"type": name, "at": "2026-11-22T14:37:57.123Z", "case_id": None, "work_id": None,
         "offer_id": None, "agent": "a01", "data": {}}
        for name in types
    ]  # fmt: skip
    return {"command_id": "c1", "status": status, "code": None, "decisions": decisions}


def sent(api):
    return next(request for method, _, request in api.asked if method == "POST")


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (["away", "a01"], {"presence": "away"}),
        (["away", "aino koskela"], {"presence": "away"}),
        (["away", "KOSKELA", "--return-work"], {"presence": "away", "mode": "return_work"}),
        (["back", "a01"], {"presence": "available"}),
        (["offline", "a01", "--reason", "lunch"], {"presence": "offline", "reason": "lunch"}),
    ],
)
def test_a_presence_is_asked_for_as_the_supervisor(tmp_path, api, arguments, body, capsys):
    api.on("POST", "/api/v1/agents/a01/presence", done("agent.changed"))
    assert vaxel(tmp_path, "agent", *arguments) == 0
    request = sent(api)
    assert request["body"] == body
    assert request["headers"]["Authorization"] == "Bearer t-super"
    assert request["headers"]["Idempotency-Key"]
    assert capsys.readouterr().out.startswith(f"Aino Koskela (a01) is {body['presence']}")


@pytest.mark.parametrize(
    ("arguments", "channels", "said"),
    [
        (["email=3", "chat=1"], {"email": 3, "chat": 1}, "has 3 email, 1 chat elsewhere"),
        ([], {}, "has nothing elsewhere"),
    ],
)
def test_what_somebody_has_in_another_tool_is_said_for_a_time(
    tmp_path, api, arguments, channels, said, capsys
):
    api.on("POST", "/api/v1/agents/a01/elsewhere", done("agent.changed", "offer.made"))
    assert vaxel(tmp_path, "agent", "elsewhere", "a01", *arguments, "--for", "30m") == 0
    body = sent(api)["body"]
    assert (body["source"], body["channels"]) == ("cli", channels)
    left = datetime.fromisoformat(body["until"]) - datetime.now(UTC)
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)
    assert capsys.readouterr().out == f"Aino Koskela (a01) {said}; 1 offered\n"


@pytest.mark.parametrize("wrong", [["email"], ["email=-1"], ["email=3", "--for", "soon"]])
def test_what_is_no_count_or_no_time_is_exit_2(tmp_path, api, wrong):
    assert vaxel(tmp_path, "agent", "elsewhere", "a01", *wrong) == 2


def test_work_that_went_back_is_said(tmp_path, api, capsys):
    types = ["agent.changed", "offer.ended", "work.closed", "work.queued", "work.queued"]
    answer = done(*types, "offer.made")
    api.on("POST", "/api/v1/agents/a01/presence", answer)
    vaxel(tmp_path, "agent", "away", "a01", "--return-work")
    said = capsys.readouterr().out
    assert said == (
        "Aino Koskela (a01) is away; 2 given back to the queue, 1 offer taken back, 1 offered\n"
    )


def test_an_answer_that_takes_its_time_is_not_called_done(tmp_path, api, capsys):
    api.on("POST", "/api/v1/agents/a01/presence", done(status="pending"), status=202)
    assert vaxel(tmp_path, "agent", "away", "a01") == 0
    assert "not decided yet" in capsys.readouterr().out


def test_a_refusal_is_exit_1_with_the_reason(tmp_path, api, capsys):
    problem = {"title": "not_allowed", "status": 409, "detail": "the role doesn't allow it"}
    api.on("POST", "/api/v1/agents/a01/presence", problem, status=409)
    assert vaxel(tmp_path, "agent", "away", "a01") == 1
    assert capsys.readouterr().err == "vaxel: the role doesn't allow it\n"


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("lepik", "could be Maarja Lepik (a02), Aino Lepik (a03); give the id"),
        ("zoe", "no agent 'zoe'; known are a01, a02, a03, a04"),
        ("", "no agent ''"),
    ],
)
def test_who_is_meant_must_be_clear(tmp_path, api, capsys, who, said):
    assert vaxel(tmp_path, "agent", "away", who) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", [["agent", "list"], ["roster", "show"]])
def test_everybody_is_shown(tmp_path, api, capsys, command):
    assert vaxel(tmp_path, *command) == 0
    said = capsys.readouterr().out
    for agent in EVERYBODY["items"]:
        assert agent["id"] in said
        assert (agent["name"] or "-") in said
    assert vaxel(tmp_path, *command, "--json") == 0
    assert json.loads(capsys.readouterr().out) == EVERYBODY["items"]


def test_what_somebody_has_in_a_tool_is_listed(tmp_path, api, capsys):
    crm = {"source": "crm", "channels": {"chat": 1, "email": 3}, "capacity": 4, "until": None}
    busy = {**EVERYBODY["items"][0], "elsewhere": [crm]}
    api.on("GET", "/api/v1/agents", {"items": [busy]})
    assert vaxel(tmp_path, "agent", "list") == 0
    assert "crm: chat 1, email 3" in capsys.readouterr().out


def test_a_register_that_is_away_is_exit_3(tmp_path, capsys):
    nobody = fake_api.FakeApi()
    nobody.url = "http://127.0.0.1:1"
    fake_api.write_run(tmp_path, nobody)
    assert vaxel(tmp_path, "agent", "list") == 3
    assert "doesn't answer" in capsys.readouterr().err


@pytest.mark.parametrize(("status", "code"), [(401, 2), (403, 2), (429, 3), (500, 3), (503, 3)])
def test_what_the_register_refuses_ends_with_the_right_code(tmp_path, api, capsys, status, code):
    api.on("GET", "/api/v1/agents", {"title": "x", "detail": "because of it"}, status=status)
    assert vaxel(tmp_path, "agent", "list") == code
    assert "because of it" in capsys.readouterr().err
