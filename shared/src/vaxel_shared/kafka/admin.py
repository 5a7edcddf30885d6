"""Asking Kafka: which topics there are and how they are set, where logs begin and end.

aiokafka's admin client answers with error codes instead of raising; here they become errors.
Offsets are asked on a consumer without assignment: 1 to 2 ms, behind a long poll 500.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka.client import (
    REQUEST_TIMEOUT_MS,
    admin_client,
    consumer_options,
    unreachable,
)
from vaxel_shared.kafka.log import stop_client
from vaxel_shared.settings import Settings

_UNKNOWN_TOPIC = 3


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it is on the cluster; ``replication`` is the smallest of its partitions."""

    partitions: int
    replication: int


async def describe(settings: Settings, names: Iterable[str]) -> dict[str, TopicState]:
    """Those of the topics (without prefix) that exist; raises Retryable without a broker."""
    full = {settings.topic(name): name for name in names}
    async with _asking(settings) as client:
        rows = await client.describe_topics(list(full))
    found = {}
    for row in rows:
        code = row["error_code"]
        if code == _UNKNOWN_TOPIC:
            continue
        if code:
            raise Retryable(f"{row['topic']}: {for_code(code).__name__}; is the cluster healthy?")
        replicas = [len(partition["replicas"]) for partition in row["partitions"]]
        found[full[row["topic"]]] = TopicState(len(replicas), min(replicas, default=0))
    return found


async def broker_count(settings: Settings) -> int:
    """How many brokers the cluster has."""
    async with _asking(settings) as client:
        cluster = await client.describe_cluster()
    return len(cluster["brokers"])


async def create(settings: Settings, topics: list[NewTopic]) -> None:
    """Create topics (full names); one that exists already is left as it is.

    Raises Fatal with the broker's reason where it refuses.
    """
    async with _asking(settings) as client:
        answer = await client.create_topics(topics)
        for name, code, *message in answer.topic_errors:
            if code and for_code(code) is not TopicAlreadyExistsError:
                reason = message[0] if message and message[0] else for_code(code).__name__
                raise Fatal(f"Kafka refuses to create {name}: {reason}")
        await _until_known(client, [topic.name for topic in topics])


async def configs(settings: Settings, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """The settings of topics (without prefix), defaults included."""
    full = {settings.topic(name): name for name in names}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in full]
    return {full[name]: rows for name, rows in (await _configs(settings, resources)).items()}


async def broker_configs(settings: Settings) -> dict[str, str]:
    """The settings of one of the brokers."""
    async with _asking(settings) as client:
        cluster = await client.describe_cluster()
    node = str(cluster["brokers"][0]["node_id"])
    found = await _configs(settings, [ConfigResource(ConfigResourceType.BROKER, node)])
    return found[node]


async def _configs(
    settings: Settings, resources: list[ConfigResource]
) -> dict[str, dict[str, str]]:
    async with _asking(settings) as client:
        answers = await client.describe_configs(resources)
    found = {}
    for code, _message, _kind, name, entries in (row for a in answers for row in a.resources):
        if code:
            raise Retryable(f"{name}: {for_code(code).__name__} when asked for its settings")
        found[name] = {entry[0]: entry[1] or "" for entry in entries}
    return found


@dataclass(frozen=True, slots=True)
class GroupOffset:
    """What a group has committed for a partition: its next offset and a note beside it."""

    offset: int
    metadata: str


async def group_offsets(settings: Settings, group: str, topic: str) -> dict[int, GroupOffset]:
    """What a group (full name) has committed of a topic, by partition; empty where nothing.

    aiokafka hides this answer's error code, and an unhealthy coordinator looks like a group
    without offsets: never take "empty" for proof that there were none.
    """
    async with _asking(settings) as client:
        rows = await client.list_consumer_group_offsets(group)
    name = settings.topic(topic)
    return {
        tp.partition: GroupOffset(row.offset, row.metadata)
        for tp, row in rows.items()
        if tp.topic == name
    }


class Offsets:
    """Where logs begin and end; start it, ask as often as you like, close it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None

    async def ends(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """The offsets that the next records get. Raises Retryable without a broker."""
        return await self._ask(topic, partitions, "end_offsets")

    async def begins(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """The first offsets that are still there. Raises Retryable without a broker."""
        return await self._ask(topic, partitions, "beginning_offsets")

    async def close(self) -> None:
        """Let go of the broker."""
        consumer, self._consumer = self._consumer, None
        await stop_client(consumer)

    async def _ask(self, topic: str, partitions: Iterable[int], what: str) -> dict[int, int]:
        tps = [TopicPartition(self._settings.topic(topic), p) for p in partitions]
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_MS / 1000):
                if self._consumer is None:
                    self._consumer = AIOKafkaConsumer(**consumer_options(self._settings))
                    await self._consumer.start()
                found: Mapping[TopicPartition, int] = await getattr(self._consumer, what)(tps)
        except (KafkaError, OSError) as error:
            await self.close()
            raise unreachable(self._settings) from error
        return {tp.partition: offset for tp, offset in found.items()}


async def _until_known(client: AIOKafkaAdminClient, names: list[str]) -> None:
    """Creation is answered before every broker knows; wait until the asked one does."""
    while True:
        rows = await client.describe_topics(names)
        leaders = [p["leader"] for row in rows for p in row["partitions"]]
        if all(row["error_code"] == 0 for row in rows) and all(one >= 0 for one in leaders):
            return
        await asyncio.sleep(0.02)


@asynccontextmanager
async def _asking(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client for a few questions; what fails or takes too long becomes Retryable."""
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_MS / 1000), admin_client(settings) as client:
            yield client
    except (KafkaError, OSError) as error:  # TimeoutError is an OSError
        raise unreachable(settings) from error
