"""What decides in a simulation is the router: customer by customer the same as its whole engine, and
as matching written a second time."""

import random

import pytest
from simulate.simulated import scenario
from simulate.small_matching import QuickMatching, RandomMatching

from vaxel_cli.simulate.loop import run
from vaxel_cli.simulate.routed import RoutedMatching
from vaxel_cli.simulate.whole import NotInEngine, WholeEngine


class Noted:
    """Writes down every question and its answer."""

    def __init__(self, asked):
        self._asked = asked
        self.notes = []

    def arrive(self, *given):
        answer = self._asked.arrive(*given)
        self.notes.append(("arrive", *given, answer))
        return answer

    def free(self, *given):
        answer = self._asked.free(*given)
        self.notes.append(("free", *given, answer))
        return answer

    def leave(self, *given):
        self._asked.leave(*given)
        self.notes.append(("leave", *given))


def chance_scenario(seed, *, order, selection, horizon):
    """Some classes and groups; everybody can be served by somebody."""
    draw = random.Random(seed)
    skills = "abcd"[: draw.randint(1, 4)]
    classes = [
        {
            "arrival_rate": draw.choice([0.3, 0.8, 1.5]),
            "requires": {
                name: draw.randint(1, 4) for name in skills if draw.random() < 1 / len(skills)
            },
            "priority": draw.randint(-2, 2),
            "weight": draw.choice([0, 0.5, 1, 3]),
            "patience_mean": draw.choice([None, 0.7, 3]),
        }
        for _ in range(draw.randint(1, 5))
    ]
    agents = [
        {
            "count": draw.randint(1, 3),
            "service_rate": draw.choice([0.4, 1, 2]),
            "slots": draw.choice([1, 1, 2, 3]),
            "skills": {name: draw.randint(1, 6) for name in skills if draw.random() < 0.7},
        }
        for _ in range(draw.randint(1, 4))
    ]
    agents.append({"count": 1, "skills": dict.fromkeys(skills, 6)})
    more = {"queue_limit": draw.choice([None, None, 0, 3])}
    return scenario(
        classes, agents, order=order, selection=selection, horizon=horizon, seed=seed, **more
    )


def notes(given, matching):
    noted = Noted(matching)
    run(given, 0, noted)
    return noted.notes


@pytest.mark.parametrize("order", ["fifo", "priority"])
@pytest.mark.parametrize("seed", range(12))
def test_the_whole_engine_decides_the_same(seed, order):
    given = chance_scenario(seed, order=order, selection="longest_idle", horizon=25)
    asked = notes(given, RoutedMatching(given, 0))
    assert len(asked) > 10
    assert asked == notes(given, WholeEngine(given))


@pytest.mark.parametrize("order", ["fifo", "priority", "aging"])
@pytest.mark.parametrize("selection", ["longest_idle", "least_loaded", "best_skill"])
def test_matching_written_twice_decides_the_same(order, selection):
    for seed in range(100, 130):
        given = chance_scenario(seed, order=order, selection=selection, horizon=150)
        assert notes(given, RoutedMatching(given, 0)) == notes(given, QuickMatching(given))


@pytest.mark.parametrize("order", ["fifo", "aging"])
def test_by_lot_everybody_free_is_as_likely(order):
    """Two groups, unlike in size and skills: who serves whom agrees with drawing written anew."""
    given = scenario(
        [{"arrival_rate": 1, "requires": ["a"]}, {"arrival_rate": 1, "requires": ["b"], "weight": 2}],
        [{"count": 3, "skills": ["a"]}, {"count": 2, "skills": ["a", "b"]}],
        order=order, selection="random_idle", horizon=20_000,
    )  # fmt: skip
    one, other = run(given, 0, RoutedMatching(given, 0)), run(given, 0, RandomMatching(given, 7))
    for klass in range(2):
        for group in range(2):
            counts = one.served[-1][klass][group], other.served[-1][klass][group]
            assert counts[0] == pytest.approx(counts[1], abs=5 * (sum(counts) ** 0.5 + 1))


def test_what_a_policy_cannot_say_yet_is_refused_by_the_whole_engine():
    with pytest.raises(NotInEngine):
        WholeEngine(scenario([{"arrival_rate": 1}], [{"count": 1}], order="aging"))


def test_a_matching_that_lets_the_youngest_go_first_is_noticed():
    """The comparison can fail."""

    class Youngest(QuickMatching):
        def free(self, agent, customer, now):
            line = self._queues._lines[0]
            line.reverse()
            answer = super().free(agent, customer, now)
            line.reverse()
            return answer

    given = scenario([{"arrival_rate": 5}], [{"count": 5}], horizon=50)
    assert notes(given, RoutedMatching(given, 0)) != notes(given, Youngest(given))
