"""`vaxel roster import` and `export`: the difference first, comments kept, nothing half written."""

import json

import pytest
from policy_kit import ROSTER, deployment

from vaxel_cli.main import run
from vaxel_cli.policy import roster_csv, roster_file
from vaxel_cli.runinfo import find_config_dir
from vaxel_shared.config import source
from vaxel_shared.config.document import ConfigError
from vaxel_shared.config.roster import Agent, Roster

HEAD = "id,name,email,pool,tier,skills,languages,channels,present\n"
A01 = "a01,A One,a01@agents.example,support,1,billing:3,fi:10 en:5,email:1/4 chat:2/2,true\n"
NEW = "a09,Nine,a09@agents.example,support,2,billing:9,sv:1,email:1/4,false\n"
COMMENTED = "# Who works.\n" + ROSTER.replace("  - id: a02", "\n  # The second tier.\n  - id: a02")


@pytest.fixture
def bring(tmp_path, capsys):
    """Imports a CSV into the kit's roster, with comments in it."""
    folder = deployment(tmp_path / "config")
    (folder / "roster.yaml").write_text(COMMENTED)

    def do(text, *options, code=0):
        (tmp_path / "people.csv").write_text(text)
        argv = ["roster", "import", str(tmp_path / "people.csv"), "--config", str(folder)]
        assert run([*argv, *options]) == code
        captured = capsys.readouterr()
        return captured, (folder / "roster.yaml").read_text()

    return do


def agents(text):
    return source.validate(Roster, source.parse("roster.yaml", text.encode())).agents


@pytest.mark.parametrize("path", [None, find_config_dir() / "roster.yaml"])
def test_what_is_exported_comes_back_the_same(path):
    before = agents(path.read_text() if path else ROSTER)
    again = roster_csv.read("people.csv", roster_csv.write(before))
    assert [roster_file.plain(one) for one in again] == [roster_file.plain(one) for one in before]


EVERYTHING = """
agents:
  - {id: a01, name: A One, email: a01@agents.example, pool: support, role: senior, tier: 2, skills: {billing: 3},
     languages: {fi: 10}, capacity: 5, channels: {email: {cost: 1, max: 4, interrupted_by: [chat]}, chat: {cost: 2, max: 2}},
     present: true, max_offers: 2, auto_accept: [chat], backup: a02, shift: day, authority: 5000,
     share: {most: 6, within: 90m}, occupancy: {most: 85, within: 2h}, queue_order: [returns, billing]}
"""


def test_whatever_a_roster_says_of_an_agent_a_spreadsheet_does_too():
    (before,) = agents(EVERYTHING)
    assert {*roster_csv.COLUMNS} == {*Agent.model_fields} - {"at"}
    assert all(
        getattr(before, name) != Agent.model_fields[name].default for name in roster_csv.COLUMNS
    )
    (again,) = roster_csv.read("people.csv", roster_csv.write([before]))
    assert roster_file.plain(again) == roster_file.plain(before)
    written = roster_file.block(again, 2)
    assert "share: {most: 6, within: 90m}" in written
    assert agents(f"agents:\n{written}")[0].profile() == before.profile()


@pytest.mark.parametrize("cell", ["6", "x/1h", "6/soon", "/1h", "0/1h"])
def test_a_share_that_is_none_is_named_with_its_line(cell):
    text = f"{HEAD.strip()},share\n{A01.strip()},{cell}\n"
    with pytest.raises(ConfigError, match=r"people\.csv:2"):
        roster_csv.read("people.csv", text)


def test_the_difference_is_shown_and_nothing_written(bring):
    captured, text = bring(HEAD + A01.replace("billing:3", "billing:7 vat:2") + NEW)
    assert text == COMMENTED
    assert captured.out.splitlines()[:3] == [
        "~ a01",
        "    skills: billing 3 → billing 7, vat 2",
        "+ a09  Nine, pool support",
    ]
    assert "2 changes; --yes writes them to" in captured.out


