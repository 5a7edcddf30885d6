"""Odd but valid input, full batches, restored states: nothing raises, differs, waits or overtakes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from router_harness import ROSTER, ROUTING, START_MS, Router, types

from vaxel_router.core import engine, limits, step
from vaxel_router.core import state as states
from vaxel_router.core.apply import apply_batch
from vaxel_router.core.engine import Batch
from vaxel_router.core.inputs import decode
from vaxel_router.core.policy import decode as decode_policy
from vaxel_router.core.state import World
from vaxel_router.core.written import cases as written_cases
from vaxel_shared.contracts import wire
from vaxel_shared.kafka import chain

DAY_MS = 86_400_000
NOTE = {"note_ref": "n", "note_sha256": "n", "note_size": 1}
AGENT = {
    "id": "a",
    "skills": {},
    "languages": {"fi": 9},
    "capacity": 4,
    "channels": {"email": {"cost": 1, "max": 4}},
    "present": True,
}


def roster(router: Router, *agents: dict[str, Any]) -> list[wire.Decision]:
    return router.send(
        "roster.set",
        data={
            "source": "file",
            "version": f"r{router.serial}",
            "directory_ref": "roster/" + "0" * 64,
            "directory_sha256": "0" * 64,
            "agents": [AGENT | agent for agent in agents],
        },
    )


def command(type_: str = "case.note", **over: Any) -> dict[str, Any]:
    actor = {"kind": "system", "id": "x"}
    base = {"id": "c", "type": type_, "pool": "support", "actor": actor, "via": "t", "data": NOTE}
    return base | over


def contact_data(**over: Any) -> dict[str, Any]:
    base = {
        "contact_id": "m", "conversation_key": "k", "customer_id": "c", "channel": "email",
        "account": "support", "queue": "general", "received_at_ms": 1, "src": [0, 1],
    }  # fmt: skip
    return base | over


# (b) what is no sensible command is refused before it is folded


@pytest.mark.parametrize(
    "value",
    [
        json.dumps(command()).encode().replace(b'"c"', b'"\xff"'),
        json.dumps(command("future.thing")).encode().replace(b'"n"', b"[" * 5000 + b"]" * 5000),
        json.dumps(command(data=NOTE | {"note_size": 10**30})).encode(),
        json.dumps(command(data=NOTE | {"note_size": 1.0})).encode(),
        json.dumps(command(data=NOTE | {"note_size": "1"})).encode(),
        json.dumps(command(data=NOTE | {"note_ref": "x" * 100_000})).encode(),
        json.dumps(command(pool="ä")).encode(),
        json.dumps(command(pool="a:b")).encode(),
        json.dumps(command(pool="")).encode(),
        json.dumps(command(id="timer:x")).encode(),
        json.dumps(command(id="offset:1")).encode(),
        json.dumps(command("contact.add", data=contact_data(contact_id="a\x1fb"))).encode(),
        json.dumps(command("contact.add", data=contact_data(src=["0", "1"]))).encode(),
        json.dumps(command("contact.add", data=contact_data(priority=2**62))).encode(),
        json.dumps(
            command("contact.add", data=contact_data(requires={"languages": ["fi"] * 5000}))
        ).encode(),
        b"",
        b"null",
    ],
)
def test_what_makes_no_sense_is_no_command(value: bytes) -> None:
    router = Router()
    assert types(router.feed(value)) == ["input.rejected"]
    router.replay()


@pytest.mark.parametrize(
    "agent",
    [
        {"id": ""},
        {"id": "x\x1fy"},
        {"capacity": -1},
        {"channels": {"email": {"cost": 0, "max": 4}}},
        {"channels": {"email": {"cost": -1, "max": 4}}},
        {"channels": {"email": {"cost": 1, "max": 10**6}}},
    ],
)
def test_an_agent_who_makes_no_sense_is_refused(agent: dict[str, Any]) -> None:
    router = Router()
    made = roster(router, agent)
    assert types(made)[0] in ("command.refused", "input.rejected")


@pytest.mark.parametrize(
    "change",
    [
        {"letter": "Ä"},
        {"letter": ""},
        {"queues": [{"at": "x", "name": "general", "steps": []}]},
        {"queues": [{"at": "x", "name": "g", "steps": [{"at": "x", "after_ms": 0, "tiers": []}]}]},
    ],
)
def test_a_policy_that_makes_no_sense_is_none(change: dict[str, Any]) -> None:
    router = Router()
    blob = json.loads(next(iter(router.blobs.values())))
    with pytest.raises(ValueError, match=r"."):
        decode_policy(json.dumps(blob | change).encode())


def test_a_policy_of_another_pool_is_refused() -> None:
    router = Router(publish=False)
    refused = router.publish(ROUTING.replace("name: support", "name: sales"))
    assert refused[0].data["code"] == "invalid_data"


@pytest.mark.parametrize(
    ("type_", "kind", "agent"),
    [
        ("agent.presence", "agent", "a01"),
        ("agent.presence", "customer", "a01"),
        ("policy.publish", "agent", None),
        ("roster.set", "customer", None),
        ("delivery.result", "customer", None),
        ("offer.decline", "customer", None),
    ],
)
def test_nobody_acts_for_another(type_: str, kind: str, agent: str | None) -> None:
    router = Router()
    router.contact("m")
    version = next(iter(router.blobs))
    data = {
        "agent.presence": {"presence": "away"},
        "policy.publish": {"kind": "routing", "version": version, "ref": "policy/" + version},
        "roster.set": {"source": "x", "version": "1", "directory_ref": "r", "directory_sha256": "0", "agents": []},
        "delivery.result": {"effect_id": "e", "effect": "offer", "state": "failed", "offer_id": router.offer().id},
        "offer.decline": {"offer_id": router.offer().id},
    }[type_]  # fmt: skip
    body = command(
        type_, actor={"kind": kind, "id": "a02"}, agent_id=agent, data=data,
        token=router.offer().token,
    )  # fmt: skip
    made = router.feed(json.dumps(body).encode())
    assert [d.data.get("code") for d in made] == ["not_allowed"]


def test_a_contact_under_another_id_opens_no_second_case() -> None:
    router = Router()
    router.contact("m")
    again = router.send(
        "contact.add",
        command_id="other",
        kind="customer",
        data=contact_data(contact_id="m", conversation_key="elsewhere"),
    )
    assert types(again) == ["command.repeated"]
    router.replay()


def test_a_failed_reply_takes_no_offer_away() -> None:
    router = Router()
    router.contact("m")
    made = router.send(
        "delivery.result",
        data={
            "effect_id": "e",
            "effect": "reply",
            "state": "failed",
            "offer_id": router.offer().id,
        },
    )
    assert types(made) == ["effect.reported"]


# (a) states that contradict themselves


def wrapping_case(router: Router) -> states.Case:
    router.contact("m")
    router.accept()
    router.reply(router.case(), then="resolved")
    assert router.pool().works[router.case().work_id or ""].state == "wrapping"
    return router.case()


def test_a_case_closes_although_its_agent_still_wraps_up() -> None:
    router = Router(ROUTING.replace("letter: S", "letter: S\n    reopen_within: 1s"))
    wrapping_case(router)
    made = router.wait(5_000)
    assert types(made) == ["work.closed", "case.closed"]
    router.replay()


def test_work_assigned_from_a_wrap_up_opens_the_case_again() -> None:
    router = Router()
    case = wrapping_case(router)
    made = router.send(
        "case.assign",
        kind="supervisor",
        case=case.id,
        data={"to_agent": "a03", "reason": "x"},
    )
    assert "case.reopened" in types(made)
    assert case.status == "open"
    router.wait(15 * DAY_MS)
    router.replay()


def test_work_in_wrap_up_is_not_transferred() -> None:
    router = Router()
    case = wrapping_case(router)
    made = router.act("case.transfer", case, **NOTE, to_queue="general")
    assert made[0].data["code"] == "wrong_state"


def test_a_wait_without_end_forgets_the_end_of_the_one_before() -> None:
    router = Router()
    router.contact("m")
    router.accept()
    case = router.case()
    router.act("case.wait", case, waits_for="third_party", wake_ms=router.now_ms + 3_600_000)
    body = {"body_ref": "b", "body_sha256": "b", "body_size": 1, "then": "waiting"}
    router.send("case.reply", kind="supervisor", case=case.id, data=body)
    router.wait(7_200_000)
    assert case.status == "waiting_customer"
    router.replay()


# (c) live, restored and replayed


def test_a_refused_first_command_leaves_no_pool_behind() -> None:
    router = Router(publish=False)
    router.send("case.note", case="x", data=NOTE)
    assert router.world.state.pools == {}
    router.replay()


def test_ids_are_forgotten_alike_live_and_restored() -> None:
    router = Router()
    inputs = []
    for number, at_ms in enumerate([START_MS, START_MS + 20 * DAY_MS]):
        router.now_ms = at_ms
        body = command(id=f"n{number}", case_id="x")
        inputs.append(decode(len(router.work) + number, at_ms, json.dumps(body).encode()))
    copy = World(states.decode(states.encode(router.world.state)))
    batch = Batch(router.world, router.library, seq=9, wall_ms=router.now_ms)
    assert all(batch.add(item) for item in inputs)
    body = batch.close(engine="test")
    apply_batch(copy, body, 9)
    assert states.digest(copy.state) == states.digest(router.world.state)


def test_decisions_are_the_same_after_a_snapshot() -> None:
    router = Router()
    router.contact("m", queue="general", requires={"skills": {"z": 1, "a": 1}})
    made = []
    for world in (router.world, World(states.decode(states.encode(router.world.state)))):
        router.world = world
        batch = Batch(world, router.library, seq=99, wall_ms=router.now_ms)
        case = router.case().id
        body = command("case.assign", case_id=case, data={"to_agent": "a01", "reason": "x"})
        batch.add(decode(99, router.now_ms, json.dumps(body | {"id": "1"}).encode()))
        body = command("case.wait", case_id=case, data={"waits_for": "internal"}, id="2")
        batch.add(decode(100, router.now_ms, json.dumps(body).encode()))
        batch.add(decode(101, router.now_ms, json.dumps(command("case.reopen", case_id=case, data={}, id="3")).encode()))  # fmt: skip
        made.append(wire.encode(batch.close(engine="test")))
    assert made[0] == made[1]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "DECISIONS_MAX", 3)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("restarts", [False, True])
def test_full_batches_cut_rosters_policies_presence_and_timers_anywhere(restarts: bool) -> None:
    router = Router(restarts=restarts)
    for number in range(9):
        router.contact(f"m{number}", queue="general")
    for offer in list(router.pool().offers.values())[:3]:
        router.accept(offer)
    router.send("agent.presence", kind="agent", agent="a01", data={"presence": "away", "mode": "return_work"})  # fmt: skip
    router.publish(ROUTING.replace("limit: 10m", "limit: 1m"))
    router.wait(3_600_000)
    router.roster("\n".join(line for line in ROSTER.splitlines() if "a02" not in line))
    router.send("agent.presence", kind="agent", agent="a01", data={"presence": "available"})
    router.wait(DAY_MS)
    router.replay()


def test_an_input_behind_timers_that_fill_the_batch_is_folded_in_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(step, "DECISIONS_MAX", 1)
    router = Router()
    router.contact("m", queue="general")
    router.send("case.resolve", kind="supervisor", case=router.case().id)
    router.now_ms += 15 * DAY_MS
    made = router.publish(ROUTING.replace("limit: 10m", "limit: 1m"))
    assert types(made) == ["case.closed", "policy.adopted"]
    router.replay()


# (d) bounded batches


def test_an_agent_with_room_for_very_many_fills_several_batches() -> None:
    router = Router()
    roster(router, {"id": "a", "present": False})
    for number in range(700):
        router.contact(f"m{number}", queue="general")
    capacity = {"capacity": 900, "channels": {"email": {"cost": 1, "max": 900}}}
    roster(router, {"id": "a", "present": True} | capacity)
    router.send("agent.presence", kind="agent", agent="a", data={"presence": "available"})
    assert len(router.pool().offers) == 700
    assert all(len(wire.decode_batch(r.body).decisions) <= 520 for r in router.records)
    assert all(len(r.body) < chain.BODY_BYTES_MAX for r in router.records)
    router.replay()


def test_the_cores_limit_of_a_body_is_below_the_chains() -> None:
    assert limits.BODY_BYTES_MAX < chain.BODY_BYTES_MAX


def test_an_input_too_large_for_a_record_raises_and_is_then_set_aside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "BODY_BYTES_MAX", 500)
    router = Router(publish=False)
    body = json.dumps(command("contact.add", data=contact_data())).encode()
    batch = Batch(router.world, router.library, seq=0, wall_ms=START_MS)
    with pytest.raises(engine.InputTooLarge):
        batch.add(decode(0, START_MS, body))


def test_the_oldest_links_to_closed_cases_go_many_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(written_cases, "CLOSED_LINKS_MAX", 20)
    router = Router(ROUTING.replace("letter: S", "letter: S\n    reopen_within: 1s"))
    for number in range(30):
        router.contact(f"m{number}")
        router.send("case.resolve", kind="supervisor", case=router.case().id)
        router.wait(2_000)
    assert len(router.pool().closed) <= 20
    router.replay()


# (e) nobody waits while somebody could, nobody overtakes


def reserved_work(router: Router) -> states.Case:
    """Two agents; work waits for the first, who has no room for it."""
    roster(
        router,
        {"id": "a", "capacity": 1},
        {"id": "b", "present": False},
    )
    router.contact("old", queue="general")
    router.accept()
    case = router.case()
    router.reply(case, then="waiting")
    router.wait(31_000)
    router.contact("filler", queue="general")
    router.send("agent.presence", kind="agent", agent="b", data={"presence": "available"})
    router.contact("again", conversation="old", queue="general")
    work = router.pool().works[case.work_id or ""]
    assert (work.state, work.prefer_agent) == ("queued", "a")
    return case


@pytest.mark.parametrize("how", ["leaves", "loses the tier", "misses", "goes away"])
def test_work_kept_for_an_agent_is_anybodys_when_that_agent_cannot(how: str) -> None:
    router = Router(ROUTING.replace("offer: {", "offer: {misses_before_away: 1, "))
    case = reserved_work(router)
    other = {"id": "b", "present": False}
    if how == "leaves":
        roster(router, other)
    elif how == "loses the tier":
        roster(router, {"id": "a", "capacity": 1, "tier": 9}, other)
    elif how == "goes away":
        router.send("agent.presence", kind="agent", agent="a", data={"presence": "away"})
    else:
        (filler,) = router.pool().agents["a"].offers
        router.sent(router.pool().offers[filler])
        router.wait(601_000)
    work = router.pool().works[case.work_id or ""]
    assert router.pool().offers[work.offer_id or ""].agent_id == "b"
    router.replay()


def test_an_offer_nobody_saw_does_not_overtake_older_work() -> None:
    router = Router()
    roster(router, {"id": "a", "capacity": 2, "channels": {"email": {"cost": 1, "max": 2}}})
    for name in ("x", "y"):
        router.contact(name, queue="general")
        router.accept()
    x, _ = list(router.pool().cases.values())
    router.reply(x, then="waiting")
    router.wait(31_000)
    router.contact("young", queue="general")
    young = router.case()
    router.contact("x2", conversation="x", queue="general")  # older than "young"
    router.wait(600_000)
    assert router.pool().works[x.work_id or ""].state == "offered"
    assert router.pool().works[young.work_id or ""].state == "queued"
    router.replay()


def test_what_an_absent_agent_had_is_given_back_in_the_order_of_service() -> None:
    router = Router()
    capacity = {"capacity": 2, "channels": {"email": {"cost": 1, "max": 2}}}
    roster(router, {"id": "a"} | capacity, {"id": "b", "capacity": 1, "present": False})
    router.contact("x", queue="general")
    x = router.case()
    router.accept()
    router.reply(x, then="waiting")
    router.wait(31_000)
    router.contact("young", queue="general")
    young = router.case()
    router.contact("x2", conversation="x", queue="general")
    assert [router.pool().offers[o].work_id for o in router.pool().agents["a"].offers] == [young.work_id, x.work_id]  # fmt: skip
    router.send("agent.presence", kind="agent", agent="b", data={"presence": "away"})
    router.pool().agents["b"].presence = "available"  # free, and nothing was waiting
    router.world = World(router.world.state)
    router.send("agent.presence", kind="agent", agent="a", data={"presence": "away"})
    assert router.pool().works[x.work_id or ""].state == "offered"
    assert router.pool().works[young.work_id or ""].state == "queued"


def test_a_policy_serves_the_longest_waiting_first() -> None:
    router = Router(publish=False)
    capacity = {"capacity": 1, "channels": {"email": {"cost": 1, "max": 1}}}
    roster(router, {"id": "a"} | capacity)
    router.contact("low", queue="general", priority=0)
    router.contact("high", queue="general", priority=5)
    router.publish(ROUTING)
    assert router.pool().works[router.case().work_id or ""].state == "offered"
    router.replay()
