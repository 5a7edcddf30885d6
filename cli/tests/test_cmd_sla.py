"""``vaxel sla`` as scripts use it: answers, batches, errors and exit codes."""

import json
from itertools import pairwise

import pytest
from policy_kit import deployment

from vaxel_cli.main import run
from vaxel_cli.main import vaxel as command
from vaxel_cli.runinfo import find_config_dir
from vaxel_shared.config.sla import load
from vaxel_shared.config.source import ConfigError
from vaxel_shared.errors import VaxelError

POLICY = """\
calendars:
  - name: kontor
    zone: Europe/Copenhagen
    hours: {mon: ["08:00-13:00", "14:00-18:00"], tue: ["08:00-16:00"], wed: ["08:00-16:00"],
            thu: ["08:00-16:00"], fri: ["08:00-15:00", "22:00-24:00"], sat: []}
    holidays: [2026-12-24, {country: DK}, {ical: holidays.ics}]
    dates: {2026-12-23: ["08:00-12:00"]}
  - {name: always, zone: UTC, hours: always}
  - {name: norsk, zone: Europe/Oslo, hours: always, holidays: [{country: NO}]}
  - {name: shut, zone: UTC, hours: {mon: []}}
"""
FEED = """\
BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:test\r
BEGIN:VEVENT\r
UID:1\r
DTSTART;VALUE=DATE:20261228\r
SUMMARY:Stocktaking\r
END:VEVENT\r
END:VCALENDAR\r
"""


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "sla.yaml"
    path.write_text(POLICY)
    (tmp_path / "holidays.ics").write_text(FEED)
    return path


@pytest.fixture
def vaxel(policy, capsys):
    def call(*words, code=0):
        found = run(["sla", words[0], "--policy", str(policy), *words[1:]])
        captured = capsys.readouterr()
        assert found == code, captured.err
        return captured.out if code != 2 else captured.err

    return call


@pytest.mark.parametrize(
    ("calendar", "start", "target", "expected"),
    [
        ("kontor", "2026-12-23T11:00:00+01:00", "3600", "2026-12-23T11:00:00Z"),
        # The 24th is listed, 25th and 26th are Denmark's, the 28th is the feed's.
        ("kontor", "2026-12-23T11:00:00+01:00", "3601", "2026-12-29T07:00:01Z"),
        ("kontor", "2026-03-27T23:00:00+01:00", "3600", "2026-03-27T23:00:00Z"),
        ("kontor", "2026-03-27T23:00:00+01:00", "3601", "2026-03-30T06:00:01Z"),  # summer time
        ("always", "2026-12-23T11:00:00+01:00", "172800", "2026-12-25T10:00:00Z"),
        ("always", "2026-12-23T11:00:00Z", "0.25", "2026-12-23T11:00:00.250Z"),
        ("norsk", "2026-05-16T23:00:00+02:00", "7200", "2026-05-17T23:00:00Z"),  # YAML's "NO"
    ],
)
def test_due(vaxel, calendar, start, target, expected):
    out = vaxel("due", "--calendar", calendar, "--from", start, "--target", target, "--json")
    assert json.loads(out) == {"due": expected}


def test_elapsed_undoes_due(vaxel):
    out = vaxel(
        "elapsed", "--calendar", "kontor", "--from", "2026-12-23T11:00:00+01:00",
        "--to", "2026-12-29T08:00:01+01:00", "--json",
    )  # fmt: skip
    assert out.strip() == '{"seconds": 3601}'


def test_a_batch_answers_every_line_in_order(vaxel, tmp_path):
    lines = [
        {"from": "2026-12-21T08:00:00+01:00", "target": 3600},
        {"from": "2026-12-21T08:00:00+01:00", "target": 3600.5, "calendar": "always"},
        {"from": "2026-12-21T08:00:00+01:00", "target": 3600,
         "paused": [["2026-12-21T07:30:00Z", "2026-12-21T09:00:00Z"]]},
        {"from": "2026-12-21T08:00:00+01:00", "target": 3600,
         "paused": [["2026-12-21T07:30:00Z", None]]},
        {"from": "2026-12-21T08:00:00", "target": 3600},
        {"from": "2026-12-21T08:00:00Z", "target": -1},
        {"from": "2026-12-21T08:00:00Z", "target": 1, "calendar": "shut"},
        ["no object"],
    ]  # fmt: skip
    path = tmp_path / "batch.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    out = vaxel("due", "--calendar", "kontor", "--batch", str(path), code=1)
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer.get("due") for answer in answers[:4]] == [
        "2026-12-21T08:00:00Z", "2026-12-21T08:00:00.500Z", "2026-12-21T09:30:00Z", None,
    ]  # fmt: skip
    assert all("error" in answer for answer in answers[4:])
    assert "offset" in answers[4]["error"]
    assert "never open" in answers[6]["error"]


def test_a_batch_of_elapsed_takes_pauses_off(vaxel, tmp_path):
    path = tmp_path / "batch.jsonl"
    line = {
        "from": "2026-12-21T08:00:00+01:00", "to": "2026-12-21T18:00:00+01:00",
        "paused": [["2026-12-21T12:30:00+01:00", "2026-12-21T14:30:00+01:00"]],
    }  # fmt: skip
    path.write_text(json.dumps(line))
    out = vaxel("elapsed", "--calendar", "kontor", "--batch", str(path))
    assert [json.loads(one) for one in out.splitlines()] == [{"seconds": 8 * 3600}]


