"""Server-sent events: who is told what, resumed where they stopped, and the slow are cut off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientResponse
from register_kit import CASE, NUMBER, Register, accepted, agent, decision, interaction, opened

from vaxel_register.core import limits
from vaxel_register.shell import feed as feed_module
from vaxel_register.shell import streams
from vaxel_register.shell.feed import Feed, TooMany


@dataclass
class Stream:
    """An open stream, read as a browser does."""

    response: ClientResponse
    last: str = ""
    comments: int = 0
    _lines: dict[str, str] = field(default_factory=dict)

    async def next(self) -> tuple[str, dict[str, Any]]:
        """(name, data) of the next event."""
        while True:
            raw = await asyncio.wait_for(self.response.content.readline(), 5)
            assert raw, "the stream ended"
            line = raw.decode().rstrip("\n")
            if line == "" and "event" in self._lines:
                event, self._lines = self._lines, {}
                self.last = event["id"]
                return event["event"], json.loads(event["data"])
            if line.startswith(":"):
                self.comments += 1
            name, _, value = line.partition(": ")
            if name in ("event", "id", "data"):
                self._lines[name] = value

    async def changes(self, count: int) -> list[dict[str, Any]]:
        """So many changes."""
        found = [await self.next() for _ in range(count)]
        assert {name for name, _ in found} == {"change"}
        return [data for _, data in found]


@asynccontextmanager
async def listening(
    kit: Register, role: str = "supervisor", sub: str = "sup", after: str | None = None
) -> AsyncIterator[Stream]:
    headers = kit.token(role, sub) | ({} if after is None else {"Last-Event-ID": after})
    async with kit.client.get("/api/v1/events", headers=headers) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-store"
        yield Stream(response)


async def test_a_change_says_what_happened_to_what_and_nothing_of_what_was_said(
    register: Register,
) -> None:
    await register.decide(agent("anna"))
    async with listening(register) as stream:
        assert await stream.next() == ("hello", {})
        await register.with_offer()
        seen = await stream.changes(6)
    assert [one["type"] for one in seen] == [
        "message.received", "agent.changed", "agent.changed", "case.opened", "work.queued",
        "offer.made",
    ]  # fmt: skip
    assert seen[-1] == {
        "type": "offer.made", "at": seen[-1]["at"], "pool": "support", "number": NUMBER,
        "agent": "anna", "offer": "offer-1",
    }  # fmt: skip
    assert "mikko" not in str(seen)
    assert "Lasku" not in str(seen)


async def test_what_we_sent_names_the_case_that_the_conversation_has(register: Register) -> None:
    await register.with_case()
    async with listening(register) as stream:
        await stream.next()
        await register.receive(interaction("ours", direction="outbound"))
        (sent,) = await stream.changes(1)
    assert (sent["type"], sent["number"], sent["pool"]) == ("message.sent", NUMBER, "support")


async def test_agents_are_told_of_their_own_pool_only(register: Register) -> None:
    await register.with_case()
    async with listening(register, "agent", "anna") as stream:
        await stream.next()
        await register.decide(opened("case-2", "R-2", "contact-2", pool="returns"))
        await register.decide(decision("case.resolved", case_id=CASE))
        (seen,) = await stream.changes(1)
    assert (seen["type"], seen["number"]) == ("case.resolved", NUMBER)


async def test_an_agent_of_no_roster_is_told_nothing(register: Register) -> None:
    await register.with_case()
    async with listening(register, "agent", "stranger") as stream:
        await stream.next()
        await register.decide(decision("case.resolved", case_id=CASE))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.next(), 0.3)


async def test_who_comes_back_is_told_what_they_missed_also_after_a_restart(
    reopen: Callable[..., Awaitable[Register]],
) -> None:
    kit = await reopen()
    async with listening(kit) as stream:
        await stream.next()
        await kit.with_offer()
        first = await stream.changes(6)
        last = stream.last
    await kit.decide(*accepted())
    await kit.close()
    again = await reopen()
    async with listening(again, after=last) as stream:
        missed = await stream.changes(2)
        again.seq = kit.seq
        await again.decide(decision("case.resolved", case_id=CASE))
        (live,) = await stream.changes(1)
    assert [one["type"] for one in missed] == ["offer.ended", "work.assigned"]
    assert live["type"] == "case.resolved"
    assert len(first) == 6


async def test_the_last_event_may_stand_in_the_address(register: Register) -> None:
    await register.with_offer()
    response = await register.client.get(
        "/api/v1/events", headers=register.token("admin", "root"), params={"last_event_id": "4"}
    )
    names = [one["type"] for one in await Stream(response).changes(2)]
    assert names == ["work.queued", "offer.made"]
    response.close()


@pytest.mark.parametrize("after", ["1", "999999"])
async def test_who_missed_more_than_is_kept_must_read_everything_again(
    register: Register, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    monkeypatch.setattr(feed_module, "FEED_KEPT_MAX", 2)
    monkeypatch.setattr(feed_module, "TRIM_EVERY", 1)
    await register.with_offer()
    await register.decide(decision("case.resolved", case_id=CASE))
    for _ in range(100):
        if (await register.queries.feed_span())[0] > 2:
            break
        await asyncio.sleep(0.02)
    async with listening(register, after=after) as stream:
        assert (await stream.next())[0] == "reset"


async def test_a_quiet_stream_beats_and_looks_again_who_listens(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "STREAM_BEAT_MS", 30)
    async with listening(register) as stream:
        await stream.next()
        for _ in range(2):
            raw = b""
            while not raw.startswith(b":"):
                raw = await asyncio.wait_for(stream.response.content.readline(), 5)


async def test_a_stream_without_a_token_is_refused(register: Register) -> None:
    assert (await register.client.get("/api/v1/events")).status == 401


async def test_one_person_has_so_many_streams_and_no_more(register: Register) -> None:
    opened_ = [
        await register.client.get("/api/v1/events", headers=register.token("admin", "root"))
        for _ in range(limits.STREAMS_PER_SUBJECT_MAX)
    ]
    status, body = await register.get("/events", "admin", "root")
    assert (status, body["title"]) == (429, "too_many_streams")
    assert (await register.client.get("/api/v1/events", headers=register.token("admin", "b"))).ok
    for one in opened_:
        one.close()


async def test_a_listener_that_doesnt_listen_is_cut_off_and_holds_nobody_up(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "STREAM_QUEUE_MAX", 2)
    feed: Feed = register.parts.feed
    with feed.listening("slow") as slow:
        await register.with_offer()
        for _ in range(200):
            if slow.cut:
                break
            await asyncio.sleep(0.01)
        assert slow.cut
        assert await slow.next(10) is None
    async with listening(register, after="0") as stream:
        assert len(await stream.changes(6)) == 6


async def test_a_full_house_lets_nobody_else_in(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "STREAMS_MAX", 1)
    feed: Feed = register.parts.feed
    with feed.listening("a"), pytest.raises(TooMany), feed.listening("b"):
        pass
    with feed.listening("b"):
        pass


async def test_streams_end_when_the_register_stops(register: Register) -> None:
    async with listening(register) as stream:
        await stream.next()
        register.stop.set()
        assert await asyncio.wait_for(stream.response.content.read(), 5) is not None
