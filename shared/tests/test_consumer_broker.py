"""Consuming by group: nothing lost, order kept, poison parked first, doubts halt."""

from __future__ import annotations

import asyncio
import sys
from base64 import b64decode
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from vaxel_shared.contracts.deadletters import DeadLetter
from vaxel_shared.errors import Fatal, Poison, Retryable
from vaxel_shared.kafka import admin, consumer
from vaxel_shared.kafka.consumer import GroupConsumer
from vaxel_shared.kafka.deadletters import RUN_MAX
from vaxel_shared.kafka.producer import Ack
from vaxel_shared.kafka.topic_reader import Record, TopicReader
from vaxel_shared.kafka.topics import DEADLETTERS, INTERACTIONS
from vaxel_shared.settings import Settings

pytestmark = pytest.mark.broker

Write = Callable[..., Awaitable[Ack]]
GROUP = "triage"


class Sink:
    """A handler that remembers what it was given, and stops the consumer when it has it all."""

    def __init__(self, until: int) -> None:
        self.records: list[Record] = []
        self.stop = asyncio.Event()
        self._until = until

    async def __call__(self, records: list[Record]) -> None:
        for record in records:
            if record.value.startswith(b"bad"):
                error = Poison("bad", "can't be handled")
                error.record = record
                raise error
            self.records.append(record)
        if len(self.records) >= self._until:
            self.stop.set()

    @property
    def values(self) -> list[bytes]:
        return [record.value for record in self.records]


async def consume(settings: Settings, handle: Sink, **how: int) -> None:
    run = GroupConsumer(settings, INTERACTIONS, GROUP, **how).run(handle, handle.stop)
    await asyncio.wait_for(run, 60)


async def committed(settings: Settings) -> dict[int, int]:
    rows = await admin.group_offsets(settings, f"{settings.topic_prefix}{GROUP}", INTERACTIONS)
    return {partition: row.offset for partition, row in rows.items() if row.offset >= 0}


def committed_is(settings: Settings, records: int) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return sum((await committed(settings)).values()) == records

    return holds


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.05)


async def letters(settings: Settings) -> list[DeadLetter]:
    reader = TopicReader(settings, DEADLETTERS, {}, cold_start="genesis")
    try:
        await reader.start()
        found: list[Record] = []
        while not await reader.at_end():
            found += await reader.poll()
    finally:
        await reader.close()
    return [DeadLetter.model_validate_json(record.value) for record in found]


async def test_each_partition_is_handled_in_order_and_not_again_after_a_clean_stop(
    topics: Settings, write: Write
) -> None:
    for i in range(40):
        await write(INTERACTIONS, str(i).encode(), i % 4)
    sink = Sink(40)
    await consume(topics, sink)
    for partition in range(4):
        values = [int(one.value) for one in sink.records if one.partition == partition]
        assert values == list(range(partition, 40, 4))
    assert await committed(topics) == dict.fromkeys(range(4), 10)
    await write(INTERACTIONS, b"next", 1)
    again = Sink(1)
    await consume(topics, again)
    assert again.values == [b"next"]


