"""The formulas that the simulation is held to, held to published numbers and to each other."""

import math

import pytest
from simulate.queueing_theory import (
    Group,
    SkillGraph,
    aging,
    erlang_a,
    erlang_b,
    erlang_c,
    mmc,
    mmck,
    pollaczek_khinchine,
    priorities,
)


@pytest.mark.parametrize(
    ("servers", "load", "blocked", "waits", "mean"),
    [
        (1, 0.5, 0.333333, 0.5, 1.0),
        (2, 1, 0.2, 0.333333, 0.333333),
        (5, 4, 0.199067, 0.554113, 0.554113),
        (10, 8, 0.121661, 0.409180, 0.204590),
        (50, 48, 0.083337, 0.694456, 0.347228),
        (100, 95, 0.048804, 0.506457, 0.101291),
    ],
)
def test_erlang_b_and_c_are_as_tabulated(servers, load, blocked, waits, mean):
    assert erlang_b(load, servers) == pytest.approx(blocked, abs=1e-6)
    assert erlang_c(load, servers) == pytest.approx(waits, abs=1e-6)
    assert mmc(load, 1, servers, 1)["mean_wait"] == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize(
    ("servers", "waits", "abandon"),
    [
        (40, 0.96236, 0.16947),
        (48, 0.60148, 0.04764),
        (50, 0.46777, 0.03091),
        (60, 0.05649, 0.00184),
    ],
)
def test_erlang_a_is_as_tabulated(servers, waits, abandon):
    found = erlang_a(48, 1, servers, 2, 1 / 3)
    assert found["p_wait"] == pytest.approx(waits, abs=1e-5)
    assert found["p_abandon"] == pytest.approx(abandon, abs=1e-5)
    assert found["check_served"] == pytest.approx(1 - abandon, abs=1e-5)
    assert found["check_wait"] == pytest.approx(found["mean_wait"], rel=1e-9)


def test_erlang_a_with_endless_patience_is_erlang_c_and_with_none_is_erlang_b():
    patient, c = erlang_a(4, 1, 5, 1e7, 0.5), mmc(4, 1, 5, 0.5)
    assert patient["service_level"] == pytest.approx(c["service_level"], abs=1e-5)
    assert patient["p_wait"] == pytest.approx(c["p_wait"], abs=1e-5)
    assert erlang_a(4, 1, 5, 1e-7, 0.5)["p_abandon"] == pytest.approx(erlang_b(4, 5), abs=1e-5)


def test_limited_places_lie_between_erlang_b_and_erlang_c():
    assert mmck(4, 1, 5, 0, 1)["p_block"] == pytest.approx(erlang_b(4, 5))
    many, c = mmck(4, 1, 5, 130, 0.5), mmc(4, 1, 5, 0.5)
    assert {name: many[name] for name in c} == pytest.approx(c, rel=1e-9)


def test_conservation_holds_for_priorities_and_aging():
    rates, fifo = [0.3, 0.2, 0.25], mmc(0.75, 1, 1, 1)["mean_wait"]
    ranked = priorities(rates, 1, 1)
    aged = aging(rates, [1, 2, 5], 1)
    for waits in (ranked, aged):
        mean = sum(rate * wait for rate, wait in zip(rates, waits, strict=True)) / 0.75
        assert mean == pytest.approx(fifo)
    assert aging(rates, [1, 1, 1], 1) == pytest.approx([fifo] * 3)
    steep = aging(rates, [1, 1e9, 1e18], 1)
    assert steep == pytest.approx(priorities(rates[::-1], 1, 1)[::-1], rel=1e-6)


def test_a_service_time_without_spread_halves_the_wait():
    assert pollaczek_khinchine(0.8, 1, 0) == pytest.approx(mmc(0.8, 1, 1, 1)["mean_wait"] / 2)
    assert pollaczek_khinchine(0.8, 1, 1) == pytest.approx(mmc(0.8, 1, 1, 1)["mean_wait"])


def test_a_skill_graph_in_which_all_can_do_all_is_erlang_c():
    graph = SkillGraph([1.5, 2.5], [Group(2, 1, frozenset({0, 1})), Group(3, 1, frozenset({0, 1}))])
    known = mmc(4, 1, 5, 0.5)
    for c, rate in ((0, 1.5), (1, 2.5)):
        found = graph.klass(c, 0.5)
        known["mean_queue"] = rate * known["mean_wait"]
        assert found == pytest.approx(known)


