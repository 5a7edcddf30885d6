"""Half-widths mean what they say: outside twice of them lies the truth less than once in twenty."""

import math
import random

import pytest
from simulate.queueing_theory import erlang_a, erlang_b, mmc, priorities
from simulate.simulated import scenario
from simulate.small_matching import QuickMatching

from vaxel_cli.simulate.intervals import ratio, student
from vaxel_cli.simulate.runner import simulate


def results(classes, agents, **more):
    """By the quicker of two matchings that decide the same: here only chance is looked at."""
    return simulate(scenario(classes, agents, **more), lambda given, _: QuickMatching(given))


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    [(1, 12.706), (5, 2.571), (9, 2.262), (15, 2.131), (31, 2.0395), (63, 1.9983), (500, 1.9647)],
)
def test_students_t(degrees, quantile):
    assert student(degrees) == pytest.approx(quantile, abs=2e-3)


def noise(draw, count, memory):
    """A stationary series that remembers: mean 1."""
    value, made = draw.gauss(0, 1) / math.sqrt(1 - memory**2), []
    for _ in range(count):
        value = memory * value + draw.gauss(0, 1)
        made.append(1 + value)
    return made


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("replications", [1, 3, 12])
def test_a_series_that_remembers_is_covered(memory, replications):
    draw = random.Random(f"{memory} {replications}")
    ones = [[1.0] * 256] * replications
    inside = outside_twice = 0
    for _ in range(200):
        found = ratio([noise(draw, 256, memory) for _ in range(replications)], ones)
        inside += abs(found.value - 1) <= found.ci95
        outside_twice += abs(found.value - 1) > 2 * found.ci95
    assert inside >= 200 * 0.9
    assert outside_twice <= 200 * 0.02


def test_half_widths_shrink_with_the_root_of_what_was_seen():
    draw = random.Random(1)
    wide = [ratio([noise(draw, 256, 0.3)], [[1.0] * 256]).ci95 for _ in range(60)]
    slim = [
        ratio([noise(draw, 256, 0.3) for _ in range(16)], [[1.0] * 256] * 16).ci95
        for _ in range(60)
    ]
    assert 3 < sum(wide) / sum(slim) < 6


def test_a_queue_without_a_steady_state_widens_the_interval():
    level = [[float(i) for i in range(256)]]
    found = ratio(level, [[1.0] * 256])
    assert found.ci95 > 32


def test_nothing_seen_is_nothing_said():
    assert ratio([[0.0] * 256], [[0.0] * 256]).document() == {"value": None, "ci95": None}


M_M_5 = ([{"arrival_rate": 4}], [{"count": 5}])
CASES = {
    "busy": (*M_M_5, {"horizon": 2500}, mmc(4, 1, 5, 0.5)),
    "one agent": ([{"arrival_rate": 0.8}], [{}], {"horizon": 5000}, mmc(0.8, 1, 1, 0.5)),
    "very busy": ([{"arrival_rate": 0.95}], [{}], {"horizon": 30_000}, mmc(0.95, 1, 1, 0.5)),
    "replications": (*M_M_5, {"horizon": 500, "replications": 12, "warmup": 50}, mmc(4, 1, 5, 0.5)),
    "replications from empty": (*M_M_5, {"horizon": 500, "replications": 12}, mmc(4, 1, 5, 0.5)),
    "few replications": (*M_M_5, {"horizon": 700, "replications": 3}, mmc(4, 1, 5, 0.5)),
    "hardly a wait": ([{"arrival_rate": 1}], [{"count": 6}], {"horizon": 1500}, mmc(1, 1, 6, 0.5)),
    "blocked": (*M_M_5, {"horizon": 1500, "queue_limit": 0}, {"p_block": erlang_b(4, 5), "p_wait": 0}),
    "hardly blocked": (
        [{"arrival_rate": 1}], [{"count": 5}], {"horizon": 1500, "queue_limit": 0},
        {"p_block": erlang_b(1, 5)},
    ),
    "give up": (
        [{"arrival_rate": 5, "patience_mean": 1}], [{"count": 5}], {"horizon": 1500},
        {k: v for k, v in erlang_a(5, 1, 5, 1, 0.5).items() if not k.startswith(("check", "occ"))},
    ),
    "hardly ever give up": (
        [{"arrival_rate": 1.5, "patience_mean": 3}], [{"count": 5}], {"horizon": 1500},
        {"p_abandon": erlang_a(1.5, 1, 5, 3, 0.5)["p_abandon"]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_theory_lies_within_twice_the_half_width(name):
    classes, agents, more, known = CASES[name]
    runs = 20
    missed = dict.fromkeys(known, 0)
    for seed in range(runs):
        found = results(classes, agents, seed=seed, **more)["all"]
        for figure, truth in known.items():
            missed[figure] += not abs(found[figure]["value"] - truth) <= 2 * found[figure]["ci95"]
    assert max(missed.values()) <= runs / 20, missed


def test_single_half_widths_cover_nineteen_in_twenty():
    classes, agents, _, known = CASES["busy"]
    inside = total = 0
    for seed in range(40):
        found = results(classes, agents, seed=1000 + seed, horizon=5000)["all"]
        inside += sum(abs(found[k]["value"] - v) <= found[k]["ci95"] for k, v in known.items())
        total += len(known)
    assert inside / total >= 0.9


def test_classes_are_covered_too():
    rates = [1.0, 1.2, 1.0]
    waits = priorities(rates, 1, 4)
    missed = 0
    for seed in range(20):
        found = results(
            [{"arrival_rate": rate, "priority": 3 - i} for i, rate in enumerate(rates)],
            [{"count": 4}], order="priority", horizon=2000, seed=seed,
        )  # fmt: skip
        for i, wait in enumerate(waits):
            figure = found["classes"][f"c{i}"]["mean_wait"]
            missed += not abs(figure["value"] - wait) <= 2 * figure["ci95"]
    assert missed <= 2


def test_intervals_that_forget_correlation_are_caught():
    """The check can fail: the same figures with the half-widths of independent customers."""
    known, missed = mmc(0.95, 1, 1, 0.5)["mean_wait"], 0
    for seed in range(10):
        found = results([{"arrival_rate": 0.95}], [{}], horizon=30_000, seed=seed)["all"]
        naive = 1.96 * found["mean_wait"]["value"] * 1.4 / math.sqrt(found["arrivals"]["value"])
        missed += abs(found["mean_wait"]["value"] - known) > 2 * naive
    assert missed > 10 / 20
