"""Whose last console closes has lost the connection, if the deployment says so; and is back again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from register_kit import START_MS, Register, agent, decision, open_register

from vaxel_register.shell.attendance import CLOSED_MS
from vaxel_shared.contracts.commands import Command
from vaxel_shared.contracts.decisions import Decision
from vaxel_shared.errors import Retryable


def changed(command: Command) -> list[Decision]:
    """What the router makes of a lost connection, and of one that is back."""
    lost = command.data.get("lost")
    data: dict[str, Any] = {"presence": "offline", "grace_ms": START_MS + 60_000}
    data = data if lost else {"presence": "available"}
    at_ms = START_MS + (1_000 if lost else 2_000)
    said = {"agent_id": command.agent_id, "cause": command.id}
    return [decision("agent.changed", at_ms, **said, **data)]


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Register]:
    kit = await open_register(tmp_path, console_presence=True)
    kit.log.answer = changed
    await kit.decide(agent("anna"), agent("ben"))
    yield kit
    await kit.close()


def at_console(kit: Register, name: str) -> AbstractContextManager[None]:
    return kit.parts.attendance.at_console(name, lambda: True)


async def looked(kit: Register, *, after_ms: int = 0) -> list[tuple[str | None, str, bool]]:
    """(agent, presence, lost) of what is reported then."""
    kit.clock.advance(after_ms)
    before = len(kit.log.sent)
    await kit.parts.attendance.look()
    sent = kit.log.sent[before:]
    assert all(one.actor.kind == "system" for one in sent)
    return [(one.agent_id, one.data["presence"], bool(one.data.get("lost"))) for one in sent]


async def test_whose_last_console_closed_is_lost_once_and_only_after_a_moment(
    kit: Register,
) -> None:
    with at_console(kit, "anna"):
        with at_console(kit, "anna"):
            assert await looked(kit) == []
        assert await looked(kit, after_ms=CLOSED_MS) == [], "another is open"
    assert await looked(kit, after_ms=CLOSED_MS - 1) == []
    assert await looked(kit, after_ms=1) == [("anna", "offline", True)]
    assert await looked(kit, after_ms=CLOSED_MS) == []


async def test_a_page_that_is_loaded_again_loses_nobody(kit: Register) -> None:
    with at_console(kit, "anna"):
        pass
    kit.clock.advance(CLOSED_MS - 1)
    with at_console(kit, "anna"):
        assert await looked(kit, after_ms=CLOSED_MS) == []


async def test_who_is_there_within_the_grace_is_back_and_nobody_else(kit: Register) -> None:
    with at_console(kit, "anna"):
        pass
    assert await looked(kit, after_ms=CLOSED_MS) == [("anna", "offline", True)]
    with at_console(kit, "anna"), at_console(kit, "ben"):
        assert await looked(kit) == [("anna", "available", False)]
        assert await looked(kit) == []
        away = decision("agent.changed", START_MS + 3_000, agent_id="ben", presence="away")
        await kit.decide(away)
        assert await looked(kit) == [], "who left by word comes back by word"


async def test_who_is_away_or_in_no_roster_loses_nothing(kit: Register) -> None:
    await kit.decide(decision("agent.changed", START_MS, agent_id="anna", presence="away"))
    with at_console(kit, "anna"), at_console(kit, "nobody"):
        pass
    assert await looked(kit, after_ms=CLOSED_MS) == []


async def test_what_the_log_does_not_take_is_reported_again(kit: Register) -> None:
    with at_console(kit, "anna"):
        pass
    kit.log.fails = 1
    with pytest.raises(Retryable):
        await looked(kit, after_ms=CLOSED_MS)
    assert await looked(kit) == [("anna", "offline", True)]


async def test_who_closes_the_stream_of_changes_has_closed_the_console(kit: Register) -> None:
    response = await kit.client.get("/api/v1/events", headers=kit.token("agent", "anna"))
    assert await looked(kit, after_ms=CLOSED_MS) == []
    response.close()  # nothing is written to it, which would tell
    async with asyncio.timeout(10):
        while kit.parts.attendance.here:
            await asyncio.sleep(0.01)
            assert await looked(kit) == []
    assert await looked(kit, after_ms=CLOSED_MS) == [("anna", "offline", True)]


async def test_an_open_stream_is_a_console_and_without_the_setting_nothing_is_reported(
    tmp_path: Path,
) -> None:
    kit = await open_register(tmp_path, console_presence=False)
    await kit.decide(agent("anna"))
    response = await kit.client.get("/api/v1/events", headers=kit.token("agent", "anna"))
    assert kit.parts.attendance.here == {"anna"}
    response.close()
    kit.stop.set()
    await kit.parts.attendance.run(kit.stop)
    assert kit.log.sent == []
    await kit.close()
