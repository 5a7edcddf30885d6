"""`vaxel simulate` as people and scripts use it."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from vaxel_cli.main import run
from vaxel_cli.simulate.distributions import Distribution, spelled

ROOT = Path(__file__).resolve().parents[2]
SMALL = """
unit: s
horizon: 400
seed: 3
classes:
  - {name: a, arrival_rate: 1.5, requires: [a]}
  - {name: b, arrival_rate: 0.5, requires: [b], patience_mean: 4}
agents:
  - {name: p0, count: 2, skills: [a], service_rate: 1.0}
  - {name: p1, count: 1, skills: [a, b], service_rate: 1.0}
order: fifo
selection: longest_idle
queue_limit: null
service_level_within: 1
"""
FIGURES = {
    "arrivals", "mean_wait", "asa", "p_wait", "mean_queue", "p_abandon", "p_block", "service_level",
}  # fmt: skip


@pytest.fixture
def simulate(tmp_path, capsys):
    """Runs the command on a scenario's text; answers (exit code, stdout, stderr)."""

    def call(text, *options):
        path = tmp_path / "scenario.yaml"
        path.write_text(text)
        code = run(["simulate", str(path), *options])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_the_document_has_the_shape_that_was_agreed(simulate):
    code, out, _ = simulate(SMALL, "--json")
    found = json.loads(out)
    assert code == 0
    assert set(found) == {"classes", "all", "agents", "matching_rates", "events", "seconds"}
    assert set(found["classes"]) == {"a", "b"}
    for item in (*found["classes"].values(), found["all"]):
        assert set(item) == FIGURES
    assert set(found["agents"]) == {"p0", "p1"}
    assert set(found["agents"]["p0"]) == {"occupancy"}
    assert {name: set(row) for name, row in found["matching_rates"].items()} == {
        "a": {"p0", "p1"}, "b": {"p0", "p1"},
    }  # fmt: skip
    every = [
        figure for item in (*found["classes"].values(), found["all"]) for figure in item.values()
    ]
    every += [figure for row in found["matching_rates"].values() for figure in row.values()]
    for figure in every:
        assert set(figure) == {"value", "ci95"}
        assert figure["value"] >= 0
        assert figure["ci95"] >= 0
    assert found["events"] > 1000


def test_the_same_seed_prints_the_same_but_for_the_time_it_took(simulate):
    first, second = (simulate(SMALL, "--json")[1] for _ in range(2))
    seconds = re.compile(r'"seconds": [\d.]+')
    assert seconds.sub("", first) == seconds.sub("", second)


