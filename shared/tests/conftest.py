"""What the tests of the Kafka runtime share: things that Vaxel itself never does to a log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.kafka.client import consumer_options
from vaxel_shared.kafka.producer import Ack, Producer
from vaxel_shared.kafka.topics import apply
from vaxel_shared.settings import Settings

EVENT = Event("id", "vaxel.test.v1", "vaxel/test", time_ms=0)


@pytest.fixture
async def topics(settings: Settings) -> Settings:
    """Settings whose topics exist."""
    await apply(settings, local=True)
    return settings


@pytest.fixture
async def producer(topics: Settings) -> AsyncIterator[Producer]:
    made = await Producer.start(topics, "vaxel/test")
    yield made
    await made.close()


@pytest.fixture
def write(producer: Producer) -> Callable[..., Awaitable[Ack]]:
    """Writes one record: ``write(topic, value, partition)``."""

    async def write_one(topic: str, value: bytes, partition: int = 0, key: str = "k") -> Ack:
        return await producer.send(topic, key, value, EVENT, partition=partition)

    return write_one


@pytest.fixture
def trim(topics: Settings) -> Callable[[str, int, int], Awaitable[None]]:
    """Deletes the records of a partition before an offset."""

    async def delete(topic: str, partition: int, before: int) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=topics.broker)
        await admin.start()
        try:
            tp = TopicPartition(topics.topic(topic), partition)
            await admin.delete_records({tp: RecordsToDelete(before_offset=before)})
        finally:
            await admin.close()

    return delete


@pytest.fixture
def commit_for(topics: Settings) -> Callable[[str, str, int, int, str], Awaitable[None]]:
    """Commits an offset with a note for a group that has no members."""

    async def commit(group: str, topic: str, partition: int, offset: int, note: str) -> None:
        options = consumer_options(topics) | {"group_id": f"{topics.topic_prefix}{group}"}
        consumer = AIOKafkaConsumer(**options)
        await consumer.start()
        try:
            tp = TopicPartition(topics.topic(topic), partition)
            consumer.assign([tp])
            await consumer.commit({tp: (offset, note)})
        finally:
            await consumer.stop()

    return commit