async def test_poison_is_parked_before_the_offset_moves_and_the_rest_goes_on(
    topics: Settings, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in (b"a", b"bad \xff", b"b", b"bad 2", b"c"):
        await write(INTERACTIONS, value)
    moved_before: list[dict[int, int]] = []
    park = consumer.park

    async def watched(*args: object, **named: object) -> None:
        await park(*args, **named)  # type: ignore[arg-type]
        moved_before.append(await committed(topics))

    monkeypatch.setattr(consumer, "park", watched)
    sink = Sink(3)
    await consume(topics, sink)
    assert sink.values == [b"a", b"b", b"c"]
    assert moved_before == [{}, {}]  # both were parked while nothing was committed
    assert await committed(topics) == {0: 5}
    parked = await letters(topics)
    assert [(one.offset, b64decode(one.value_b64)) for one in parked] == [
        (1, b"bad \xff"),
        (3, b"bad 2"),
    ]
    assert {(one.service, one.error_class, one.reason) for one in parked} == {
        (GROUP, "poison", "bad")
    }


async def test_a_handler_that_cannot_say_which_record_it_was_is_given_one_at_a_time(
    topics: Settings, write: Write
) -> None:
    for value in (b"a", b"odd", b"b"):
        await write(INTERACTIONS, value)
    sink = Sink(2)

    async def handle(records: list[Record]) -> None:
        if any(record.value == b"odd" for record in records):
            raise Poison("odd", "one of these")
        await sink(records)

    run = GroupConsumer(topics, INTERACTIONS, GROUP).run(handle, sink.stop)
    await asyncio.wait_for(run, 60)
    assert sink.values == [b"a", b"b"]
    assert [one.offset for one in await letters(topics)] == [1]


async def stands_still(consumer: GroupConsumer) -> bool:
    return bool(consumer.reasons())


async def test_too_many_in_a_row_halt_their_partition_and_the_others_go_on(
    topics: Settings, write: Write
) -> None:
    for i in range(RUN_MAX + 5):
        await write(INTERACTIONS, f"bad {i}".encode(), 0)
    await write(INTERACTIONS, b"before", 1)
    sink = Sink(2)
    consumer = GroupConsumer(topics, INTERACTIONS, GROUP, stall_ms=500)
    run = asyncio.ensure_future(consumer.run(sink, sink.stop))
    await until(partial(stands_still, consumer))
    assert "21 records in a row can't be handled (bad)" in consumer.reasons()[0]
    await asyncio.sleep(1)  # longer than the watchdog's patience with a partition that is read
    await write(INTERACTIONS, b"after", 1)
    await asyncio.wait_for(run, 60)
    assert sink.values == [b"before", b"after"]
    assert len({letter.id for letter in await letters(topics)}) == RUN_MAX
    assert 0 not in await committed(topics)


async def test_after_a_restart_the_same_are_parked_again_and_no_more(
    topics: Settings, write: Write
) -> None:
    for i in range(RUN_MAX + 5):
        await write(INTERACTIONS, f"bad {i}".encode())
    for _ in range(2):
        consumer = GroupConsumer(topics, INTERACTIONS, GROUP)
        stop = asyncio.Event()
        run = asyncio.ensure_future(consumer.run(Sink(1), stop))
        await until(partial(stands_still, consumer))
        stop.set()
        await run
    found = await letters(topics)
    assert len({letter.id for letter in found}) == RUN_MAX
    assert len(found) == 2 * RUN_MAX


async def test_trouble_around_it_is_waited_out_with_the_same_batch(
    topics: Settings, write: Write
) -> None:
    for value in (b"a", b"b"):
        await write(INTERACTIONS, value)
    sink = Sink(2)
    seen: list[list[bytes]] = []

    async def handle(records: list[Record]) -> None:
        seen.append([record.value for record in records])
        if len(seen) < 4:
            raise Retryable("not now")
        await sink(records)

    run = GroupConsumer(topics, INTERACTIONS, GROUP).run(handle, sink.stop)
    await asyncio.wait_for(run, 60)
    assert seen == [seen[0]] * 4
    assert await committed(topics) == {0: 2}


async def test_trouble_without_end_ends_the_process(topics: Settings, write: Write) -> None:
    await write(INTERACTIONS, b"a")

    async def handle(_records: list[Record]) -> None:
        raise Retryable("the blob store is full")

    run = GroupConsumer(topics, INTERACTIONS, GROUP, retry_ms_max=200).run(handle, asyncio.Event())
    with pytest.raises(Fatal, match=r"gave up after \d+ ms: the blob store is full"):
        await asyncio.wait_for(run, 60)
    assert await committed(topics) == {}


async def test_a_stop_lets_the_batch_under_way_finish(topics: Settings, write: Write) -> None:
    await write(INTERACTIONS, b"a")
    stop = asyncio.Event()

    async def handle(_records: list[Record]) -> None:
        stop.set()
        await asyncio.sleep(0.3)

    await asyncio.wait_for(GroupConsumer(topics, INTERACTIONS, GROUP).run(handle, stop), 60)
    assert await committed(topics) == {0: 1}


async def test_a_stop_drops_a_batch_that_hangs_and_it_is_read_again(
    topics: Settings, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "DRAIN_MS", 200)
    await write(INTERACTIONS, b"a")
    stop = asyncio.Event()

    async def hang(_records: list[Record]) -> None:
        stop.set()
        await asyncio.sleep(3600)

    await asyncio.wait_for(GroupConsumer(topics, INTERACTIONS, GROUP).run(hang, stop), 60)
    assert await committed(topics) == {}
    sink = Sink(1)
    await consume(topics, sink)
    assert sink.values == [b"a"]


KILLED = """
import asyncio, os, sys
from vaxel_shared.kafka.consumer import GroupConsumer
from vaxel_shared.settings import Settings

out = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
count = 0

async def handle(records):
    global count
    for record in records:
        os.write(out, f"{record.partition} {record.offset}\\n".encode())
        count += 1
        if count == int(sys.argv[2]):
            os.kill(os.getpid(), 9)

async def main():
    await GroupConsumer(Settings(), "vaxel.interactions", "triage").run(handle, asyncio.Event())

asyncio.run(main())
"""


async def test_kill_9_in_the_middle_of_batches_loses_nothing(
    topics: Settings, write: Write, tmp_path: Path
) -> None:
    for i in range(60):
        await write(INTERACTIONS, str(i).encode(), i % 2)
    handled = tmp_path / "handled"
    environment = {
        "VAXEL_BROKER": topics.broker,
        "VAXEL_TOPIC_PREFIX": topics.topic_prefix,
        "PATH": "",
    }
    for kill_at in (7, 36):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", KILLED, str(handled), str(kill_at), env=environment
        )
        assert await asyncio.wait_for(process.wait(), 60) == -9
    before = [line.split() for line in handled.read_text().splitlines()]
    sink = Sink(until=10**9)
    consuming = asyncio.create_task(consume(topics, sink))
    await until(committed_is(topics, 60))
    sink.stop.set()
    await consuming
    order = [(int(p), int(o)) for p, o in before]
    order += [(record.partition, record.offset) for record in sink.records]
    firsts = list(dict.fromkeys(order))
    for partition in range(2):
        offsets = [offset for p, offset in firsts if p == partition]
        assert offsets == list(range(30))


