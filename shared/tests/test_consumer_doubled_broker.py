"""Two processes under one instance's name, and members that come and go under load."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from vaxel_shared.errors import VaxelError
from vaxel_shared.kafka.consumer import GroupConsumer
from vaxel_shared.kafka.producer import Ack
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.kafka.topics import INTERACTIONS
from vaxel_shared.settings import Settings

pytestmark = pytest.mark.broker
Write = Callable[..., Awaitable[Ack]]
GROUP = "triage"
RECORDS = 60


class Sink:
    """What all members handled, in the order in which they did."""

    def __init__(self) -> None:
        self.values: list[tuple[int, int]] = []

    async def __call__(self, records: list[Record]) -> None:
        await asyncio.sleep(0.02)
        self.values += [(record.partition, int(record.value)) for record in records]

    def first_of(self, partition: int) -> list[int]:
        return list(dict.fromkeys(value for part, value in self.values if part == partition))


class Member:
    """A consumer in a task of its own."""

    def __init__(self, settings: Settings, sink: Sink) -> None:
        self.stop = asyncio.Event()
        self.consumer = GroupConsumer(settings, INTERACTIONS, GROUP)
        self.task = asyncio.ensure_future(self.consumer.run(sink, self.stop))

    async def end(self) -> BaseException | None:
        self.stop.set()
        (outcome,) = await asyncio.gather(self.task, return_exceptions=True)
        return outcome


async def handled(sink: Sink, count: int) -> None:
    async with asyncio.timeout(90):
        while len(set(sink.values)) < count:  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.05)


def in_order(sink: Sink) -> bool:
    return all(sink.first_of(part) == list(range(part, RECORDS, 4)) for part in range(4))


async def test_two_of_one_name_lose_nothing_to_each_other(topics: Settings, write: Write) -> None:
    sink = Sink()
    members = [Member(topics, sink)]
    for number in range(RECORDS):
        await write(INTERACTIONS, str(number).encode(), number % 4)
        if number == RECORDS // 3:
            await handled(sink, 1)
            members.append(Member(topics, sink))
    async with asyncio.timeout(120):
        while len(set(sink.values)) < RECORDS:
            await asyncio.sleep(0.2)
            for place, member in enumerate(members):
                if member.task.done():  # as a supervisor would, it is started again
                    assert isinstance(member.task.exception(), VaxelError)
                    members[place] = Member(topics, sink)
    await asyncio.gather(*(member.end() for member in members))
    assert in_order(sink)


async def test_members_that_are_restarted_one_after_the_other_lose_nothing(
    topics: Settings, make_settings: Callable[..., Settings], write: Write
) -> None:
    sink = Sink()
    each = [make_settings(instance=number, instances=2) for number in range(2)]
    members = [Member(settings, sink) for settings in each]
    for number in range(RECORDS):
        await write(INTERACTIONS, str(number).encode(), number % 4)
        if number % 20 == 10:
            place = number // 20 % 2
            assert await members[place].end() is None
            members[place] = Member(each[place], sink)
    await handled(sink, RECORDS)
    assert [await member.end() for member in members] == [None, None]
    assert in_order(sink)
