"""`vaxel policy explain`: the whole table of any decision, computed again from the log."""

import hashlib
import json

import pytest
from policy_history import History
from policy_kit import deployment

from vaxel_cli.main import run
from vaxel_shared import ids
from vaxel_shared.ids import event_id

CASE = ids.case_id(event_id("scenario", "bill"))


@pytest.fixture
def history(tmp_path):
    return History(deployment(tmp_path / "config"), tmp_path)


@pytest.fixture
def told(tmp_path, history, capsys):
    def ask(*options, code=0, case=CASE):
        folder = tmp_path / "out"
        if not folder.exists():
            history.write(folder)
        assert run(["policy", "explain", case, "--from", str(folder), *options]) == code
        return capsys.readouterr()

    return ask


def rows(answer):
    return {row["agent_id"]: row for row in answer["table"]}


def test_an_offered_work_shows_who_was_chosen_and_why_each_other_was_not(history, told):
    history.contact("bill", subject="My bill")
    answer = json.loads(told("--json").out)
    assert (answer["type"], answer["winner"]) == ("offer.made", "a01")
    assert answer["source"] == "recomputed"
    assert answer["same_as_recorded"] is True
    assert rows(answer)["a01"]["chosen"] is True
    assert rows(answer)["a01"]["terms"][0] == {"code": "sticky", "value": 0}
    assert rows(answer)["a02"]["code"] == "not_in_tier"


def test_an_assigned_work_is_explained_by_its_offer(history, told):
    history.contact("bill", subject="My bill")
    history.answer("accept")
    answer = json.loads(told("--json").out)
    assert (answer["type"], answer["winner"]) == ("offer.made", "a01")


def test_a_declined_work_that_waits_says_what_blocks_it_now_and_until_when(history, told):
    history.contact("bill", subject="My bill")
    history.answer("decline")
    answer = json.loads(told("--json").out)
    assert (answer["decision"], answer["winner"]) == (None, None)
    assert rows(answer)["a01"]["code"] == "barred"
    [by_time] = [item for item in rows(answer)["a01"]["if"] if "in_ms" in item]
    assert by_time["in_ms"] == 3_600_000
    [by_step, *_] = rows(answer)["a02"]["if"]
    assert by_step["in_ms"] == 599_000
    assert by_step["step"]["id"] == "billing[1]"
    assert by_step["would"] == "offered"


def test_a_waiting_work_says_at_which_level_or_language_each_would_get_it(history, told):
    history.contact("bill", subject="My bill", text="vat", language="fi")
    answer = json.loads(told("--json").out)
    changes = {
        name: [item["changes"] for item in row["if"] if "changes" in item]
        for name, row in rows(answer).items()
    }
    assert changes["a01"] == [[{"skill": "billing", "level_at_least": 5}]]
    assert changes["a02"] == [[{"tier": 1}, {"language": ["fi"]}]]
    assert {item["would"] for row in answer["table"] for item in row["if"]} == {"offered"}


def test_someone_away_would_get_it_if_there_and_someone_full_with_room(history, told):
    history.command("agent.presence", agent_id="a02", data={"presence": "away"})
    for name in ("one", "two", "three", "four", "bill"):
        history.contact(name, subject="A question")
    answer = json.loads(told("--json").out)
    assert rows(answer)["a01"]["code"] == "channel_full"
    assert rows(answer)["a01"]["if"] == [{"changes": [{"room_for": "email"}], "would": "offered"}]
    assert {"presence": "available"} in rows(answer)["a02"]["if"][0]["changes"]


def test_somebody_who_could_take_it_but_would_not_win_is_told_apart(history, told):
    history.contact("bill", subject="My bill")
    [change] = [i for i in rows(json.loads(told("--json").out))["a02"]["if"] if "changes" in i]
    assert change == {"changes": [{"tier": 1}], "would": "eligible"}


def test_a_term_that_depends_on_the_others_is_told_as_it_counted(tmp_path, capsys):
    rare = {
        "routing": [("skills: {billing: 3}", "skills: {billing: 3}\n        keep_rare_free: true")]
    }
    history = History(deployment(tmp_path / "config", rare), tmp_path)
    history.contact("bill", subject="My bill")
    history.write(tmp_path / "out")
    assert run(["policy", "explain", CASE, "--from", str(tmp_path / "out"), "--json"]) == 0
    [row] = [one for one in json.loads(capsys.readouterr().out)["table"] if one.get("chosen")]
    recorded = (tmp_path / "out" / "vaxel.decisions-0.jsonl").read_text()
    [spare] = [term for term in row["terms"] if term["code"] == "spare_skill"]
    assert spare["value"] > 0
    assert json.dumps(row["terms"]).replace(" ", "") in recorded.replace("\\", "")


