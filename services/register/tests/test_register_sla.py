"""SLA events: each clock's state and risk, lists of what is due first, lines in the timeline."""

from __future__ import annotations

from typing import Any

import pytest
from register_kit import CASE, NUMBER, START_MS, Register, opened, queued

from vaxel_register.core.clocks import STATES, project_sla
from vaxel_register.core.rows import Rows, fold
from vaxel_shared.contracts.sla import SlaEvent


def event(
    type_: str, case_id: str = CASE, clock: str = "first_response", **fields: Any
) -> SlaEvent:
    plain: dict[str, Any] = {
        "id": f"{type_}-{case_id}-{clock}", "type": type_, "case_id": case_id, "pool": "support",
        "clock": clock, "cycle": 1, "at_ms": START_MS, "detected_ms": START_MS + 5,
        "target_ms": 1_800_000, "elapsed_ms": 0, "policy": "usual", "policy_version": "abc",
        "calendar": "always", "tzdata": "2026b", "due_ms": START_MS + 1_800_000,
    }  # fmt: skip
    return SlaEvent.model_validate(plain | fields)


async def take(kit: Register, *events: SlaEvent) -> None:
    for one in events:
        kit.offset += 1
        await kit.store.apply(project_sla(one, partition=1, offset=kit.offset), [])
    kit.parts.feed.grown()


@pytest.mark.parametrize("type_", STATES)
def test_what_a_clock_is_after_each_event(type_: Any) -> None:
    rows: Rows = {}
    fold(rows, project_sla(event("started"), partition=0, offset=1))
    fold(rows, project_sla(event(type_), partition=0, offset=2))
    row = rows["sla_clocks"][(f"{CASE}|first_response|1",)]
    assert (row["state"], row["risk"]) == STATES[type_]


def test_an_event_read_again_changes_nothing() -> None:
    rows: Rows = {}
    events = [event("started"), event("warned"), event("met")]
    for offset, one in enumerate(events):
        fold(rows, project_sla(one, partition=0, offset=offset))
    for offset, one in enumerate(events):
        assert fold(rows, project_sla(one, partition=0, offset=offset)) == set()


async def test_a_case_shows_its_clocks_and_what_they_did(register: Register) -> None:
    await register.with_case()
    await take(register, event("started"), event("started", clock="resolution"), event("warned"))
    _, case = await register.get(f"/cases/{NUMBER}")
    assert case["sla"]["first_response"] == {
        "cycle": 1, "state": "running", "risk": "warned", "due_at": "2025-10-09T09:23:20.000Z",
    }  # fmt: skip
    assert case["sla"]["resolution"]["risk"] == "none"
    told = [entry for entry in case["timeline"] if entry["kind"] == "sla"]
    assert [entry["type"] for entry in told] == ["sla.started", "sla.started", "sla.warned"]
    assert told[0]["data"]["calendar"] == "always"
    _, listed = await register.get("/cases")
    assert listed["items"][0]["sla"] == case["sla"]


async def test_an_event_that_was_written_twice_stands_in_the_timeline_once(
    register: Register,
) -> None:
    await register.with_case()
    await take(register, event("started"), event("warned"), event("started"), event("warned"))
    _, case = await register.get(f"/cases/{NUMBER}")
    told = [entry["type"] for entry in case["timeline"] if entry["kind"] == "sla"]
    assert told == ["sla.started", "sla.warned"]


async def test_of_a_clock_the_newest_cycle_is_shown(register: Register) -> None:
    await register.with_case()
    await take(register, event("breached"), event("stopped"), event("started", cycle=2, id="c2"))
    _, case = await register.get(f"/cases/{NUMBER}")
    assert case["sla"]["first_response"]["cycle"] == 2
    assert case["sla"]["first_response"]["risk"] == "none"


async def test_what_is_at_risk_is_listed_what_is_due_first_first(register: Register) -> None:
    await register.with_case()
    for name in ("two", "three"):
        facts = opened(name, f"S-{name}", f"contact-{name}"), queued(name)
        await register.decide(*facts)
    await register.decide(opened("far", "R-1", "contact-far", pool="returns"))
    await take(
        register,
        event("warned", due_ms=START_MS + 900),
        event("breached", "two", due_ms=START_MS + 100),
        event("started", "three", due_ms=START_MS + 50),
        event("breached", "far", due_ms=START_MS + 10),
        event("breached", "unknown", due_ms=START_MS),
    )

    async def numbers(role: str = "supervisor", sub: str = "sup", **query: str) -> list[str]:
        status, body = await register.get("/sla", role, sub, **query)
        assert status == 200
        return [item["number"] for item in body["items"]]

    assert await numbers() == ["R-1", "S-two", NUMBER]
    assert await numbers(risk="warned") == [NUMBER]
    assert await numbers(risk="breached") == ["R-1", "S-two"]
    assert await numbers(risk="all") == ["R-1", "S-three", "S-two", NUMBER]
    assert await numbers("agent", "anna") == ["S-two", NUMBER]
    assert await numbers(limit="1") == ["R-1"]
    assert (await register.get("/sla", risk="some"))[0] == 422


async def test_a_clock_that_stands_still_or_has_ended_is_at_no_risk(register: Register) -> None:
    await register.with_case()
    await take(register, event("breached"), event("paused", due_ms=None))
    assert (await register.get("/sla", risk="all"))[1]["items"] == []
    await take(register, event("breached", id="b2"), event("stopped"))
    assert (await register.get("/sla", risk="all"))[1]["items"] == []
