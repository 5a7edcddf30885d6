"""Reading with cursors of one's own: nothing lost, nothing twice, and every doubt halts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka import admin
from vaxel_shared.kafka.log import OffsetGone
from vaxel_shared.kafka.producer import Ack, Producer
from vaxel_shared.kafka.topic_reader import (
    Record,
    TopicCursor,
    TopicReader,
    read_record,
    record_sha256,
)
from vaxel_shared.kafka.topics import INTERACTIONS, SNAPSHOTS
from vaxel_shared.settings import Settings

pytestmark = pytest.mark.broker

Write = Callable[..., Awaitable[Ack]]
Trim = Callable[[str, int, int], Awaitable[None]]


async def read_all(reader: TopicReader) -> list[Record]:
    records: list[Record] = []
    while not await reader.at_end():
        records += await reader.poll()
    return records


async def read_from(settings: Settings, cursors: dict[int, TopicCursor], **how: Any) -> Any:
    """All records from the cursors on, and the cursors after them."""
    reader = TopicReader(settings, INTERACTIONS, cursors, **how)
    try:
        await reader.start()
        records = await read_all(reader)
        return records, {partition: reader.cursor(partition) for partition in reader.partitions}
    finally:
        await reader.close()


async def test_what_a_poll_that_failed_had_taken_is_read_again(
    topics: Settings, write: Write
) -> None:
    for i in range(5):
        await write(INTERACTIONS, str(i).encode(), 0)
    reader = TopicReader(topics, INTERACTIONS, {}, cold_start="genesis")
    await reader.start()
    consumer: Any = reader._consumer
    getmany = consumer.getmany

    async def taken_and_lost(**how: Any) -> Any:
        while not await getmany(**how):
            pass
        consumer.getmany = getmany
        raise KafkaError

    consumer.getmany = taken_and_lost
    try:
        with pytest.raises(Retryable):
            await reader.poll()
        assert [record.value for record in await read_all(reader)] == [b"0", b"1", b"2", b"3", b"4"]
    finally:
        await reader.close()


async def test_reading_resumes_after_the_last_record_of_each_partition(
    topics: Settings, write: Write
) -> None:
    for i in range(20):
        await write(INTERACTIONS, str(i).encode(), i % 4)
    records, cursors = await read_from(topics, {}, cold_start="genesis")
    for partition in range(4):
        values = [record.value for record in records if record.partition == partition]
        assert values == [str(i).encode() for i in range(partition, 20, 4)]
    await write(INTERACTIONS, b"later", 2)
    stored = {p: TopicCursor.from_row(cursor.row()) for p, cursor in cursors.items()}
    records, _ = await read_from(topics, stored)
    assert [(record.partition, record.value) for record in records] == [(2, b"later")]


async def test_without_a_cursor_it_halts_unless_there_was_never_a_record(
    topics: Settings, write: Write
) -> None:
    assert await read_from(topics, {}, cold_start="halt") == (
        [],
        {partition: TopicCursor(INTERACTIONS, partition) for partition in range(4)},
    )
    await write(INTERACTIONS, b"first")
    with pytest.raises(Fatal, match="no cursor"):
        await read_from(topics, {}, cold_start="halt")


async def test_a_partition_that_had_no_record_when_the_cursors_were_stored_is_read_from_its_first(
    topics: Settings, write: Write
) -> None:
    await write(INTERACTIONS, b"a", 0)
    _, cursors = await read_from(topics, {}, cold_start="genesis")
    await write(INTERACTIONS, b"b", 1)
    records, _ = await read_from(topics, {0: cursors[0]}, cold_start="halt")
    assert [record.value for record in records] == [b"b"]


async def test_a_cursor_below_the_logs_start_halts_and_one_exactly_there_goes_on(
    topics: Settings, write: Write, trim: Trim
) -> None:
    for i in range(5):
        await write(INTERACTIONS, str(i).encode())
    _, cursors = await read_from(topics, {}, cold_start="genesis")
    await write(INTERACTIONS, b"new")
    await trim(INTERACTIONS, 0, 5)
    records, _ = await read_from(topics, cursors)
    assert [record.value for record in records] == [b"new"]
    await trim(INTERACTIONS, 0, 6)
    with pytest.raises(Fatal, match="1 records went unread"):
        await read_from(topics, cursors)
    with pytest.raises(Fatal, match="6 records went unread"):
        await read_from(topics, {}, cold_start="genesis")


async def test_records_trimmed_while_it_reads_halt(
    topics: Settings, write: Write, trim: Trim
) -> None:
    reader = TopicReader(topics, INTERACTIONS, {}, cold_start="genesis")
    try:
        await reader.start()
        await write(INTERACTIONS, b"0")
        assert await read_all(reader) != []
        assert reader._consumer is not None
        reader._consumer.pause(*reader._consumer.assignment())
        for i in range(3):
            await write(INTERACTIONS, str(i).encode())
        await trim(INTERACTIONS, 0, 3)
        reader._consumer.seek(reader._tp(0), 1)
        reader._consumer.resume(*reader._consumer.assignment())
        with pytest.raises(Fatal, match=r"gone|missing"):
            await read_all(reader)
    finally:
        await reader.close()


async def recreate(settings: Settings, topic: str) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=settings.broker)
    await client.start()
    try:
        await client.delete_topics([settings.topic(topic)])
    finally:
        await client.close()
    while topic in await admin.describe(settings, [topic]):
        pass
    await admin.create(settings, [NewTopic(settings.topic(topic), 4, 1)])


async def test_a_log_that_was_cut_and_filled_again_halts(topics: Settings, write: Write) -> None:
    """Plausible offsets, other records: only the hash at the cursor tells."""
    for i in range(3):
        await write(INTERACTIONS, str(i).encode())
    _, cursors = await read_from(topics, {}, cold_start="genesis")
    await recreate(topics, INTERACTIONS)
    fresh = await Producer.start(topics, "vaxel/test")
    event = Event("id", "vaxel.test.v1", "vaxel/test", time_ms=0)
    try:
        with pytest.raises(Fatal, match="cursor is at 2, the log ends at 0"):
            await read_from(topics, cursors)
        for i in range(5):
            await fresh.send(INTERACTIONS, "k", f"other {i}".encode(), event, partition=0)
        with pytest.raises(Fatal, match="offset 2 holds another record"):
            await read_from(topics, cursors)
    finally:
        await fresh.close()


async def test_gaps_halt_except_where_a_topic_is_compacted(settings: Settings) -> None:
    plain = TopicReader(settings, INTERACTIONS, {0: TopicCursor(INTERACTIONS, 0)})
    plain._advance(Record(INTERACTIONS, 0, 0, 0, b"k", b"v", ()))
    assert plain.cursor(0).sha256 == record_sha256(b"k", b"v").hex()
    for offset in (0, 2):
        with pytest.raises(Fatal, match=f"expected offset 1, got {offset}"):
            plain._advance(Record(INTERACTIONS, 0, offset, 0, b"k", b"v", ()))
    compacted = TopicReader(settings, SNAPSHOTS, {0: TopicCursor(SNAPSHOTS, 0)})
    compacted._advance(Record(SNAPSHOTS, 0, 7, 0, b"k", b"v", ()))
    assert compacted.cursor(0).offset == 7


async def test_who_reads_what_was_there_has_caught_up_though_the_log_goes_on_growing(
    topics: Settings, write: Write
) -> None:
    await write(INTERACTIONS, b"old", 3)
    reader = TopicReader(topics, INTERACTIONS, {}, cold_start="genesis")
    try:
        await reader.start()
        assert not await reader.caught_up()
        while not await reader.poll():
            await write(INTERACTIONS, b"new", 3)
        await write(INTERACTIONS, b"new", 3)
        assert await reader.caught_up()
        assert not await reader.at_end()
    finally:
        await reader.close()


async def test_an_empty_poll_is_not_the_end_of_the_log(topics: Settings, write: Write) -> None:
    reader = TopicReader(topics, INTERACTIONS, {}, cold_start="genesis")
    try:
        await reader.start()
        assert await reader.at_end()
        await write(INTERACTIONS, b"x", 3)
        assert not await reader.at_end()
        assert (await reader.lag())[3] == 1
        await read_all(reader)
        assert await reader.at_end()
    finally:
        await reader.close()


async def test_one_record_can_be_read_and_only_if_it_is_there(
    topics: Settings, write: Write
) -> None:
    await write(INTERACTIONS, b"x", 1)
    assert (await read_record(topics, INTERACTIONS, 1, 0)).value == b"x"
    with pytest.raises(OffsetGone):
        await read_record(topics, INTERACTIONS, 1, 9)


async def test_a_missing_topic_or_broker_is_said_instead_of_hanging(settings: Settings) -> None:
    with pytest.raises(Fatal, match="vaxel topics apply"):
        await TopicReader(settings, INTERACTIONS, {}).start()
    nobody = settings.model_copy(update={"broker": "127.0.0.1:9"})
    with pytest.raises(Retryable, match="no Kafka answers"):
        await TopicReader(nobody, INTERACTIONS, {}).start()


def test_key_and_value_are_hashed_apart() -> None:
    assert record_sha256(b"ab", b"c") != record_sha256(b"a", b"bc")
    assert record_sha256(None, b"c") == record_sha256(b"", b"c")


async def test_after_a_change_of_leader_reading_goes_on_where_it_was(
    topics: Settings, write: Write
) -> None:
    reader = TopicReader(topics, INTERACTIONS, {}, cold_start="genesis", partitions=[0])
    await reader.start()
    try:
        for i in range(3):
            await write(INTERACTIONS, str(i).encode(), 0)
        before = await read_on(reader, 3)
        await write(INTERACTIONS, b"3", 0)
        another_led(reader)
        assert [r.value for r in before + await read_on(reader, 1)] == [b"0", b"1", b"2", b"3"]
    finally:
        await reader.close()


async def test_rule_19_a_leader_that_has_another_record_at_the_cursor_halts_a_live_reader(
    topics: Settings, write: Write
) -> None:
    reader = TopicReader(topics, INTERACTIONS, {}, cold_start="genesis", partitions=[0])
    await reader.start()
    try:
        await write(INTERACTIONS, b"cut", 0)
        await read_on(reader, 1)
        reader._cursors[0] = TopicCursor(INTERACTIONS, 0, 0, "00" * 32)
        await write(INTERACTIONS, b"grown again", 0)
        another_led(reader)
        with pytest.raises(Fatal, match="cut and overwritten"):
            await read_on(reader, 1)
    finally:
        await reader.close()


async def read_on(reader: TopicReader, count: int) -> list[Record]:
    found: list[Record] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            found += await reader.poll()
    return found


def another_led(reader: TopicReader) -> None:
    """As if the broker that leads had followed until now."""
    assert reader._leaders is not None
    for tp in reader._leaders._known:
        reader._leaders._known[tp] = 99
