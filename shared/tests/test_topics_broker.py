"""Topics on a real cluster: made once, compared, and the log's one identity."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.admin import NewTopic

from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka import admin
from vaxel_shared.kafka.client import answers, wait_for_broker
from vaxel_shared.kafka.log import KafkaPartitionLog
from vaxel_shared.kafka.topics import (
    DECISIONS,
    SNAPSHOTS,
    TOPICS,
    WORK,
    apply,
    check,
    declared,
    partition_count,
    read_log_id,
)
from vaxel_shared.settings import Settings

pytestmark = pytest.mark.broker


async def test_apply_makes_all_topics_and_the_log_once(settings: Settings) -> None:
    done = await apply(settings, local=True)
    assert len(done) == len(TOPICS) + 1
    log_id = await read_log_id(settings)
    assert await apply(settings, local=True) == []
    assert await check(settings) == []
    assert await read_log_id(settings) == log_id
    assert await partition_count(settings, WORK) == declared(WORK).partitions_local


async def test_a_cluster_gets_more_partitions(settings: Settings) -> None:
    await apply(settings, local=False)
    assert await partition_count(settings, DECISIONS) == declared(DECISIONS).partitions
    assert await check(settings) == []


async def test_two_that_apply_at_once_agree_on_one_log(settings: Settings) -> None:
    await asyncio.gather(apply(settings, local=True), apply(settings, local=True))
    ids = await asyncio.gather(read_log_id(settings), read_log_id(settings))
    assert ids[0] == ids[1]
    log = KafkaPartitionLog(settings, SNAPSHOTS, 0)
    try:
        _, end = await log.bounds()
        chunk = await log.read(0, 2_000)
        assert chunk.next_offset == end
        # Compaction keeps the last record of a key: it must say what the first one says.
        assert ids[0].encode() in chunk.records[-1].value
    finally:
        await log.close()


async def test_before_apply_everything_is_missing_and_says_the_remedy(settings: Settings) -> None:
    lines = await check(settings)
    assert len([line for line in lines if "vaxel topics apply" in line]) == len(TOPICS)
    with pytest.raises(Fatal, match="vaxel topics apply"):
        await partition_count(settings, WORK)
    with pytest.raises(Fatal, match="vaxel topics apply"):
        await read_log_id(settings)


async def test_check_names_each_difference(settings: Settings) -> None:
    odd = NewTopic(settings.topic(WORK), 3, 1, topic_configs={"cleanup.policy": "compact"})
    await admin.create(settings, [odd])
    await apply(settings, local=True)
    lines = "\n".join(await check(settings))
    assert "vaxel.work: 3 partitions, declared 16 (4 locally)" in lines
    assert "cleanup.policy=compact, declared delete" in lines
    assert "message.timestamp.type=CreateTime, declared LogAppendTime" in lines
    # The router answers on its input's partition: the new ones follow the one that was there.
    assert await partition_count(settings, DECISIONS) == 3


async def test_a_log_with_records_never_gets_a_new_identity(settings: Settings) -> None:
    await apply(settings, local=True)
    other = settings.model_copy(update={"topic_prefix": settings.topic_prefix + "x."})
    await admin.create(
        other, [NewTopic(other.topic(name), 4, 1) for name in (DECISIONS, SNAPSHOTS)]
    )
    log = KafkaPartitionLog(other, DECISIONS, 2)
    try:
        await log.append(b"2", b"something", [])
    finally:
        await log.close()
    with pytest.raises(Fatal, match="doesn't name its log"):
        await apply(other, local=True)


async def test_without_a_broker_one_line_says_what_to_do(settings: Settings) -> None:
    nobody = settings.model_copy(update={"broker": "127.0.0.1:9"})
    assert not await answers(nobody)
    for attempt in (
        wait_for_broker(nobody, 50),
        apply(nobody, local=True),
        check(nobody),
        read_log_id(nobody),
    ):
        with pytest.raises(Retryable, match=r"no Kafka answers at 127\.0\.0\.1:9: .*vaxel up"):
            await attempt
