"""`vaxel policy diff`: what another policy would have decided, decision for decision."""

import json

import pytest
from policy_history import History
from policy_kit import deployment

from vaxel_cli.main import run

FINNISH = "Huomasin tiliotteesta, että summa on veloitettu kahteen kertaan. Korjatkaa se."


@pytest.fixture
def history(tmp_path):
    history = History(deployment(tmp_path / "old"), tmp_path)
    history.contact("bill", subject="My bill")
    history.contact("finnish", subject="My bill", text=FINNISH, language="fi")
    history.contact("question", subject="A question")
    history.answer("accept")
    history.contact("more", subject="More", reply_to="question")
    history.contact("vat", subject="The vat", text=FINNISH, language="fi")
    return history


@pytest.fixture
def compared(tmp_path, history, capsys):
    def ask(changes, *options, code=0, change_log=None):
        new = deployment(tmp_path / "new", changes)
        folder = history.write(tmp_path / "log")
        if change_log is not None:
            change_log(folder)
        argv = ["policy", "diff", str(tmp_path / "old"), str(new), "--log", str(folder)]
        assert run([*argv, *options]) == code
        return capsys.readouterr().out

    return ask


def groups(said):
    answer = json.loads(said)
    return {(one["kind"], one["old"], one["new"]): one["count"] for one in answer["groups"]}


def test_the_same_policy_decides_as_was_recorded(compared):
    answer = json.loads(compared({}, "--json", "--exit-code"))
    assert (answer["compared"], answer["differ"], answer["groups"]) == (4, 0, [])
    assert answer["retriaged"] == 4
    assert answer["old_as_recorded"] == 4
    assert answer["left_out"] == {}


def test_what_a_window_decided_at_its_end_is_as_recorded(tmp_path, capsys):
    window = ("letter: S", "letter: S\n    match: {window: 500ms}")
    changes = {"routing": [window], "roster": [("tier: 2", "tier: 1")]}
    config = deployment(tmp_path / "old", changes)
    history = History(config, tmp_path)
    history.contact("bill", subject="My bill")
    history.contact("finnish", subject="My bill", text=FINNISH, language="fi")
    history.contact("question", subject="A question")
    history.command("agent.presence", agent_id="a01", data={"presence": "available"})
    at_window_s_end = [
        one for one in history.decisions()
        if one.type == "offer.made" and one.cause.startswith("timer:window")
    ]  # fmt: skip
    assert at_window_s_end, "a window came to its end"
    folder = history.write(tmp_path / "log")
    argv = ["policy", "diff", str(config), str(config), "--log", str(folder), "--json"]
    assert run(argv) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["old_as_recorded"] == answer["compared"] == 3


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {"routing": [('["bill*"]', '["invoice*"]')]},
            {("queue", "billing", "general"): 2, ("rule", "bills", "account-default"): 2},
            id="a rule that holds no more",
        ),
        pytest.param(
            {"routing": [("skills: {billing: 3}", "skills: {billing: 3}\n        only: [a01]")]},
            {},
            id="an agent named who had it anyway",
        ),
        pytest.param(
            {"routing": [("skills: {billing: 3}", "skills: {billing: 4}")]},
            {("waits", "offered", "waits"): 2},
            id="a level that the first tier hasn't",
        ),
        pytest.param(
            {"routing": [("name: billing\n        skills: {billing: 3}\n        steps:\n          - {after: 0s, tiers: [1]}", "name: billing\n        skills: {billing: 4}\n        steps:\n          - {after: 0s, tiers: [1, 2]}")]},
            {("first_agent", "a01", "a02"): 1, ("waits", "offered", "waits"): 1},
            id="the second tier at once, where it speaks the language",
        ),
        pytest.param(
            {"routing": [("set: {skills: {billing: 5}}", "set: {skills: {billing: 3}}")]},
            {("waits", "waits", "offered"): 1},
            id="a rule that asks for less",
        ),
        pytest.param(
            {"routing": [("set: {queue: billing}", "set: {queue: billing, priority: 9}")]},
            {("priority", "0", "9"): 2},
            id="another priority",
        ),
    ],
)  # fmt: skip
def test_what_would_differ_is_grouped_and_counted(compared, changes, expected):
    assert groups(compared(changes, "--json")) == expected


def test_the_exit_code_can_say_so(compared):
    compared({"routing": [('["bill*"]', '["invoice*"]')]}, "--exit-code", code=1)


def test_in_words(history, compared):
    said = compared({"routing": [('["bill*"]', '["invoice*"]')]})
    numbers = [one.data["number"] for one in history.decisions() if one.type == "case.opened"]
    assert f"      2  billing → general  ({numbers[0]}, {numbers[1]})" in said
    assert said.splitlines()[-1] == "2 of 4 first decisions would differ"


def test_where_the_messages_are_gone_the_rules_stand_as_they_were(compared):
    def forget(folder):
        manifest = json.loads((folder / "manifest.json").read_text())
        del manifest["topics"]["vaxel.interactions"]
        (folder / "manifest.json").write_text(json.dumps(manifest))

    said = compared({"routing": [('["bill*"]', '["invoice*"]')]}, "--json", change_log=forget)
    answer = json.loads(said)
    assert (answer["retriaged"], answer["compared"], answer["differ"]) == (0, 4, 0)


def test_a_log_that_was_made_under_another_policy_is_said(tmp_path, history, capsys):
    other = deployment(tmp_path / "other", {"routing": [('["bill*"]', '["invoice*"]')]})
    folder = history.write(tmp_path / "log")
    assert run(["policy", "diff", str(other), str(other), "--log", str(folder)]) == 0
    assert "2 were recorded otherwise than OLD would decide" in capsys.readouterr().out
