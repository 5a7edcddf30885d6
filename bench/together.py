"""A window's matching beside one by one and beside the optimum of a plain ``scipy`` assignment."""

from __future__ import annotations

import time
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from kit import Table
from large_site import Site, Size, Thing

from vaxel_router.core.limits import LOOKS_MAX
from vaxel_router.core.matching import Matcher, TooMany, TooMuch, gather, lasting, solve

SITE = Size(agents=10_000, skills=40, profiles=500, kinds=783, waiting=100_000)
BATCHES = (20, 50, 100, 200, 800)
TIMES = 5
"""Each batch so often, with other people and items each time."""
COLUMNS = [
    "agents and items", "one by one", "in a window", "most there is", "of the optimum",
    "for the cost of", "put together", "searched", "steps", "scipy",
]  # fmt: skip


def windows() -> Table:
    """As many agents as items, all free at once: what each way reaches of what could be had."""
    table = Table("All free at once: one by one, in a window, and the optimum", COLUMNS)
    if find_spec("scipy") is None:
        table.rows.append(["scipy isn't installed: left out", *[""] * (len(COLUMNS) - 1)])
        return table
    slowest = 0.0
    for count in BATCHES:
        some = [_batch(count, number) for number in range(TIMES)]
        table.rows.append(_row(count, some))
        paces = [one["searched"] / one["steps"] for one in some if one["steps"]]
        slowest = max([slowest, *paces])
    bound = f"{slowest * LOOKS_MAX * 1000:,.0f} ms"
    told = [f"the search ends after {LOOKS_MAX:,} steps, at the slowest of these rates in", bound]
    table.rows.append([*told, *[""] * (len(COLUMNS) - 2)])
    return table


def _row(count: int, some: list[dict[str, Any]]) -> list[str]:
    def total(name: str) -> float:
        return sum(one[name] for one in some)

    def each_ms(name: str) -> str:
        return f"{max(one[name] for one in some) * 1000:.2f} ms"

    best, most = total("window"), total("most")
    alike = total("cost") / total("least") if total("least") else 1.0
    return [
        f"{count:,}", f"{total('plain') / most:.1%}", f"{best / most:.1%}", f"{most / TIMES:,.1f}",
        f"{best / most:.2%}", f"{alike:.2%}" if total("steps") else "one by one",
        each_ms("gathered"), each_ms("searched"), f"{max(one['steps'] for one in some):,}",
        each_ms("scipy"),
    ]  # fmt: skip


def _batch(count: int, number: int) -> dict[str, Any]:
    site = Site(replace(SITE, agents=count, waiting=count))
    site.random.seed(number)
    things = [replace(site.arrival(1), prefer=None, until=0) for _ in range(count)]
    things.sort(key=lambda thing: thing.key)
    plain = _one_by_one(site, things)
    matcher = _filled(site, things)
    clock, found = time.thread_time, {"plain": plain, "window": plain, "steps": 0}
    begin, pairs = clock(), list[tuple[str, str]]()
    found["gathered"] = found["searched"] = 0.0
    try:
        together = gather(matcher, lambda _name: (1, 1))
        found["gathered"] = clock() - begin
        if together is not None:
            begin = clock()
            solved = solve(together.problem, LOOKS_MAX)
            found |= {"searched": clock() - begin, "steps": solved.looked}
            pairs = [(together.items[item], together.agents[at]) for item, at in solved.pairs]
            found["window"] = len(pairs)
    except (TooMany, TooMuch):
        found["gathered"] = clock() - begin
    return found | _optimum(site, things, pairs)


def _filled(site: Site, things: list[Thing]) -> Matcher:
    matcher = Matcher()
    for name, profile in site.people.items():
        matcher.join(name, profile)
    for thing in things:
        matcher.put(thing.id, thing.asks, key=thing.key)
    return matcher


def _one_by_one(site: Site, things: list[Thing]) -> int:
    """How many are served where each goes to the best who is left, in the order of service."""
    matcher, found = _filled(site, things), 0
    for thing in things:
        if (name := matcher.choose(thing.id)) is not None:
            matcher.drop(thing.id)
            matcher.hold(name, thing.asks.channel, 2)
            found += 1
    return found


def _optimum(site: Site, things: list[Thing], pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """The most that can be served, and the least sum of tiers for those whom the window serves."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - a peer that may be absent

    people, never = site.people, 10_000.0
    able = {
        thing.id: [
            float(profile.tier) if lasting(profile, thing.asks) is None else never
            for profile in people.values()
        ]
        for thing in things
    }
    begin = time.thread_time()
    rows, places = linear_sum_assignment(list(able.values()))
    seconds, costs = time.thread_time() - begin, list(able.values())
    most = sum(costs[row][place] < never for row, place in zip(rows, places, strict=True))
    served = [able[item] for item, _ in pairs]
    least = 0.0
    if served:
        rows, places = linear_sum_assignment(served)
        least = sum(served[row][place] for row, place in zip(rows, places, strict=True))
    cost = sum(people[name].tier for _, name in pairs)
    return {"most": most, "cost": cost, "least": least, "scipy": seconds}
