"""`vaxel policy explain`: what time alone would bring, by steps, overflow, closed queues and shifts."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from policy_history import History
from policy_kit import deployment
from whatif_history import drawn

from vaxel_cli.main import run
from vaxel_cli.policy.candidates import table
from vaxel_cli.policy.forward import HORIZON_MS, Scene, edges
from vaxel_router.core import state as states
from vaxel_router.core.engine import Batch
from vaxel_router.core.state import Agent, State, World
from vaxel_shared import ids
from vaxel_shared.ids import event_id

CASE = ids.case_id(event_id("scenario", "bill"))
FIRST = (
    "- {after: 0s, tiers: [1]}\n          - {after: 10m, tiers: [1, 2]}\n        language_fallback"
)


def billing(extra: str, steps: str = "- {after: 0s, tiers: [3]}") -> tuple[str, str]:
    """The queue of bills with nobody in its tiers, and more."""
    whole = "name: billing\n        skills: {billing: 3}\n        steps:\n          "
    return (
        f"{whole}- {{after: 0s, tiers: [1]}}\n          - {{after: 10m, tiers: [1, 2]}}",
        f"{whole}{steps}\n        {extra}",
    )


@pytest.fixture
def told(tmp_path, capsys):
    """The rows by agent of a bill that waits, under the kit with a change of its queue."""

    def ask(change: tuple[str, str], *before: tuple[str, dict[str, Any]]) -> Any:
        history = History(deployment(tmp_path / "config", {"routing": [change]}), tmp_path)
        for type_, given_ in before:
            history.command(type_, **given_)
        history.contact("bill", subject="My bill")
        folder = history.write(tmp_path / "out")
        assert run(["policy", "explain", CASE, "--from", str(folder), "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        return answer, {row["agent_id"]: row.get("if", []) for row in answer["table"]}

    return ask


def by_time(found: list[dict[str, Any]]) -> tuple[int, str, str] | None:
    return next(
        ((one["in_ms"], one["step"]["id"], one["would"]) for one in found if "in_ms" in one), None
    )


def test_overflow_is_known(told) -> None:
    _, rows = told(billing("overflow: [{after: 20m, to: general}]"))
    assert by_time(rows["a01"]) == (20 * 60_000, "general[0]", "offered")
    assert by_time(rows["a02"]) == (30 * 60_000, "general[1]", "eligible")
    assert rows["a01"][0]["queue"] == "general"


def test_a_closed_queue_holds_it_from_everybody_until_it_opens(told) -> None:
    closed = {"switch": "close", "queue": "billing", "reason": "fire_drill"}
    now_ms = 1_700_000_000_000
    data = closed | {"until_ms": now_ms + 3_600_000}
    answer, rows = told(
        billing("", "- {after: 0s, tiers: [1]}\n          - {after: 10m, tiers: [1, 2]}"),
        ("switch.set", {"actor": {"kind": "supervisor", "id": "s"}, "data": data}),
    )
    assert answer["winner"] is None
    assert answer["held"] == {"code": "queue_closed", "until_ms": now_ms + 3_600_000}
    came_ms = answer["at_ms"]
    opens_ms = now_ms + 3_600_000 - came_ms
    assert by_time(rows["a01"]) == (opens_ms, "billing[0]", "offered")
    rested = by_time(rows["a02"])
    assert rested is not None
    assert rested[0] == opens_ms + 600_000, "its steps rest while it is closed"
    assert {"open": "billing"} in rows["a02"][1]["changes"]


def test_work_that_goes_on_under_the_rules_it_came_under(tmp_path, capsys) -> None:
    """The newer policy would open the second tier after a minute; this work came before it."""
    old = deployment(tmp_path / "old", {"routing": [billing("")]})
    history = History(old, tmp_path)
    history.contact("bill", subject="My bill")
    steps = "- {after: 0s, tiers: [3]}\n          - {after: 1m, tiers: [1, 2]}"
    pinned = ("letter: S", "letter: S\n    in_flight: old")
    newer = History(
        deployment(tmp_path / "new", {"routing": [billing("", steps), pinned]}), tmp_path
    )
    history.values.append(newer.values[0])
    folder = history.write(tmp_path / "out")
    assert run(["policy", "explain", CASE, "--from", str(folder), "--json"]) == 0
    rows = {row["agent_id"]: row for row in json.loads(capsys.readouterr().out)["table"]}
    assert by_time(rows["a01"]["if"]) is None
    assert by_time(rows["a02"]["if"]) is None


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10**9))
@example(197288043)  # a queue closes a moment before the one that its work goes to
@example(311150634)  # barred for longer than is looked ahead
def test_what_time_would_bring_is_what_the_engine_does(seed: int) -> None:
    """Alone in the pool, with everybody else barred: offered then, and not before."""
    history = drawn(seed, 80, 5)
    *_, last = history.moments()
    for pool in last.world.state.pools.values():
        waiting = [w for w in pool.works.values() if w.state == "queued"]
        for work in [w for w in waiting if w.prefer_agent is None][:3]:
            alone = {one.id: one for one in pool.works.values() if one.state != "queued"}
            small = msgspec.structs.replace(pool, works={**alone, work.id: work})
            timers = last.world.state.timers
            scene = Scene(small, work, last.world.state.now_ms, timers, history.library)
            rows = {row["agent_id"]: row for row in table(scene)["table"]}
            for agent_id, row in rows.items():
                if row["code"] is not None and _is_alone(scene, pool.agents[agent_id]):
                    claim = by_time(row["if"])
                    found = truth(scene, agent_id)
                    assert (None if claim is None else claim[0]) == found, (row, work)


def _is_alone(scene: Scene, agent: Agent) -> bool:
    """Whether nothing but the agent and the work changes with the agent's own comings and goings.

    Offers come back to their queues when a shift ends; and who is there decides where some go.
    """
    queues = scene.policy.queues if scene.policy is not None else []
    skips = any(step.skip_if_unstaffed for queue in queues for step in queue.steps)
    asks = any(
        one.if_there is not None and one.if_there.staffed
        for queue in queues
        for one in queue.overflow
    )
    return not agent.offers and not ((skips or asks) and edges(scene, agent))


AGENT_TIMERS = ("back", "open", "shift", "share", "rest", "occupied", "elsewhere")


def truth(scene: Scene, agent_id: str) -> int | None:
    """When the engine shows the work to this agent, after how long."""
    name, work_id = scene.pool.name, scene.work.id
    own = [f"{kind}:{name}:{work_id}" for kind in ("step", "free", "owed")]
    own += [f"{kind}:{name}:{agent_id}" for kind in AGENT_TIMERS]
    timers = {
        key: due
        for key, due in scene.timers.items()
        if key in own or key.startswith((f"switch:{name}:", f"look:{name}:"))
    }
    state = State("", 0, now_ms=scene.now_ms, pools={name: scene.pool}, timers=timers)
    world = World(states.decode(states.encode(state)))
    pool = world.pool(name)
    far_ms = scene.now_ms + (1 << 52)
    others = dict.fromkeys(sorted(set(pool.agents) - {agent_id}), far_ms)
    barred = {**pool.works[work_id].barred, **others}
    pool.works[work_id].barred = barred
    world = World(states.decode(states.encode(world.state)))
    seq = 0
    while (timer := world.next_timer()) is not None and timer[0] <= scene.now_ms + HORIZON_MS:
        batch = Batch(world, scene.policies, seq=seq, wall_ms=timer[0])
        batch.tick(timer[0])
        seq += 1
        for made in batch.close(engine="").decisions:
            if made.work_id == work_id and made.type in ("offer.made", "work.assigned"):
                return made.at_ms - scene.now_ms
    return None
