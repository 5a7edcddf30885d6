"""docs/policy.md: its scenarios pass, its tables are complete, its CSV is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs.pages import ROOT, read

from vaxel_cli.main import run
from vaxel_cli.policy import roster_csv
from vaxel_cli.policy.scenario import VERBS, AgentExpectation, Contact, Expectation

[PAGE] = read("docs/policy.md")
SCENARIOS = [block.text for block in PAGE.blocks if block.info == "scenario"]


def words() -> set[str]:
    return {word for span in PAGE.spans for word in re.findall(r"\w+", span)}


def test_there_are_scenarios_to_play() -> None:
    assert len(SCENARIOS) == 2


@pytest.mark.parametrize("index", range(len(SCENARIOS)))
def test_every_scenario_of_the_page_passes(
    index: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "page.yaml"
    path.write_text(SCENARIOS[index])
    code = run(["policy", "test", str(path), "--config", str(ROOT / "config")])
    assert code == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    "names",
    [
        set(VERBS),
        set(Expectation.model_fields),
        set(AgentExpectation.model_fields),
        {field.alias or name for name, field in Contact.model_fields.items()},
    ],
    ids=["verbs", "expectations", "agents", "contacts"],
)
def test_every_key_of_a_scenario_is_described(names: set[str]) -> None:
    assert names <= words()


def test_every_code_that_the_checks_know_is_described() -> None:
    sources = (ROOT / "cli/src/vaxel_cli/policy").glob("lint*.py")
    text = "".join(path.read_text() for path in sources)
    codes = set(re.findall(r'"(?:error|warning)",\s*"(\w+)"|severity, "(\w+)"', text))
    found = {one for pair in codes for one in pair if one}
    assert len(found) > 15
    assert found <= words()


def test_the_csv_is_a_roster() -> None:
    [text] = [block.text for block in PAGE.blocks if block.text.startswith("id,name,")]
    [agent] = roster_csv.read("page.csv", text)
    assert agent.skills == {"billing": 8, "returns": 4}
