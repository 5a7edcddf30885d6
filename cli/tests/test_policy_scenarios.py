"""`vaxel policy test`: scenarios are played by the real rules and the real router, and failures are told."""

import json

import pytest
from policy_kit import deployment

from vaxel_cli.main import run
from vaxel_cli.runinfo import find_config_dir

INLINE = """\
channels:
  deployment: inline
  languages: [en]
  default_language: en
  accounts: [{id: mail, address: a@b.example, channel: email, pool: p, queue: q}]
routing:
  pools:
    - name: p
      letter: P
      queues: [{name: q, steps: [{after: 0s, tiers: [1]}]}]
roster:
  agents:
    - {id: x1, name: X One, email: x1@agents.example, pool: p, languages: {en: 10}, present: true}
scenarios:
  - name: whoever is there gets it
    steps:
      - ready: {id: one}
        expect: {one: {offered: x1}}
"""


def scenarios(*steps, **more):
    return json.dumps({"scenarios": [{"name": "tried", "steps": list(steps), **more}]})


@pytest.fixture
def played(tmp_path, capsys):
    """Plays a text against the kit's deployment; answers the exit code and the result."""
    folder = deployment(tmp_path / "config")

    def play(text, *options):
        path = tmp_path / "tried.yaml"
        path.write_text(text)
        code = run(["policy", "test", str(path), "--config", str(folder), "--json", *options])
        captured = capsys.readouterr()
        return code, json.loads(captured.out) if captured.out else captured.err

    return play