def test_yes_writes_it_and_keeps_what_did_not_change_with_its_comments(bring):
    captured, text = bring(HEAD + A01.replace("billing:3", "billing:7") + NEW, "--yes", "--json")
    answer = json.loads(captured.out)
    assert answer["written"] is True
    assert [(one["kind"], one["id"]) for one in answer["changes"]] == [
        ("changed", "a01"),
        ("added", "a09"),
    ]
    assert text.startswith("# Who works.\nagents:\n  - id: a01\n")
    assert COMMENTED[COMMENTED.index("\n  # The second tier.") :] in text
    assert {one.id: one.skills for one in agents(text)} == {
        "a01": {"billing": 7},
        "a02": {"billing": 8},
        "a09": {"billing": 9},
    }


def test_replace_lets_go_whoever_is_not_named(bring):
    captured, text = bring(HEAD + A01, "--replace", "--yes")
    assert captured.out.startswith("- a02\n")
    assert [one.id for one in agents(text)] == ["a01"]


def test_the_same_again_changes_nothing(bring):
    captured, text = bring(HEAD + A01, "--yes")
    assert captured.out == "nothing differs\n"
    assert text == COMMENTED


WRONG = [
    pytest.param("id,nme\n", "people.csv:1: unknown column 'nme'; did you mean 'name'?", id="a column"),
    pytest.param("id,name\n", "people.csv:1: column email, pool, languages is missing", id="a missing column"),
    pytest.param(HEAD + A01 + "a02,Two\n", "people.csv:3: has another number of columns", id="a short row"),
    pytest.param(HEAD + A01.replace("billing:3", "billing"), "people.csv:2: skills: 'billing'; write levels", id="a level"),
    pytest.param(HEAD + A01.replace("billing:3", "billing:11"), "people.csv:2: agents.0: skill 'billing' has level 11", id="a level too high"),
    pytest.param(HEAD + A01.replace("chat:2/2", "chat:2"), "people.csv:2: channels: 'chat:2'; write channels", id="a channel"),
    pytest.param(HEAD + A01.replace("true", "maybe"), "people.csv:2: present: 'maybe'; write true or false", id="a flag"),
    pytest.param(HEAD + A01.replace(",1,", ",one,"), "people.csv:2: tier: 'one' is no number", id="a tier"),
    pytest.param(HEAD + A01.replace("support", "suport"), "no pool 'suport' in routing.yaml; did you mean 'support'?", id="a pool"),
    pytest.param(HEAD + A01.replace("a01@", "a02@"), "email 'a02@agents.example' stands in line", id="an address twice"),
    pytest.param(HEAD + A01 + A01, "agents with the same id: a01", id="an id twice"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_wrong_is_said_with_its_line_and_nothing_written(bring, text, said):
    captured, after = bring(text, "--yes", code=2)
    assert said in captured.err
    assert after == COMMENTED


@pytest.mark.parametrize(
    "text",
    [
        "agents: [{id: a01, name: A, email: a@b.example, pool: p, languages: {en: 1}}]\n",
        "# top\nagents: []\n",
    ],
)
def test_a_file_written_in_another_way_is_written_anew(text):
    document = source.parse("roster.yaml", text.encode())
    before = source.validate(Roster, document).agents
    [new] = roster_csv.read("p.csv", HEAD + NEW)
    said = roster_file.rewritten(document, before, [*before, new])
    assert [one.id for one in agents(said)] == [*(one.id for one in before), "a09"]
    assert said.startswith("# top\n") == text.startswith("# top\n")


def test_a_roster_that_is_not_valid_is_never_written():
    document = source.parse("roster.yaml", ROSTER.encode())
    before = source.validate(Roster, document).agents
    with pytest.raises(ConfigError):
        roster_file.rewritten(document, before, [*before, before[0]])


def test_export_as_yaml_is_a_roster(tmp_path, capsys):
    folder = deployment(tmp_path)
    assert run(["roster", "export", "--config", str(folder)]) == 0
    shown = [roster_file.plain(one) for one in agents(capsys.readouterr().out)]
    assert shown == [roster_file.plain(one) for one in agents(ROSTER)]
