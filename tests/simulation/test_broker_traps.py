"""What a real broker and its client do when an append goes wrong, and that the writer copes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.producer.sender import SendProduceReqHandler
from simulation.places import HEADERS, raw_append
from simulation.toy import ENGINE, WALL_MS

from vaxel_shared.kafka import chain
from vaxel_shared.kafka.client import client_options
from vaxel_shared.kafka.log import AppendFailed, KafkaPartitionLog
from vaxel_shared.kafka.records import ChainRecord
from vaxel_shared.kafka.writer import ChainWriter, MustRestore
from vaxel_shared.settings import Settings

pytestmark = pytest.mark.broker

PLAIN, NARROW = "plain", "narrow"
LOG_ID = "0f" * 16


@pytest.fixture
async def topics(settings: Settings) -> Settings:
    """A plain topic, and one that takes small records only."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    append_time = {"message.timestamp.type": "LogAppendTime"}
    await admin.create_topics(
        [
            NewTopic(settings.topic(PLAIN), 1, 1, topic_configs=append_time),
            NewTopic(settings.topic(NARROW), 1, 1, topic_configs={"max.message.bytes": "2000"}),
        ]
    )
    await admin.close()
    return settings


def log(settings: Settings, topic: str, append_timeout_ms: int = 2_000) -> KafkaPartitionLog:
    return KafkaPartitionLog(settings, topic, 0, append_timeout_ms=append_timeout_ms)


@pytest.fixture
def not_enough_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker's every answer to a produce request says NOT_ENOUGH_REPLICAS (19).

    One node can't be starved for real: Kafka bounds min.insync.replicas by the replicas there are.
    """
    answered = SendProduceReqHandler.handle_response

    def refused(handler: SendProduceReqHandler, response: Any) -> Any:
        response.topics = [
            (topic, [(partition, 19, *rest) for partition, _, *rest in partitions])
            for topic, partitions in response.topics
        ]
        return answered(handler, response)

    monkeypatch.setattr(SendProduceReqHandler, "handle_response", refused)


@pytest.mark.usefixtures("not_enough_replicas")
async def test_without_enough_replicas_an_append_fails_in_time_and_lets_go(
    topics: Settings,
) -> None:
    """The client would retry for ever, and its stop() would wait for it."""
    starved = log(topics, PLAIN, append_timeout_ms=500)
    for _ in range(2):
        with pytest.raises(AppendFailed, match="no acknowledgement in 500 ms"):
            await raw_append(starved, b"x")
        async with asyncio.timeout(5):
            await starved.abandon()
    async with asyncio.timeout(5):
        await starved.close()


async def test_a_record_too_large_for_the_topic_fails_and_the_next_one_lands(
    topics: Settings,
) -> None:
    narrow = log(topics, NARROW)
    assert (await raw_append(narrow, b"small")).offset == 0
    with pytest.raises(AppendFailed, match="5000 bytes is too large"):
        await raw_append(narrow, b"x" * 5_000)
    await narrow.abandon()
    assert (await raw_append(narrow, b"small again")).offset == 1
    await narrow.close()


async def test_a_writer_whose_record_is_too_large_restores_and_goes_on(topics: Settings) -> None:
    narrow = log(topics, NARROW)
    writer = ChainWriter(narrow, log_id=LOG_ID, partition=0, instance="0", run_id="a")
    await _restore(writer)
    await writer.claim(ENGINE, WALL_MS)
    with pytest.raises(MustRestore, match="too large"):
        await writer.claim(ENGINE + "x" * 5_000, WALL_MS)
    assert [r.header.seq for r in await _restore(writer)] == [0]
    assert (await writer.claim(ENGINE, WALL_MS)).offset == 1
    await writer.close()


async def test_an_append_that_timed_out_counts_once_or_not_at_all(topics: Settings) -> None:
    """Given up while it is under way: whether it lands is chance, that nothing doubles is not."""
    plain = log(topics, PLAIN)
    writer = ChainWriter(plain, log_id=LOG_ID, partition=0, instance="0", run_id="a")
    await _restore(writer)
    await writer.claim(ENGINE, WALL_MS)
    given_up = 0
    for patience_ms in (0, 1, 2, 0, 1, 3):
        plain._append_timeout_ms = patience_ms
        try:
            await writer.claim(ENGINE, WALL_MS)
        except MustRestore:
            given_up += 1
            plain._append_timeout_ms = 5_000
            await _restore(writer)
            await _claimed(writer)
    assert given_up >= 2
    seqs = [record.header.seq for record in await _restore(writer)]
    assert seqs == list(range(writer.position.seq + 1))
    await writer.close()


async def test_abandoned_with_an_append_under_way_the_log_is_usable_at_once(
    topics: Settings,
) -> None:
    plain = log(topics, PLAIN)
    await raw_append(plain, b"first")
    under_way = asyncio.ensure_future(plain.append(b"0", b"second", HEADERS))
    await asyncio.sleep(0)
    await plain.abandon()
    under_way.cancel()
    await asyncio.wait({under_way})
    offset = (await raw_append(plain, b"third")).offset
    values = [record.value for record in (await plain.read(0)).records]
    assert values[offset] == b"third"
    assert sorted(values) in ([b"first", b"third"], [b"first", b"second", b"third"])
    await plain.close()


async def _claimed(writer: ChainWriter) -> None:
    """A late one may take the offset once more; then the log is calm."""
    try:
        await writer.claim(ENGINE, WALL_MS)
    except MustRestore:
        await _restore(writer)
        await writer.claim(ENGINE, WALL_MS)


async def _restore(writer: ChainWriter) -> list[ChainRecord]:
    folded: list[ChainRecord] = []
    await writer.restore(folded.append, chain.genesis(LOG_ID, 0))
    return folded
