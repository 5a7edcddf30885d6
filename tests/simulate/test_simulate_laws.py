"""What must change nothing changes nothing; what must agree with itself does."""

import itertools
import json

import pytest
from simulate.simulated import results, scenario

from vaxel_cli.simulate.runner import simulate
from vaxel_cli.simulate.scenario import Scenario

CLASSES = [
    {"arrival_rate": 1.5, "requires": ["sv"], "priority": 1, "weight": 2, "patience_mean": 2},
    {"arrival_rate": 1.0, "requires": ["fi"], "weight": 1},
    {"arrival_rate": 0.6, "requires": ["fi", "sv"], "priority": 2, "weight": 4},
]
AGENTS = [
    {"count": 2, "skills": ["sv"]},
    {"count": 2, "skills": ["fi", "sv"], "slots": 2, "service_rate": 0.6},
    {"count": 1, "skills": {"fi": 3}},
]
ORDERS = ["fifo", "priority", "aging"]
SELECTIONS = ["longest_idle", "least_loaded", "best_skill", "random_idle"]
BOTH = list(itertools.product(ORDERS, SELECTIONS))


def figures(result):
    return {name: item for name, item in result.items() if name != "seconds"}


def as_bytes(result):
    return json.dumps(figures(result)).encode()


def test_the_same_seed_gives_the_same_bytes_and_another_one_others():
    runs = [results(CLASSES, AGENTS, horizon=300, seed=seed) for seed in (5, 5, 6)]
    assert as_bytes(runs[0]) == as_bytes(runs[1]) != as_bytes(runs[2])


@pytest.mark.parametrize(("order", "selection"), BOTH)
def test_other_names_change_nothing(order, selection):
    given = scenario(CLASSES, AGENTS, order=order, selection=selection, horizon=300)
    plain = given.model_dump()
    skills = {"sv": "zz", "fi": "aa"}
    for item in plain["classes"]:
        item["name"] = "x" + item["name"]
        item["requires"] = {skills[name]: level for name, level in item["requires"].items()}
    for item in plain["agents"]:
        item["name"] = "z" + item["name"]
        item["skills"] = {skills[name]: level for name, level in item["skills"].items()}
    renamed = json.dumps(figures(simulate(Scenario.model_validate(plain))))
    for name in ("c0", "c1", "c2"):
        renamed = renamed.replace(f'"x{name}"', f'"{name}"')
    for name in ("p0", "p1", "p2"):
        renamed = renamed.replace(f'"z{name}"', f'"{name}"')
    assert json.loads(renamed) == figures(simulate(given))


def test_minutes_instead_of_seconds_scale_times_and_nothing_else():
    """To the power of two, so that not a bit differs but the ticks' rounding."""
    fast = results(CLASSES, AGENTS, horizon=2000)
    slow = results(
        [
            {
                **item,
                "arrival_rate": item["arrival_rate"] / 64,
                **({"patience_mean": 2 * 64} if "patience_mean" in item else {}),
            }
            for item in CLASSES
        ],
        [{**item, "service_rate": item.get("service_rate", 1.0) / 64} for item in AGENTS],
        horizon=2000 * 64, service_level_within=0.5 * 64,
    )  # fmt: skip
    for name, figure in fast["all"].items():
        factor = 64 if name in ("mean_wait", "asa") else 1
        assert slow["all"][name]["value"] == pytest.approx(factor * figure["value"], rel=0.02), name
    for name, group in fast["agents"].items():
        found = slow["agents"][name]["occupancy"]["value"]
        assert found == pytest.approx(group["occupancy"]["value"], rel=0.01)