def test_explain_gives_segments_without_gaps_that_add_up(vaxel):
    out = vaxel(
        "explain", "--calendar", "kontor", "--from", "2026-12-23T11:00:00+01:00",
        "--target", "7200", "--json",
    )  # fmt: skip
    answer = json.loads(out)
    parts = answer["segments"]
    assert sum(part["seconds"] for part in parts) == answer["seconds"] == 7200
    assert all(a["to"] == b["from"] for a, b in pairwise(parts))
    assert [part["name"] for part in parts if part["why"] == "holiday"] == [
        "day off", "Christmas Day", "Second Day of Christmas", "Stocktaking",
    ]  # fmt: skip
    assert {part["why"] for part in parts} >= {"dates", "hours", "outside_hours", "closed_day"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["--calendar", "kontr", "--from", "2026-12-21T08:00:00Z", "--target", "1"],
            "did you mean",
        ),
        (["--calendar", "shut", "--from", "2026-12-21T08:00:00Z", "--target", "1"], "never open"),
        (["--calendar", "kontor", "--from", "2026-12-21T08:00:00", "--target", "1"], "no offset"),
        (["--calendar", "kontor", "--from", "today", "--target", "1"], "no instant"),
        (
            ["--calendar", "kontor", "--from", "2026-12-21T08:00:00Z", "--target", "soon"],
            "no number",
        ),
        (["--calendar", "kontor", "--from", "2026-12-21T08:00:00Z"], "--target is missing"),
        (["--from", "2026-12-21T08:00:00Z", "--target", "1"], "which calendar"),
    ],
)
def test_a_wrong_question_says_what_to_do(words, says, policy):
    arguments = ["sla", "due", "--policy", str(policy), *words]
    with pytest.raises(VaxelError, match=says) as caught:
        command.main(arguments, standalone_mode=False)
    assert getattr(caught.value, "exit_code", None) == 2


def test_lint_names_file_line_and_remedy(vaxel, policy):
    policy.write_text(
        """\
calendars:
  - {name: shut, zone: UTC, hours: {mon: []}}
  - {name: office, zone: UTC, hours: {mon: ["08:00-12:00", "11:00-16:00"]}}
policies:
  - {name: all, calendar: office, resolution: 2d}
  - name: vip
    when: {label: vip}
    calendar: office
    first_response:
      - {target: 1h}
      - {target: 30m, priority_at_least: 50}
"""
    )
    out = vaxel("lint", "--json", code=1)
    findings = {(item["code"], item["at"]) for item in json.loads(out)["findings"]}
    assert findings >= {
        ("never_open", "sla.yaml:2"), ("overlapping_hours", "sla.yaml:3"),
        ("shadowed_policy", "sla.yaml:7"), ("shadowed_goal", "sla.yaml:11"),
        ("unused_calendar", "sla.yaml:2"),
    }  # fmt: skip


def test_calendars_of_queues_shifts_and_leases_are_used(tmp_path, capsys):
    hours = "skills: {billing: 3}\n        hours: {calendar: counter}"
    lease = "letter: S\n    lease: {email: 1h}\n    lease_hours: {email: desk}"
    changes = [("skills: {billing: 3}", hours), ("letter: S", lease)]
    folder = deployment(tmp_path / "config", {"routing": changes})
    week = "zone: UTC, hours: {mon: ['08:00-12:00']}"
    names = "\n".join(
        f"  - {{name: {name}, {week}}}" for name in ("all", "counter", "desk", "idle")
    )
    policies = "policies:\n  - {name: one, calendar: all, resolution: 2d}\n"
    (folder / "sla.yaml").write_text(f"calendars:\n{names}\n{policies}")
    run(["sla", "lint", "--policy", str(folder / "sla.yaml"), "--json"])
    captured = capsys.readouterr()
    assert captured.err == ""
    findings = json.loads(captured.out)["findings"]
    unused = [one["at"] for one in findings if one["code"] == "unused_calendar"]
    assert unused == ["sla.yaml:5"]


def test_the_example_has_nothing_against_it(capsys):
    assert run(["sla", "lint", "--policy", str(find_config_dir(None) / "sla.yaml")]) == 0
    assert "nothing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("calendars: [{name: a, zone: Europe/Kopenhagen}]", "Europe/Copenhagen"),
        ("calendars: [{name: a, zone: UTC, hours: {mon: ['17:00-09:00']}}]", "both days"),
        ("calendars: [{name: a, zone: UTC, hours: {monday: ['09:00-17:00']}}]", "'mon'"),
        ("calendars: [{name: a, zone: UTC, holidays: [{country: XX}]}]", "no holidays known"),
        ("calendars: [{name: a, zone: UTC, holidays: [{ical: gone.ics}]}]", "gone.ics"),
        ("calendars: [{name: a, zone: UTC, hourz: always}]", "did you mean 'hours'"),
        ("calendars: [{name: a, zone: UTC}, {name: a, zone: UTC}]", "the name of two"),
        ("policies: [{name: p, calendar: c}]", "no calendar 'c'"),
        ("policies: [{name: p, calendar: c, warn_at: [100]}]", "less than 100"),
    ],
)
def test_a_wrong_file_names_the_line_and_the_remedy(policy, text, says):
    policy.write_text(text)
    with pytest.raises(ConfigError, match=r"sla\.yaml:1: ") as caught:
        load(policy)
    assert says in str(caught.value)
