"""What a window must have found, the way one would write it first.

Each work is a node of its own, and serving it is worth more than serving all that come later
together: so whoever serves the most worth passes nobody. Of all ways to do that the one of the
least sum of terms. Found by Bellman and Ford's search for a cheaper way, again and again.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from vaxel_router.core.cycle import Round
from vaxel_router.core.state import Agent, Pool, Work

ORDER = (
    "sticky",
    "preferred",
    "tier",
    "wished",
    "spare_skill",
    "turn",
    "load",
    "next",
    "idle_since_ms",
)
WIDTH = 10**24
"""Above any sum of a term's values."""
Terms = list[tuple[str, int, int]]


def check(
    pool: Pool,
    works: list[Work],
    may: dict[str, set[str]],
    terms: dict[tuple[str, str], Terms],
    found: Round | None,
    *,
    direct: bool,
) -> None:
    """Raise AssertionError where a round isn't the best there is. Works in the order of service.

    ``direct``: some work is taken without an offer.
    """
    works = [work for work in works if may[work.id]]
    names = sorted(set().union(*(may[work.id] for work in works))) if works else []
    if not works:
        assert found is None, "there is nothing to match"
        return
    assert found is not None, "something could be matched"
    room = {name: rooms(pool, pool.agents[name], direct=direct) for name in names}
    cost = {pair: _cost(by) for pair, by in terms.items()}
    best = _best(pool, works, names, may, cost, room, surely=True)
    most = _best(pool, works, names, may, cost, room, surely=False)
    assert _worth(works, cost, pool, found.pairs) == _worth(works, cost, pool, best)
    assert all(name in may[work_id] for work_id, name in found.pairs), "somebody may not"
    assert found.gap == len(most) - len(best)


def _cost(terms: Terms) -> int:
    by_code = {code: by for code, _, by in terms}
    total = 0
    for code in ORDER:
        total = total * WIDTH + (by_code.get(code, 0) if code != "idle_since_ms" else 0)
    return total


def _nth(agent: Agent, number: int) -> int:
    return agent.idle_since_ms if number == 0 else number * WIDTH


def _worth(
    works: list[Work], cost: dict[tuple[str, str], int], pool: Pool, pairs: list[tuple[str, str]]
) -> tuple[list[bool], int]:
    served = {work_id for work_id, _ in pairs}
    assert len(served) == len(pairs), "a work goes to one"
    total = sum(cost[pair] for pair in pairs)
    hands: dict[str, int] = {}
    for _, name in pairs:
        total += _nth(pool.agents[name], hands.get(name, 0))
        hands[name] = hands.get(name, 0) + 1
    return [work.id in served for work in works], total


def rooms(pool: Pool, agent: Agent, *, direct: bool) -> tuple[dict[str, int], int, int]:
    """How many more of each channel, how many surely in all, and how many at best."""
    hands = [(pool.works[w].channel, pool.works[w].cost) for w in agent.works]
    hands += [(pool.offers[o].channel, pool.offers[o].cost) for o in agent.offers]
    each: dict[str, int] = {}
    for channel, (cost, most) in agent.channels.items():
        used = sum(c for name, c in hands if channel not in agent.yields.get(name, []))
        have = sum(name == channel for name, _ in hands)
        count = 0
        while have + count < most and used + (count + 1) * cost <= agent.capacity:
            count += 1
        if count and channel not in agent.closed:
            each[channel] = count
    left = agent.capacity - sum(cost for _, cost in hands)
    costs = [agent.channels[channel][0] for channel in each]
    caps = [sum(each.values())]
    if agent.share is not None:
        caps.append(agent.share[0] - len(agent.recent) - len(agent.offers))
    at_best = min(caps)
    if agent.max_offers is not None:
        caps.append(agent.max_offers - len(agent.offers))
    if not (direct or agent.auto_accept):
        at_best = min(caps)
    if any(agent.yields.values()):
        return each, 1, max(1, at_best)
    surely, at_best = min([*caps, left // max(costs)]), min(at_best, left // min(costs))
    return each, max(1, surely), max(1, at_best)


def _best(
    pool: Pool,
    works: list[Work],
    names: list[str],
    may: dict[str, set[str]],
    cost: dict[tuple[str, str], int],
    room: dict[str, tuple[dict[str, int], int, int]],
    *,
    surely: bool,
) -> list[tuple[str, str]]:
    """(work, agent) of a cheapest flow."""
    arcs: list[list[Any]] = []  # from, to, room, cost; its reverse is beside it

    def arc(a: Any, b: Any, count: int, each: int) -> None:
        arcs.append([a, b, count, each])
        arcs.append([b, a, 0, -each])

    huge = WIDTH ** (len(ORDER) + 1)
    for place, work in enumerate(works):
        arc("source", work.id, 1, -huge * 2 ** (len(works) - place))
        for name in sorted(may[work.id]):
            arc(work.id, (name, work.channel), 1, cost[work.id, name] if surely else 0)
    for name in names:
        each, sure, at_best = room[name]
        for channel, count in each.items():
            arc((name, channel), (name,), count, 0)
        for number in range(min(sure if surely else at_best, len(works))):
            arc((name,), "sink", 1, _nth(pool.agents[name], number) if surely else 0)
    leaving: dict[Any, list[int]] = {}
    for index, one in enumerate(arcs):
        leaving.setdefault(one[0], []).append(index)
    while (way := _cheaper(arcs, leaving)) is not None:
        for index in way:
            arcs[index][2] -= 1
            arcs[index ^ 1][2] += 1
    known = {work.id for work in works}
    return [(a, b[0]) for a, b, count, _ in arcs[::2] if a in known and not count]


def _cheaper(arcs: list[list[Any]], leaving: dict[Any, list[int]]) -> list[int] | None:
    distance: dict[Any, int] = {"source": 0}
    came: dict[Any, int] = {}
    todo = deque(["source"])
    while todo:
        node = todo.popleft()
        for index in leaving.get(node, ()):
            _, further, count, each = arcs[index]
            if count and (further not in distance or distance[node] + each < distance[further]):
                distance[further], came[further] = distance[node] + each, index
                if further not in todo:
                    todo.append(further)
    if distance.get("sink", 0) >= 0:
        return None
    way, node = [], "sink"
    while node != "source":
        way.append(came[node])
        node = arcs[came[node]][0]
    return way