def test_every_decision_of_the_case_can_be_asked_about(history, told):
    history.contact("bill", subject="My bill")
    history.answer("decline")
    listed = json.loads(told("--json").out)["decisions"]
    kinds = [item["type"] for item in listed]
    assert kinds[0] == "case.opened"
    for item in listed:
        answer = json.loads(told("--json", "--decision", str(item["number"])).out)
        assert answer["type"] == item["type"]
    queued = json.loads(told("--json", "--decision", str(kinds.index("work.queued") + 1)).out)
    assert queued["winner"] == "a01"
    ended = json.loads(told("--json", "--decision", str(kinds.index("offer.ended") + 1)).out)
    assert rows(ended)["a01"]["code"] == "barred"


def test_a_pool_too_large_to_be_recorded_whole_is_computed_whole(tmp_path, told, capsys):
    more = "".join(
        f"  - {{id: b{n:02}, name: B {n}, email: b{n}@agents.example, pool: support,"
        " languages: {fi: 1}, present: true}\n"
        for n in range(60)
    )
    end = "languages: {en: 10}\n    channels: {email: {cost: 1, max: 4}, chat: {cost: 2, max: 2}}\n    present: true\n"
    config = deployment(tmp_path / "large", {"roster": [(end, end + more)]})
    history = History(config, tmp_path / "large")
    history.contact("bill", subject="My bill")
    made = next(one for one in history.decisions() if one.type == "offer.made")
    assert len(made.data["explain"]["rejected"]) == 5
    folder = history.write(tmp_path / "whole")
    assert run(["policy", "explain", CASE, "--from", str(folder), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["table"]) == 62
    assert answer["same_as_recorded"] is True


def test_by_number_and_in_words(history, told):
    history.contact("bill", subject="My bill")
    number = next(one.data["number"] for one in history.decisions() if one.type == "case.opened")
    said = told(case=number.lower()).out
    assert f"{number}  decision " in said
    assert "2 agents, 1 could take it; step billing[0] (routing.yaml:" in said
    assert "a01          chosen: answered this customer last: no; in tier" in said
    assert "a02          not in a tier that this step reaches (tier 2, tiers 1)" in said
    assert "in 10 min (billing[1]): could take it; a01 would still be before" in said
    assert "in tier 1: could take it" in said


def test_the_list_numbers_them(history, told):
    history.contact("bill", subject="My bill")
    lines = told("--list").out.splitlines()
    assert lines[0].split()[0] == "1"
    assert lines[0].endswith("case.opened")
    assert lines[-1].endswith("offer.made  a01")


def test_without_the_logs_beginning_it_is_told_as_it_was_recorded(tmp_path, history, told):
    history.contact("bill", subject="My bill")
    folder = history.write(tmp_path / "out")
    manifest = json.loads((folder / "manifest.json").read_text())
    [part] = manifest["topics"]["vaxel.decisions"]["partitions"]
    path = folder / part["file"]
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    part["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    captured = told("--json")
    answer = json.loads(captured.out)
    assert (answer["source"], answer["winner"]) == ("recorded", "a01")
    assert rows(answer)["a02"]["code"] == "not_in_tier"
    assert "begins at offset 1" in captured.err


@pytest.mark.parametrize(
    ("options", "case", "code", "said"),
    [
        ((), "S-404", 1, "no case S-404 in this log"),
        (("--decision", "99"), CASE, 2, "decisions; --list shows them"),
    ],
)
def test_what_there_is_not_is_said(history, told, options, case, code, said):
    history.contact("bill", subject="My bill")
    assert said in told(*options, case=case, code=code).err


def test_work_of_a_window_says_until_when_it_is_collected_then_how_well_it_was_matched(
    tmp_path, capsys
):
    edits = [
        ("    queues:\n", "    match: {window: 3s}\n    queues:\n"),
        ("{after: 0s, tiers: [1]}\n          - {after: 10m, tiers: [1, 2]}", "{after: 0s, tiers: [1, 2]}"),
    ]  # fmt: skip
    history = History(deployment(tmp_path / "config", {"routing": edits}), tmp_path)

    def ask(folder, *options):
        history.write(tmp_path / folder)
        assert run(["policy", "explain", CASE, "--from", str(tmp_path / folder), *options]) == 0
        return capsys.readouterr().out

    history.contact("bill", subject="Hello")
    now = json.loads(ask("first", "--json"))
    assert (now["held"]["code"], now["winner"], now["eligible"]) == ("collecting", None, 2)
    for name in ("second", "third", "fourth"):
        history.contact(name, subject="Hello")
    then = json.loads(ask("then", "--json"))
    assert then["window"] == {
        "method": "best", "works": 3, "agents": 2, "matched": 3, "gap": 0,
    }  # fmt: skip
    assert [name for name, row in rows(then).items() if row.get("chosen")] == [then["winner"]]
    assert "matched together, 3 of 3 works to 2 agents: the best there is" in ask("words")