def test_people_get_tables_with_no_more_digits_than_mean_something(simulate):
    code, out, _ = simulate(SMALL)
    assert code == 0
    assert "times in s, rates per s; in time: served within 1 s" in out
    assert re.search(r"│ all +│ \d{3} ± \d+ ", out)


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (("horizon: 400", "horzion: 400"), 3, "unknown key 'horzion'; did you mean 'horizon'?"),
        (("seed: 3", "seed: many"), 4, "seed: "),
        (("requires: [b]", "requires: [c]"), 7, "no agent has 'c'; known are a, b"),
        (("arrival_rate: 0.5", "arrival_rate: -1"), 7, "greater than or equal to 0"),
        (("name: b", "name: a"), 7, "name 'a' stands in line 5 already; change one"),
        (("order: fifo", "order: lifo"), 11, "'fifo', 'priority' or 'aging'"),
        (("horizon: 400", "horizon: 400\nwarmup: 400"), 4, "warmup: not before horizon; make it"),
        (("skills: [a, b]", "skills: {a: 1, b: 11}"), 10, "less than or equal to 10"),
        (("service_rate: 1.0}", "service_rate: 1.0, distribution: poisson}"), 9, "'exponential'"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_line_and_remedy(simulate, change, line, said):
    text = SMALL.lstrip("\n")
    assert change[0] in text
    code, _, err = simulate(text.replace(*change))
    assert code == 2
    where = f"scenario.yaml:{line - 1}: "
    assert where in err, err
    assert said in err, err


def test_whoever_nobody_serves_gives_up(simulate):
    code, out, _ = simulate(SMALL.replace("name: p1, count: 1", "name: p1, count: 0"), "--json")
    assert code == 0
    assert json.loads(out)["classes"]["b"]["p_abandon"]["value"] == 1


def test_a_class_that_nobody_serves_and_that_waits_for_ever_is_refused(simulate):
    text = SMALL.replace("name: p1, count: 1", "name: p1, count: 0").replace(
        ", patience_mean: 4", ""
    )
    code, _, err = simulate(text)
    assert code == 2
    assert "nobody is there for 'b' and it waits for ever: give it an agent" in err


def test_no_file_is_wrong_use(capsys):
    assert run(["simulate", "nowhere.yaml"]) == 2
    assert "no file nowhere.yaml" in capsys.readouterr().err


def test_a_queue_that_grows_without_end_is_said(simulate):
    code, out, err = simulate(SMALL.replace("arrival_rate: 1.5", "arrival_rate: 3.5"), "--json")
    assert code == 0
    assert "'a': 3.5 arrive a s, 3 can be served: the queue grows without end" in err
    json.loads(out)


def test_staff_is_varied_and_more_of_it_serves_sooner(simulate):
    code, out, _ = simulate(SMALL, "--json", "--staff", "p0=1..5:2", "--staff", "p1=1..2")
    rows = json.loads(out)["rows"]
    assert code == 0
    assert [row["staff"] for row in rows] == [
        {"p0": p0, "p1": p1} for p0 in (1, 3, 5) for p1 in (1, 2)
    ]
    levels = [row["result"]["all"]["service_level"]["value"] for row in rows]
    assert levels[0] < levels[2] < levels[4]
    assert len({row["result"]["all"]["arrivals"]["value"] for row in rows}) == 1


def test_service_level_against_staff_is_drawn(simulate, tmp_path):
    picture = tmp_path / "staff.svg"
    code, out, _ = simulate(SMALL, "--staff", "p0=1..4", "--plot", str(picture))
    assert code == 0
    assert "drawn: " in out
    root = ET.fromstring(picture.read_text())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    circles = root.findall(".//{*}circle")
    assert len(circles) == 3 * 4
    heights = [float(circle.get("cy")) for circle in circles[:4]]
    assert heights == sorted(heights, reverse=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--staff", "p9=1..2"], "no agents 'p9' in the scenario; "),
        (["--staff", "p0=4..2"], "goes nowhere"),
        (["--staff", "p0"], "is no range; write it like p0=8..14"),
        (["--staff", "p0=1..900"], "900 combinations, 400 at most"),
        (["--staff", "p0=1", "--staff", "p0=2"], "one --staff for each group"),
        (["--plot", "x.svg"], "give it one --staff"),
        (["--staff", "p0=1..2", "--plot", "nowhere/x.svg"], "nowhere/x.svg: No such file"),
    ],
)
def test_wrong_use_says_what_to_do(simulate, options, said):
    code, _, err = simulate(SMALL, *options)
    assert code == 2
    assert said in err


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs/examples").glob("*.yaml")), ids=lambda p: p.stem
)
def test_every_example_of_the_documents_runs(path, simulate):
    code, out, err = simulate(re.sub(r"horizon: \d+", "horizon: 300", path.read_text()), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["all"]["arrivals"]["value"] > 100


def test_the_page_shows_a_scenario_that_runs_and_names_every_key(simulate):
    page = (ROOT / "docs/simulate.md").read_text()
    [block] = re.findall(r"^```simulation\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    code, out, _ = simulate(block.replace("horizon: 20000", "horizon: 500"), "--json")
    assert code == 0
    for name in FIGURES | {"occupancy"}:
        assert f"`{name}`" in page or f" {name}" in page, name
    assert json.loads(out)["events"] > 500


SHAPES = [
    "exponential", "deterministic", "erlang", {"erlang": {"k": 5}}, "hyperexponential",
    {"kind": "lognormal", "cv": 0.5}, {"uniform": {"spread": 0.3}}, {"weibull": {"shape": 1.7}},
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_shape_has_the_mean_of_its_rate(shape):
    sample = Distribution.model_validate(spelled(shape)).sampler(3.0)
    count = 100_000
    samples = [sample((i + 0.5) / count) for i in range(count)]
    assert min(samples) >= 0
    assert sum(samples) / count == pytest.approx(3, rel=0.02)


def test_erlang_has_the_spread_of_its_phases():
    sample = Distribution(kind="erlang", k=4).sampler(1.0)
    count = 100_000
    samples = [sample((i + 0.5) / count) for i in range(count)]
    variance = sum((x - 1) ** 2 for x in samples) / count
    assert variance == pytest.approx(0.25, rel=0.03)
