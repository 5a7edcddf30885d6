"""The router's matching in virtual time agrees with everything that queueing theory knows exactly."""

import pytest
from simulate.queueing_theory import (
    Group,
    SkillGraph,
    aging,
    erlang_a,
    erlang_b,
    mmc,
    mmck,
    pollaczek_khinchine,
    priorities,
)
from simulate.simulated import differences, results

SHARP = 0.25


@pytest.mark.parametrize(("rate", "servers"), [(0.7, 1), (4.0, 5), (17.0, 20)])
def test_erlang_c(rate, servers):
    found = results([{"arrival_rate": rate}], [{"count": servers}], horizon=100_000 / rate)
    known = mmc(rate, 1, servers, 0.5)
    assert not differences(found["classes"]["c0"], known, SHARP)
    assert not differences(found["agents"]["p0"], {"occupancy": rate / servers}, SHARP)
    assert not differences(found["matching_rates"]["c0"], {"p0": rate}, SHARP)


def test_slots_are_servers():
    found = results([{"arrival_rate": 4}], [{"count": 2, "slots": 2}, {"slots": 1}], horizon=20_000)
    assert not differences(found["all"], mmc(4, 1, 5, 0.5), SHARP)


def test_the_unit_and_the_rate_of_service_are_taken_as_they_stand():
    found = results(
        [{"arrival_rate": 0.5}], [{"count": 3, "service_rate": 0.2}],
        horizon=200_000, unit="min", service_level_within=2,
    )  # fmt: skip
    assert not differences(found["all"], mmc(0.5, 0.2, 3, 2), SHARP)


def test_erlang_b():
    found = results([{"arrival_rate": 4}], [{"count": 5}], queue_limit=0, horizon=20_000)
    known = {"p_block": erlang_b(4, 5), "p_wait": 0, "mean_wait": 0, "service_level": 1}
    assert not differences(found["all"], known, SHARP)
    busy = 4 * (1 - erlang_b(4, 5)) / 5
    assert not differences(found["agents"]["p0"], {"occupancy": busy}, SHARP)


def test_limited_places():
    found = results([{"arrival_rate": 5}], [{"count": 5}], queue_limit=4, horizon=20_000)
    assert not differences(found["all"], mmck(5, 1, 5, 4, 0.5), SHARP)


@pytest.mark.parametrize(("servers", "patience"), [(4, 0.5), (5, 2.0)])
def test_erlang_a(servers, patience):
    found = results(
        [{"arrival_rate": 5, "patience_mean": patience}], [{"count": servers}], horizon=20_000
    )
    known = erlang_a(5, 1, servers, patience, 0.5)
    occupancy = known.pop("occupancy")
    known = {name: value for name, value in known.items() if not name.startswith("check")}
    assert not differences(found["all"], known, SHARP)
    assert not differences(found["agents"]["p0"], {"occupancy": occupancy}, SHARP)


@pytest.mark.parametrize("servers", [1, 4])
def test_priorities(servers):
    rates = [0.2 * servers, 0.25 * servers, 0.3 * servers]
    found = results(
        [{"arrival_rate": rate, "priority": 3 - i} for i, rate in enumerate(rates)],
        [{"count": servers}], order="priority", horizon=100_000 / servers,
    )  # fmt: skip
    for i, wait in enumerate(priorities(rates, 1, servers)):
        assert not differences(found["classes"][f"c{i}"], {"mean_wait": wait}, SHARP)


@pytest.mark.parametrize("servers", [1, 3])
def test_aging(servers):
    rates, weights = [0.3 * servers, 0.25 * servers, 0.2 * servers], [1.0, 2.0, 5.0]
    found = results(
        [
            {"arrival_rate": rate, "weight": weight}
            for rate, weight in zip(rates, weights, strict=True)
        ],
        [{"count": servers}], order="aging", horizon=100_000 / servers,
    )  # fmt: skip
    for i, wait in enumerate(aging(rates, weights, 1, servers)):
        assert not differences(found["classes"][f"c{i}"], {"mean_wait": wait}, SHARP)


@pytest.mark.parametrize("order", ["fifo", "priority", "aging"])
def test_no_order_of_service_changes_the_work_that_waits(order):
    """Kleinrock's conservation law."""
    rates = [1.0, 0.8, 0.6]
    found = results(
        [
            {"arrival_rate": rate, "priority": i, "weight": 1 + 3 * i}
            for i, rate in enumerate(rates)
        ],
        [{"count": 3}], order=order, horizon=30_000,
    )  # fmt: skip
    known = mmc(2.4, 1, 3, 0.5)
    assert not differences(found["all"], {"mean_wait": known["mean_wait"]}, SHARP)
    waits = [found["classes"][f"c{i}"]["mean_wait"]["value"] for i in range(3)]
    weighed = sum(rate * wait for rate, wait in zip(rates, waits, strict=True)) / 2.4
    assert weighed == pytest.approx(known["mean_wait"], rel=0.1)


