"""Sending on a real broker: acknowledgements, order, limits, and unknown outcomes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from vaxel_cli.broker import LocalBroker, prepare
from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.errors import Poison, Retryable, VaxelError
from vaxel_shared.kafka.producer import Ack, Outgoing, Producer
from vaxel_shared.kafka.topic_reader import read_record
from vaxel_shared.kafka.topics import INTERACTIONS, WORK, apply, declared, partition_for
from vaxel_shared.settings import Settings

pytestmark = pytest.mark.broker

EVENT = Event("id-1", "vaxel.test.v1", "vaxel/test", time_ms=1_700_000_000_123, subject="s")


async def test_a_record_lands_where_its_key_falls_with_its_event_as_headers(
    topics: Settings, producer: Producer
) -> None:
    ack = await producer.send(WORK, "support", b"{}", EVENT)
    assert ack.partition == partition_for(b"support", 4)
    record = await read_record(topics, WORK, ack.partition, ack.offset)
    assert (record.key, record.value) == (b"support", b"{}")
    assert record.timestamp_ms == ack.timestamp_ms  # the broker's clock
    headers = dict(record.headers)
    assert headers["ce_id"] == b"id-1"
    assert headers["ce_time"] == b"2023-11-14T22:13:20.123Z"


async def test_many_keep_their_order(producer: Producer) -> None:
    records = [Outgoing(WORK, "k", str(i).encode(), EVENT) for i in range(500)]
    acks = await producer.send_many(records)
    assert [ack.offset for ack in acks] == list(range(500))
    assert await producer.send_many([]) == []


async def test_a_partition_can_be_named(producer: Producer) -> None:
    assert (await producer.send(WORK, "k", b"", EVENT, partition=3)).partition == 3


async def test_what_the_topic_would_never_take_is_poison_and_harms_nothing(
    producer: Producer,
) -> None:
    limit = declared(INTERACTIONS).max_message_bytes
    with pytest.raises(Poison) as caught:
        await producer.send(INTERACTIONS, "k", bytes(limit), EVENT)
    assert caught.value.code == "too_large"
    just_fits = await producer.send(INTERACTIONS, "k", bytes(limit - 1_000), EVENT)
    assert just_fits.offset == 0


async def test_a_missing_topic_is_said_at_once(settings: Settings) -> None:
    producer = await Producer.start(settings, "vaxel/test")
    try:
        with pytest.raises(Retryable, match="vaxel topics apply"):
            await producer.send(WORK, "k", b"", EVENT)
    finally:
        await producer.close()


@pytest.fixture
async def private(tmp_path: Path) -> AsyncIterator[LocalBroker]:
    """A broker that a test may stop and kill."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        port, controller_port = one.getsockname()[1], two.getsockname()[1]
    try:
        installation = await prepare()
    except VaxelError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no broker: {error}")
    broker = LocalBroker(installation, tmp_path, port=port, controller_port=controller_port)
    await broker.start()
    await broker.wait_ready()
    yield broker
    await broker.stop()


async def test_a_broker_that_hangs_or_dies_fails_sends_in_time_and_the_next_ones_work(
    private: LocalBroker,
) -> None:
    """aiokafka by itself would go on for ever, and its ``stop()`` would wait for that."""
    settings = Settings(broker=private.address, security_protocol="PLAINTEXT")
    await apply(settings, local=True)
    producer = await Producer.start(settings, "vaxel/test", send_timeout_ms=2_000)
    assert private.pid is not None
    try:
        await producer.send(WORK, "k", b"before", EVENT)
        freeze(private.pid)
        first = asyncio.create_task(producer.send(WORK, "k", b"1", EVENT))
        await asyncio.sleep(1)
        producer._timeout_s = 600  # of the second: it learns of the first one's failure
        second = asyncio.create_task(producer.send(WORK, "k", b"2", EVENT))
        answers = await asyncio.wait_for(
            asyncio.gather(first, second, return_exceptions=True), timeout=60
        )
        assert [type(answer) for answer in answers] == [Retryable, Retryable]
        os.kill(private.pid, signal.SIGCONT)
        producer._timeout_s = 2
        assert (await until_sent(producer, b"after the pause")).offset > 0
        private.kill()
        with pytest.raises(Retryable, match="Kafka"):
            await producer.send(WORK, "k", b"3", EVENT)
        await private.start()
        await private.wait_ready()
        assert (await until_sent(producer, b"after the kill")).offset > 1
    finally:
        if private.returncode is None:
            os.kill(private.pid, signal.SIGCONT)
        await producer.close()


def freeze(pid: int) -> None:
    """Stop a child of ours, and wait until it has: some of its threads run on for a moment."""
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED)


async def until_sent(producer: Producer, value: bytes) -> Ack:
    for _ in range(20):
        try:
            return await producer.send(WORK, "k", value, EVENT)
        except Retryable:
            await asyncio.sleep(0.5)
    raise AssertionError("the producer never recovered")


async def test_a_cancelled_send_leaves_the_others_alone(producer: Producer) -> None:
    await producer.send(WORK, "k", b"warm", EVENT)
    cancelled = asyncio.create_task(producer.send(WORK, "k", b"maybe", EVENT))
    await asyncio.sleep(0)
    other = asyncio.create_task(producer.send(WORK, "k", b"sure", EVENT))
    cancelled.cancel()
    assert (await other).offset >= 1
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_without_a_broker_the_start_gives_up_in_time(settings: Settings) -> None:
    nobody = settings.model_copy(update={"broker": "127.0.0.1:9"})
    with pytest.raises(Retryable, match="no Kafka answers"):
        await Producer.start(nobody, "vaxel/test", start_timeout_ms=100)