def test_the_example_ships_scenarios_and_all_of_them_pass(capsys):
    assert run(["policy", "test", "--config", str(find_config_dir()), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["scenarios"] >= 12
    assert answer["failed"] == 0


BILL = {"contact": {"id": "bill", "subject": "My bill", "language": "en"}}

PASSING = [
    pytest.param([{**BILL, "expect": {"bill": {"rule": "bills", "queue": "billing", "offered": "a01"}}}], id="the rules choose the queue"),
    pytest.param([BILL, {"accept": "bill"}, {"reply": "bill", "then": "waiting", "expect": {"bill": {"case": "waiting_customer", "state": "wrapping"}}}, {"wait": "30s", "expect": {"bill": {"state": "none"}}}], id="wrap-up takes its time"),
    pytest.param([BILL, {"accept": "bill"}, {"resolve": "bill", "expect": {"bill": {"case": "resolved"}}}, {"wait": "14d", "expect": {"bill": {"case": "closed", "state": "none"}}}], id="a resolved case is closed in the end"),
    pytest.param([BILL, {"decline": "bill", "expect": {"bill": {"why_not": {"a01": "barred", "a02": "not_in_tier"}, "counts": {"barred": 1}}}}, {"wait": "10m", "expect": {"bill": {"offered": "a02", "escalated": ["wait"], "tiers": [1, 2]}}}], id="a decline, then the next tier"),
    pytest.param([BILL, {"accept": "bill"}, {"transfer": "bill", "to_agent": "a02", "expect": {"bill": {"state": "waiting"}}}, {"assign": "bill", "to_agent": "a02", "expect": {"bill": {"assigned": "a02", "tier": 2}}}], id="a transfer waits for its tier, a supervisor doesn't"),
    pytest.param([BILL, {"alert": "bill", "tier": 2, "priority": 50}, {"decline": "bill", "expect": {"bill": {"offered": "a02", "escalated": ["sla_warning"]}}}], id="an alert raises the tier"),
    pytest.param([BILL, {"accept": "bill"}, {"escalate": "bill", "tier": 9, "refused": "invalid_data"}], id="a refusal that is expected"),
    pytest.param([{"contact": {"id": "chat", "account": "web", "text": "Hello, is anybody there?", "language": "en"}, "expect": {"chat": {"offered": "a01"}}, "agents": {"a01": {"offers": 1, "presence": "available"}}}], id="a chat"),
    pytest.param([{"ready": {"id": "r", "queue": "billing", "skills": {"billing": 5}, "languages": ["fi"]}, "expect": {"r": {"state": "waiting", "why_not": {"a01": "skill_level", "a02": "not_in_tier"}}}}], id="a contact past all rules"),
]  # fmt: skip


@pytest.mark.parametrize("steps", PASSING)
def test_what_happens_is_what_the_router_does(played, steps):
    code, answer = played(scenarios(*steps))
    assert answer["results"][0]["failures"] == []
    assert code == 0


def test_whole_files_may_stand_in_a_scenario_file(played):
    code, answer = played(INLINE)
    assert (code, answer["ok"]) == (0, True)


def test_what_is_wrong_with_an_inline_file_has_its_line(played):
    code, said = played(INLINE.replace("queue: q}]", "queue: qq}]"))
    assert code == 2
    assert "tried.yaml:5: no queue 'qq' in pool 'p'" in said


FAILING = [
    pytest.param([{**BILL, "expect": {"bill": {"offered": "a02"}}}], "bill.offered", "a02", "a01", "a02: not in a tier", id="somebody else is offered it"),
    pytest.param([{**BILL, "expect": {"bill": {"rule": "vat"}}}], "bill.rule", "vat", "bills", None, id="another rule"),
    pytest.param([{**BILL, "expect": {"bill": {"counts": {"barred": 2}}}}], "bill.counts", {"barred": 2}, {"barred": None}, None, id="another count"),
    pytest.param([BILL, {"accept": "bill", "by": "a02"}], "accept bill", "taken", "refused: not_owner", "somebody else", id="a refusal that isn't expected"),
    pytest.param([BILL, {"accept": "bill", "refused": "not_owner"}], "accept bill", "refused: not_owner", "taken", None, id="no refusal"),
    pytest.param([{"accept": "nothing"}], "no contact 'nothing' so far", None, None, None, id="an unknown contact"),
    pytest.param([BILL, {"away": "a01"}, {"accept": "bill"}], "nothing is offered", None, None, None, id="nothing to accept"),
    pytest.param([{"back": "a09"}], "no agent 'a09'", None, None, None, id="an unknown agent"),
    pytest.param([BILL, BILL], "came in before", None, None, None, id="an id twice"),
    pytest.param([{"contact": {"id": "c", "account": "nowhere"}}], "no account 'nowhere'", None, None, None, id="an unknown account"),
    pytest.param([{"ready": {"id": "c", "reply_to": "b"}}], "no contact 'b' before", None, None, None, id="a reply to nothing"),
    pytest.param([{"wait": "1s", "agents": {"a01": {"presence": "away"}}}], "agent a01.presence", "away", "available", None, id="an agent's presence"),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "what", "expected", "got", "note"), FAILING)
def test_what_does_not_come_out_is_told_with_both_sides(played, steps, what, expected, got, note):
    code, answer = played(scenarios(*steps))
    assert code == 1
    [failure] = answer["results"][0]["failures"]
    assert what in failure["what"]
    assert (failure["expected"], failure["got"]) == (expected, got)
    assert note is None or any(note in one for one in failure["notes"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (scenarios({"wait": "soon"}), "a duration is a number"),
        (scenarios({"wait": "1s", "accept": "a"}), "one step does one thing, not accept and wait"),
        (scenarios({"wait": "1s", "by": "a01"}), "'by' doesn't belong to 'wait'"),
        (scenarios({}), "nothing happens"),
        (scenarios({"wait": "1s", "expects": {}}), "unknown key 'expects'; did you mean 'expect'?"),
        (scenarios({"wait": "1s"}, begins="noon"), "is no instant"),
        ("scenarios: []", "at least 1 item"),
        (
            "scenarios: [{name: a, steps: [{wait: 1s}]},\n{name: a, steps: [{wait: 1s}]}]",
            "stands in line 1 already",
        ),
    ],
)
def test_a_file_that_makes_no_sense_is_wrong_use_with_its_line(played, text, said):
    code, error = played(text)
    assert code == 2
    assert said in error
    assert "tried.yaml:" in error


def test_a_failure_is_a_readable_difference(tmp_path, capsys):
    folder = deployment(tmp_path / "config")
    path = tmp_path / "tried.yaml"
    path.write_text(
        "scenarios:\n"
        "  - name: a bill goes to the second tier\n"
        "    steps:\n"
        "      - contact: {id: bill, subject: My bill, language: en}\n"
        "        expect:\n"
        "          bill:\n"
        "            queue: billing\n"
        "            offered: a02\n"
    )
    assert run(["policy", "test", str(path), "--config", str(folder)]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"FAIL  a bill goes to the second tier  ({path}:2)"
    assert told[1] == f"  {path}:8: bill.offered"
    assert told[2:4] == ["    - expected a02", "    + got      a01"]
    assert told[4].strip().startswith("a02: not in a tier that this step reaches")
    assert told[-1] == "1 scenarios, 0 pass, 1 fail"


def test_scenarios_can_be_chosen_by_name(played):
    code, answer = played(scenarios({"wait": "1s"}), "--name", "TRI")
    assert (code, answer["scenarios"]) == (0, 1)
    code, _ = played(scenarios({"wait": "1s"}), "--name", "else")
    assert code == 2


def test_the_same_scenario_comes_out_the_same_again(played):
    text = scenarios(BILL, {"decline": "bill"}, {"wait": "1h", "expect": {"bill": {"position": 7}}})
    assert played(text) == played(text)
