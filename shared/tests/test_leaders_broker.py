"""Another leader: a group's member looks again at what it handled last, before it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from vaxel_shared.errors import Fatal
from vaxel_shared.kafka.consumer import GroupConsumer
from vaxel_shared.kafka.leaders import Leaders
from vaxel_shared.kafka.producer import Ack
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.kafka.topics import INTERACTIONS
from vaxel_shared.settings import Settings

Write = Callable[..., Awaitable[Ack]]
TP = TopicPartition("t", 0)


def consumer(leaders: Iterable[int | None]) -> Any:
    """A consumer whose metadata names these leaders, one after the other."""
    named = iter(leaders)
    cluster = SimpleNamespace(leader_for_partition=lambda _: next(named))
    return SimpleNamespace(_client=SimpleNamespace(cluster=cluster))


def test_only_another_leader_is_a_change() -> None:
    one = Leaders(consumer([None, 1, 1, -1, 1, 2, 2]))
    seen = [one.changed([TP]) for _ in range(7)]
    assert seen == [{}, {}, {}, {}, {}, {TP: 2}, {TP: 2}]


def test_a_change_is_told_until_it_is_noted() -> None:
    one = Leaders(consumer([1, 2, 2, 1]))
    one.changed([TP])
    assert one.changed([TP]) == {TP: 2}
    one.note(TP, 2)
    assert one.changed([TP]) == {}
    assert one.changed([TP]) == {TP: 1}


class Member:
    """A member of a group that handles two records, then sees another leader, then two more."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.values: list[bytes] = []
        self.stop = asyncio.Event()
        self.group = GroupConsumer(settings, INTERACTIONS, "triage")
        self.moved = False
        genuine = Leaders.changed

        def changed(leaders: Leaders, partitions: Iterable[TopicPartition]) -> Any:
            found = genuine(leaders, partitions)
            if self.moved or len(self.values) < 2:
                return found
            self.moved = True
            return {tp: 99 for tp in leaders._known if tp.partition == 0}

        monkeypatch.setattr(Leaders, "changed", changed)

    async def handle(self, records: list[Record]) -> None:
        self.values += [record.value for record in records]
        if len(self.values) >= 4:
            self.stop.set()

    async def run(self) -> None:
        await asyncio.wait_for(self.group.run(self.handle, self.stop), 60)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 - the consumer tells nobody
                await asyncio.sleep(0.02)


@pytest.fixture
def member(topics: Settings, monkeypatch: pytest.MonkeyPatch) -> Member:
    return Member(topics, monkeypatch)


@pytest.mark.broker
async def test_where_the_last_record_is_there_it_goes_on(member: Member, write: Write) -> None:
    for value in (b"0", b"1"):
        await write(INTERACTIONS, value, 0)
    running = asyncio.ensure_future(member.run())
    await member.until(lambda: member.moved)
    for value in (b"2", b"3"):
        await write(INTERACTIONS, value, 0)
    await running
    assert member.values == [b"0", b"1", b"2", b"3"]


@pytest.mark.broker
async def test_where_another_record_is_in_its_place_it_halts(member: Member, write: Write) -> None:
    check = member.group._cursor.check

    async def misremember(records: list[Record]) -> None:
        await check(records)
        member.group._cursor._last[0] = bytes(32)

    member.group._cursor.check = misremember  # type: ignore[method-assign,assignment]
    for value in (b"0", b"1"):
        await write(INTERACTIONS, value, 0)
    with pytest.raises(Fatal, match="cut and overwritten"):
        await member.run()
