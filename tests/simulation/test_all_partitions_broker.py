"""The reader of all partitions, and the cursor into ``vaxel.work``, on a real broker."""

from __future__ import annotations

import pytest
from simulation.places import HEADERS, KafkaPlace, tick
from simulation.toy import ENGINE, WALL_MS

from vaxel_shared.errors import Fatal
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.chain import ChainHalt
from vaxel_shared.kafka.log import KafkaPartitionLog, OffsetGone
from vaxel_shared.kafka.reader import ChainCursor, ChainRecord, DecisionsReader
from vaxel_shared.kafka.topic_reader import TopicCursor, TopicReader, record_sha256
from vaxel_shared.kafka.topics import DECISIONS, WORK
from vaxel_shared.kafka.writer import ChainWriter
from vaxel_shared.settings import Settings

pytestmark = pytest.mark.broker


@pytest.fixture
async def log_id(settings: Settings) -> str:
    place = KafkaPlace(settings)
    await place.start()
    return place.log_id


async def writer_on(settings: Settings, log_id: str, partition: int) -> ChainWriter:
    log = KafkaPartitionLog(settings, DECISIONS, partition)
    one = ChainWriter(log, log_id=log_id, partition=partition, instance="0", run_id="a")
    await one.restore(lambda _record: None, chain.genesis(log_id, partition))
    await one.claim(ENGINE, WALL_MS)
    return one


async def read_all(reader: DecisionsReader) -> list[ChainRecord]:
    found: list[ChainRecord] = []
    while not await reader.at_end():
        found += await reader.poll()
    return found


def seqs(records: list[ChainRecord], partition: int) -> list[int]:
    return [record.header.seq for record in records if record.partition == partition]


async def test_all_partitions_are_read_from_their_cursors_again_and_again(
    settings: Settings, log_id: str
) -> None:
    first = DecisionsReader(settings, {})
    await first.start()
    assert first.partitions == [0, 1, 2, 3]
    assert await first.poll(timeout_ms=10) == []
    writers = [await writer_on(settings, log_id, partition) for partition in (1, 3)]
    await tick(writers[1])
    assert await first.lag() == {0: 0, 1: 1, 2: 0, 3: 2}
    records = await read_all(first)
    assert (seqs(records, 1), seqs(records, 3)) == ([0], [0, 1])
    rows = {p: first.cursor(p).row() for p in first.partitions}
    await first.close()

    noise = KafkaPartitionLog(settings, DECISIONS, 3)
    await noise.append(b"3", b"void", HEADERS)
    await noise.close()
    await writers[1].restore(lambda _record: None, writers[1].position)
    await tick(writers[1])
    second = DecisionsReader(settings, {p: ChainCursor.from_row(row) for p, row in rows.items()})
    await second.start()
    records = await read_all(second)
    assert (seqs(records, 1), seqs(records, 3)) == ([], [2])
    assert second.cursor(3) == ChainCursor.of(writers[1].position)
    await second.close()
    for one in writers:
        await one.close()


async def test_rule_18_partitions_without_a_cursor_halt_or_are_folded_from_genesis(
    settings: Settings, log_id: str
) -> None:
    one = await writer_on(settings, log_id, 2)
    with pytest.raises(ChainHalt, match="partition 2: no cursor"):
        await DecisionsReader(settings, {}).start()
    allowed = DecisionsReader(settings.model_copy(update={"cold_start": "genesis"}), {})
    await allowed.start()
    assert seqs(await read_all(allowed), 2) == [0]
    await allowed.close()
    await one.close()


async def test_rule_24_a_running_reader_whose_place_is_trimmed_away_halts(
    settings: Settings, log_id: str
) -> None:
    one = await writer_on(settings, log_id, 0)
    reader = DecisionsReader(settings.model_copy(update={"cold_start": "genesis"}), {})
    await reader.start()
    for _ in range(3):
        await tick(one)
    await KafkaPlace(settings).trim(3)
    # What it fetched ahead is still good; have it ask again.
    await reader._source.seek(dict.fromkeys(reader.partitions, 0))
    with pytest.raises(OffsetGone, match="fold again"):
        await read_all(reader)
    await reader.close()
    await one.close()


async def test_rule_19_acknowledged_input_that_was_cut_is_noticed(
    settings: Settings, log_id: str
) -> None:
    """The cursor into work is (through, through_sha256) of the chain; each wrong one halts."""
    assert log_id
    work = KafkaPartitionLog(settings, WORK, 0)
    for number in range(3):
        await work.append(b"pool", f"input {number}".encode(), HEADERS)
    await work.close()
    right = record_sha256(b"pool", b"input 1").hex()
    cases = {
        "as it was read": (1, right, None),
        "filled again with other input": (1, record_sha256(b"pool", b"other").hex(), "1"),
        "cut below the cursor": (7, right, "7"),
    }
    for name, (through, sha256, says) in cases.items():
        cursor = TopicCursor(WORK, 0, through, sha256)
        reader = TopicReader(settings, WORK, {0: cursor}, partitions=[0])
        if says is None:
            await reader.start()
            assert [r.offset for r in await reader.poll(2_000)] == [2], name
        else:
            with pytest.raises(Fatal, match=says):
                await reader.start()
        await reader.close()
