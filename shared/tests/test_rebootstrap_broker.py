"""A client that knows none but dead brokers asks those again that it was given at first."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.structs import BrokerMetadata

from vaxel_shared.kafka import topics
from vaxel_shared.kafka.client import client_options
from vaxel_shared.kafka.topics import WORK
from vaxel_shared.settings import Settings

pytestmark = pytest.mark.broker


@pytest.fixture
def dead_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
async def client(settings: Settings, dead_port: int) -> AsyncIterator[AIOKafkaClient]:
    """One that was away while the brokers it knew were replaced."""
    servers = f"127.0.0.1:{dead_port},{settings.broker}"
    one = AIOKafkaClient(**client_options(settings) | {"bootstrap_servers": servers})
    await one.bootstrap()
    one.cluster._brokers = {9: BrokerMetadata(9, "127.0.0.1", dead_port, None)}
    yield one
    await one.close()


async def test_a_client_finds_the_cluster_again(client: AIOKafkaClient, settings: Settings) -> None:
    await topics.apply(settings, local=True)
    client.add_topic(settings.topic(WORK))
    assert await client.force_metadata_update()
    assert 9 not in {broker.nodeId for broker in client.cluster.brokers()}
    assert client.cluster.partitions_for_topic(settings.topic(WORK)) == {0, 1, 2, 3}


async def test_where_nobody_answers_it_says_so(client: AIOKafkaClient, dead_port: int) -> None:
    client._bootstrap_servers = f"127.0.0.1:{dead_port}"
    assert not await client.force_metadata_update()