@pytest.mark.parametrize("order", ORDERS)
def test_a_class_in_two_halves_is_the_same_class(order):
    whole = results(CLASSES, AGENTS, order=order, horizon=30_000)
    half = {**CLASSES[0], "arrival_rate": CLASSES[0]["arrival_rate"] / 2}
    split = results([half, half, *CLASSES[1:]], AGENTS, order=order, horizon=30_000)
    for name, figure in whole["all"].items():
        other = split["all"][name]
        apart = abs(figure["value"] - other["value"])
        assert apart <= 2 * (figure["ci95"] ** 2 + other["ci95"] ** 2) ** 0.5, name
    one, other = (split["classes"][name]["mean_wait"] for name in ("c0", "c1"))
    assert abs(one["value"] - other["value"]) <= 2 * (one["ci95"] + other["ci95"])


def test_a_group_in_two_halves_is_the_same_group_to_the_byte():
    """Agents stand in the order of the file, so whoever is asked first stays the same."""
    whole = results(CLASSES, [{"count": 6, "skills": ["sv", "fi"]}], horizon=500)
    split = results(
        CLASSES,
        [{"count": 2, "skills": ["sv", "fi"]}, {"count": 4, "skills": ["sv", "fi"]}],
        horizon=500,
    )
    assert whole["classes"] == split["classes"]


def test_customers_are_the_same_whatever_the_staff():
    """Common random numbers: arrivals don't move, and more agents never serve anybody later."""
    some, more = (results([{"arrival_rate": 4}], [{"count": n}], horizon=2000) for n in (5, 6))
    assert some["all"]["arrivals"] == more["all"]["arrivals"]
    assert more["all"]["mean_wait"]["value"] < some["all"]["mean_wait"]["value"]


@pytest.mark.parametrize(("order", "selection"), BOTH)
def test_figures_agree_with_each_other(order, selection):
    found = results(
        CLASSES, AGENTS, order=order, selection=selection, horizon=5000, warmup=100, queue_limit=6
    )
    span = 4900
    assert sum(item["arrivals"]["value"] for item in found["classes"].values()) == pytest.approx(
        found["all"]["arrivals"]["value"]
    )
    assert sum(item["mean_queue"]["value"] for item in found["classes"].values()) == pytest.approx(
        found["all"]["mean_queue"]["value"]
    )
    for name, item in found["classes"].items():
        value = {key: figure["value"] for key, figure in item.items()}
        accepted = value["arrivals"] * (1 - value["p_block"])
        served = accepted * (1 - value["p_abandon"]) / span
        rates = sum(figure["value"] for figure in found["matching_rates"][name].values())
        assert rates == pytest.approx(served, rel=0.005)
        assert accepted / span * value["mean_wait"] == pytest.approx(value["mean_queue"], rel=0.01)
        assert value["service_level"] <= 1 - value["p_abandon"] + 1e-12
        assert value["p_wait"] >= value["p_abandon"] - 1e-12
    busy = sum(
        found["agents"][name]["occupancy"]["value"] * count * slots * rate
        for name, count, slots, rate in (("p0", 2, 1, 1), ("p1", 2, 2, 0.6), ("p2", 1, 1, 1))
    )
    starts = sum(
        figure["value"] for row in found["matching_rates"].values() for figure in row.values()
    )
    assert busy == pytest.approx(starts, rel=0.06)


def test_nobody_can_be_given_what_nobody_can_do():
    found = results(CLASSES, AGENTS, horizon=500)
    assert found["matching_rates"]["c2"]["p0"] == {"value": 0.0, "ci95": 0.0}
    assert found["matching_rates"]["c1"]["p0"] == {"value": 0.0, "ci95": 0.0}


def test_a_queue_that_outgrows_its_agents_ends_all_the_same():
    found = results([{"arrival_rate": 3}], [{"count": 1}], horizon=200)
    assert found["all"]["mean_wait"]["value"] > 50
    assert found["all"]["mean_wait"]["ci95"] > 20


def test_a_class_that_never_comes_has_no_figures():
    found = results([{"arrival_rate": 0}, {"arrival_rate": 1}], [{"count": 2}], horizon=200)
    assert found["classes"]["c0"]["mean_wait"] == {"value": None, "ci95": None}
    assert found["classes"]["c0"]["arrivals"]["value"] == 0