def test_what_a_skill_graph_takes_in_it_gives_out():
    graph = SkillGraph(
        [0.9, 0.5, 0.4],
        [
            Group(1, 1, frozenset({0, 1})),
            Group(2, 0.7, frozenset({1, 2})),
            Group(1, 0.8, frozenset({0, 2})),
        ],
    )
    for c, rate in enumerate(graph.rates):
        assert sum(graph.matching(c, k) for k in range(3)) == pytest.approx(rate)
    for k, group in enumerate(graph.groups):
        taken = sum(graph.matching(c, k) for c in range(3))
        assert taken / group.rate / group.count == pytest.approx(graph.occupancy(k))


def test_a_skill_graph_is_as_a_birth_and_death_chain_solved_by_force():
    """N model with one agent each: the chain of (order of busy agents, who waits), cut off far out."""
    graph = SkillGraph([0.5, 0.6], [Group(1, 1, frozenset({0})), Group(1, 1, frozenset({0, 1}))])
    found = _by_force(0.5, 0.6, 26)
    assert graph.klass(0, 1)["mean_queue"] == pytest.approx(found[0], rel=1e-3)
    assert graph.klass(1, 1)["mean_queue"] == pytest.approx(found[1], rel=1e-3)


def _by_force(rate_a: float, rate_b: float, most: int) -> tuple[float, float]:
    """Mean queues of the N model under FCFS and longest idle, from its Markov chain.

    Waiting customers in order can't be written down for long queues, but who they are can be drawn
    late: a customer behind both agents is of class a with the share of its rate; one who only waits
    for the second agent is of class b. State: (both busy? which came first, n between, m behind).
    """
    a, b = rate_a, rate_b
    total = a + b
    # ("idle", i): both idle, i longest; ("one", 1): first agent busy alone; ("two", n): second busy
    # alone with n of class b waiting; ("12", m): both busy, first agent's customer older, m behind;
    # ("21", n, m): second's customer older, n of class b between, m of any class behind.
    flows: dict[tuple, list[tuple[tuple, float]]] = {}

    def go(state, to, rate):
        flows.setdefault(state, []).append((to, rate))

    for n in range(most):
        for m in range(most):
            if n == 0 and m == 0:
                go(("idle", 1), ("one",), a)
                go(("idle", 1), ("two", 0), b)
                go(("idle", 2), ("two", 0), total)
                go(("one",), ("idle", 2), 1)
                go(("one",), ("12", 0), total)
            if m == 0:
                go(("two", n), ("two", n - 1) if n else ("idle", 1), 1)
                go(("two", n), ("21", n, 0), a)
                if n + 1 < most:
                    go(("two", n), ("two", n + 1), b)
            if n == 0:
                if m + 1 < most:
                    go(("12", m), ("12", m + 1), total)
                # second agent done: takes the first of those behind
                go(("12", m), ("12", m - 1) if m else ("one",), 1)
                # first agent done: takes the first of class a, whoever is before it is of class b
                for skipped in range(m + 1):
                    share = (b / total) ** skipped * (a / total if skipped < m else 1)
                    to = ("21", skipped, m - skipped - 1) if skipped < m else ("two", skipped)
                    go(("12", m), to, share)
            if n + m + 1 < most:
                go(("21", n, m), ("21", n, m + 1), total)
            # second agent done: takes the next b, or the first behind, whoever that is
            if n:
                go(("21", n, m), ("21", n - 1, m), 1)
            elif m:
                go(("21", n, m), ("12", m - 1), 1)
            else:
                go(("21", n, m), ("one",), 1)
            for skipped in range(m + 1):
                share = (b / total) ** skipped * (a / total if skipped < m else 1)
                if skipped < m:
                    to = ("21", n + skipped, m - skipped - 1)
                else:
                    to = ("two", min(n + skipped, most - 1))
                go(("21", n, m), to, share)
    shares = _steady(flows)
    queue_a = queue_b = 0.0
    for state, share in shares.items():
        between, behind = 0, 0
        if state[0] == "two":
            between = state[1]
        elif state[0] == "12":
            behind = state[1]
        elif state[0] == "21":
            between, behind = state[1], state[2]
        queue_a += share * behind * a / total
        queue_b += share * (between + behind * b / total)
    return queue_a, queue_b


def _steady(flows):
    reached, todo = {("idle", 1)}, [("idle", 1)]
    while todo:
        for to, _ in flows[todo.pop()]:
            if to not in reached:
                reached.add(to)
                todo.append(to)
    fastest = 1.05 * max(sum(rate for _, rate in flows[state]) for state in reached)
    shares = {state: 1 / len(reached) for state in reached}
    for _ in range(4000):
        after = dict.fromkeys(shares, 0.0)
        for state, share in shares.items():
            left = share
            for to, rate in flows[state]:
                move = share * rate / fastest
                after[to] += move
                left -= move
            after[state] += left
        if math.isclose(sum(abs(after[s] - shares[s]) for s in shares), 0, abs_tol=1e-9):
            break
        shares = after
    return shares