@pytest.mark.parametrize(
    ("distribution", "variation"),
    [
        ("deterministic", 0),
        ({"kind": "erlang", "k": 4}, 0.5),
        ({"uniform": {"spread": 0.6}}, 0.6 / 3**0.5),
        ({"lognormal": {"cv": 1.5}}, 1.5),
        ({"hyperexponential": {"cv": 2}}, 2),
        ({"weibull": {"shape": 1.0}}, 1),
    ],
)
def test_any_service_time(distribution, variation):
    found = results([{"arrival_rate": 0.7}], [{"distribution": distribution}], horizon=150_000)
    known = {"mean_wait": pollaczek_khinchine(0.7, 1, variation), "p_wait": 0.7}
    assert not differences(found["all"], known, 0.4)


def test_arrivals_like_clockwork_never_meet_a_quick_agent():
    found = results(
        [{"arrival_rate": 1, "distribution": "deterministic"}],
        [{"service_rate": 2, "distribution": "deterministic"}],
    )
    assert found["all"]["p_wait"]["value"] == 0
    assert found["all"]["arrivals"]["value"] == pytest.approx(20_000, abs=1)
    assert found["agents"]["p0"]["occupancy"]["value"] == pytest.approx(0.5, abs=1e-4)


GRAPHS = {
    "N": ([0.6, 0.9], [(1, 1.0, "a"), (1, 1.0, "ab")]),
    "N of pools": ([1.5, 1.9], [(2, 1.0, "a"), (3, 0.8, "ab")]),
    "W": ([0.5, 0.4, 0.45], [(1, 1.0, "ab"), (1, 0.9, "bc")]),
    "M": ([0.8, 0.7], [(1, 0.7, "a"), (1, 1.0, "ab"), (1, 0.6, "b")]),
    "cycle": ([0.6, 0.5, 0.7], [(1, 1.0, "ab"), (1, 0.8, "bc"), (1, 0.9, "ca")]),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_skill_graphs(name):
    """First come, first served by the longest idle: waits, service levels and who serves whom."""
    rates, groups = GRAPHS[name]
    found = results(
        [{"arrival_rate": rate, "requires": ["abc"[i]]} for i, rate in enumerate(rates)],
        [
            {"count": count, "service_rate": rate, "skills": list(skills)}
            for count, rate, skills in groups
        ],
        horizon=50_000,
    )
    exact = SkillGraph(
        rates, [Group(count, rate, frozenset(map("abc".index, skills))) for count, rate, skills in groups]
    )  # fmt: skip
    for i in range(len(rates)):
        assert not differences(found["classes"][f"c{i}"], exact.klass(i, 0.5), SHARP)
        known = {f"p{k}": exact.matching(i, k) for k in range(len(groups))}
        assert not differences(found["matching_rates"][f"c{i}"], known, SHARP)
    for k in range(len(groups)):
        assert not differences(found["agents"][f"p{k}"], {"occupancy": exact.occupancy(k)}, SHARP)


@pytest.mark.parametrize("selection", ["longest_idle", "least_loaded", "best_skill", "random_idle"])
def test_who_of_several_equals_is_chosen_changes_no_wait(selection):
    found = results(
        [{"arrival_rate": 4}], [{"count": 3}, {"count": 2}], selection=selection, horizon=20_000
    )
    assert not differences(found["all"], mmc(4, 1, 5, 0.5), SHARP)


@pytest.mark.parametrize("order", ["fifo", "priority", "aging"])
def test_little(order):
    found = results(
        [
            {"arrival_rate": 1.5, "requires": ["a"], "priority": 1, "weight": 3},
            {"arrival_rate": 1.2, "requires": ["b"], "patience_mean": 2},
        ],
        [{"skills": ["a"]}, {"count": 2, "skills": ["a", "b"]}],
        order=order, horizon=20_000,
    )  # fmt: skip
    for item in (*found["classes"].values(), found["all"]):
        rate = item["arrivals"]["value"] / 20_000
        queue = rate * item["mean_wait"]["value"]
        assert item["mean_queue"]["value"] == pytest.approx(queue, rel=1e-3)