async def test_a_second_member_takes_over_partitions_without_loss(
    topics: Settings, write: Write, make_settings: Callable[..., Settings]
) -> None:
    for i in range(40):
        await write(INTERACTIONS, str(i).encode(), i % 4)
    stop = asyncio.Event()
    handled: list[tuple[int, int, int]] = []
    second_began = asyncio.Event()

    def member(instance: int) -> asyncio.Task[None]:
        async def handle(records: list[Record]) -> None:
            if instance == 1:
                second_began.set()
            for record in records:
                handled.append((instance, record.partition, record.offset))
                await asyncio.sleep(0.005)

        settings = make_settings(instance=instance)
        return asyncio.create_task(GroupConsumer(settings, INTERACTIONS, GROUP).run(handle, stop))

    members = [member(0)]
    await until(lambda: asyncio.sleep(0, len(handled) >= 10))
    members.append(member(1))
    written = 40
    while not second_began.is_set() or written < 60:
        await write(INTERACTIONS, b"more", written % 4)
        written += 1
        await asyncio.sleep(0.05)
    await until(committed_is(topics, written))
    stop.set()
    await asyncio.gather(*members)
    assert {instance for instance, _, _ in handled} == {0, 1}
    for partition in range(4):
        count = len(range(partition, written, 4))
        offsets = list(dict.fromkeys(o for _, p, o in handled if p == partition))
        assert offsets == list(range(count))


@pytest.mark.parametrize(
    ("offset", "note", "trimmed_to", "said"),
    [
        (2, "", 4, "the group stands at 2, the log offers 4: acknowledged records were cut"),
        (9, "", 0, "the group stands at 9, the log offers 0: acknowledged records were cut"),
        (2, "00" * 32, 0, "offset 1 holds another record than when it was read"),
    ],
)
async def test_a_committed_offset_that_does_not_fit_the_log_halts(
    topics: Settings,
    write: Write,
    trim: Callable[[str, int, int], Awaitable[None]],
    commit_for: Callable[[str, str, int, int, str], Awaitable[None]],
    offset: int,
    note: str,
    trimmed_to: int,
    said: str,
) -> None:
    for i in range(6):
        await write(INTERACTIONS, str(i).encode())
    await commit_for(GROUP, INTERACTIONS, 0, offset, note)
    if trimmed_to:
        await trim(INTERACTIONS, 0, trimmed_to)
    sink = Sink(1)
    with pytest.raises(Fatal, match=said):
        await consume(topics, sink)
    assert sink.records == []


async def test_the_record_before_a_trimmed_start_needs_no_comparing(
    topics: Settings,
    write: Write,
    trim: Callable[[str, int, int], Awaitable[None]],
    commit_for: Callable[[str, str, int, int, str], Awaitable[None]],
) -> None:
    for i in range(4):
        await write(INTERACTIONS, str(i).encode())
    await commit_for(GROUP, INTERACTIONS, 0, 2, "00" * 32)
    await trim(INTERACTIONS, 0, 2)
    sink = Sink(2)
    await consume(topics, sink)
    assert sink.values == [b"2", b"3"]


async def test_a_missing_topic_is_said_instead_of_hanging(settings: Settings) -> None:
    with pytest.raises(Fatal, match="vaxel topics apply"):
        await consume(settings, Sink(1))
