"""Switches through the register's API: what is asked, what is said."""

import fake_api
import pytest

from vaxel_cli.main import run


@pytest.fixture
def api(tmp_path):
    with fake_api.serving(fake_api.FakeApi()) as served:
        fake_api.write_run(tmp_path, served)
        served.on("GET", "/api/v1/agents", fake_api.agents(("a01", "Aino", "available")))
        served.on("POST", "/api/v1/switches", {
            "command_id": "c1", "status": "done", "code": None,
            "decisions": [{"type": "switch.changed"}, {"type": "work.stepped"}],
        })  # fmt: skip
        yield served


def vaxel(tmp_path, *arguments):
    return run(["switch", *arguments, "--data-dir", str(tmp_path)])


def sent(api):
    return next(request["body"] for method, _, request in api.asked if method == "POST")


WHY = ("--for", "2h", "--reason", "drill")


@pytest.mark.parametrize(
    ("arguments", "body", "said"),
    [
        (["close", "billing", *WHY], {"switch": "close", "queue": "billing"},
         "queue billing is closed for 2h"),
        (["divert", "billing", "general", *WHY],
         {"switch": "divert", "queue": "billing", "to": "general"},
         "queue billing goes to general for 2h"),
        (["all-hands", *WHY], {"switch": "all_hands"}, "all hands for every queue for 2h"),
    ],
)  # fmt: skip
def test_a_switch_is_asked_for_with_its_reason_and_end(
    tmp_path, api, arguments, body, said, capsys
):
    assert vaxel(tmp_path, *arguments) == 0
    asked = sent(api)
    assert asked.pop("until").endswith("+00:00")
    assert asked == body | {"reason": "drill", "pool": "support"}
    assert capsys.readouterr().out == f"{said}; 1 moved on\n"


def test_a_switch_is_ended(tmp_path, api, capsys):
    assert vaxel(tmp_path, "off", "close", "billing", "--pool", "other") == 0
    assert sent(api) == {"switch": "close", "queue": "billing", "on": False, "pool": "other"}
    assert capsys.readouterr().out.startswith("close billing is off")


def test_no_switch_without_a_reason_or_with_a_length_that_is_none(tmp_path, api, capsys):
    assert vaxel(tmp_path, "close", "billing", "--for", "2h") == 2
    assert vaxel(tmp_path, "close", "billing", "--for", "long", "--reason", "drill") == 2
    assert "a duration is a number" in capsys.readouterr().err
    assert all(method != "POST" for method, _, _ in api.asked)


def test_what_is_on_is_listed(tmp_path, api, capsys):
    rows = [{"pool": "support", "switch": "close", "queue": "billing", "value": None,
             "reason": "drill", "until_ms": 1_800_000_000_000}]  # fmt: skip
    api.on("GET", "/api/v1/switches/live", {"switches": rows, "as_of": []})
    assert vaxel(tmp_path, "list") == 0
    said = capsys.readouterr().out
    assert "billing" in said
    assert "2027-01-15" in said
