"""Sending records: idempotent, acknowledged by all replicas in sync, each with a deadline.

A failed or late send has an unknown outcome: the record may be there, or land later. So the client
that sent it is thrown away and the caller told to try again; ids are deterministic, and a repeat
does no harm. aiokafka by itself would retry for ever, and its ``stop()`` would wait for that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from vaxel_shared.contracts.cloudevents import Event, Headers
from vaxel_shared.errors import Fatal, Poison, Retryable
from vaxel_shared.kafka.client import producer_options, unreachable
from vaxel_shared.kafka.log import discard
from vaxel_shared.kafka.topics import declared, partition_count, partition_for
from vaxel_shared.obs import metrics
from vaxel_shared.settings import Settings

SEND_TIMEOUT_MS = 8_000
"""Shorter than the patience of a mail server or a browser that waits for our answer."""
START_TIMEOUT_MS = 60_000
"""A broker that starts beside us takes 4 s, one that recovers from a kill a little longer."""
CLOSE_TIMEOUT_MS = 1_500
_PAUSE_S_MIN, _PAUSE_S_MAX = 0.1, 2.0
_RECORD_OVERHEAD_BYTES = 256
"""What a batch of one record adds to its key, value and headers, generously."""


@dataclass(frozen=True, slots=True)
class Ack:
    """Where a record landed; ``offset`` is -1 where Kafka only says that it did, once.

    ``timestamp_ms`` is the broker's clock on a topic with append time, else the sender's.
    """

    partition: int
    offset: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to send; ``topic`` without prefix, ``partition`` where the key doesn't choose."""

    topic: str
    key: str
    value: bytes
    event: Event
    partition: int | None = None


@dataclass(slots=True)
class _Client:
    """One aiokafka producer and the news that it is no good any more."""

    inner: AIOKafkaProducer
    broken: asyncio.Event = field(default_factory=asyncio.Event)


class Producer:
    """Shared by all of a process's senders; recovers by itself after a failure."""

    def __init__(self, settings: Settings, source: str, send_timeout_ms: int) -> None:
        self._settings = settings
        self._source = source
        self._timeout_s = send_timeout_ms / 1000
        self._client: _Client | None = None
        self._making = asyncio.Lock()
        self._counts: dict[str, int] = {}

    @classmethod
    async def start(
        cls,
        settings: Settings,
        source: str,
        *,
        start_timeout_ms: int = START_TIMEOUT_MS,
        send_timeout_ms: int = SEND_TIMEOUT_MS,
    ) -> Producer:
        """A producer that has reached the broker; ``source`` names the service, e.g. vaxel/triage.

        Tries with a new client each time; raises Retryable after ``start_timeout_ms``.
        """
        producer = cls(settings, source, send_timeout_ms)
        deadline = time.monotonic() + start_timeout_ms / 1000
        pause_s = _PAUSE_S_MIN
        while True:
            try:
                await producer._usable()
            except Retryable:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _PAUSE_S_MAX)
            else:
                return producer

    async def send(
        self, topic: str, key: str, value: bytes, event: Event, *, partition: int | None = None
    ) -> Ack:
        """Send one record and wait until all replicas in sync have it.

        Raises Poison (``too_large``) for what the topic would never take, Retryable for any other
        failure: then the outcome is unknown, and the same record may be sent again.
        """
        return (await self.send_many([Outgoing(topic, key, value, event, partition)]))[0]

    async def send_many(self, records: Sequence[Outgoing]) -> list[Ack]:
        """Send records in order and wait for all; see :meth:`send`.

        After an error any of them may be there.
        """
        encoded = [(record, record.event.headers()) for record in records]
        for record, headers in encoded:
            refuse_too_large(record, headers)
        client: _Client | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                client = await self._usable()
                answers = [await self._enqueue(client, *one) for one in encoded]
                acks = await _all_or_broken(client, answers)
        except (KafkaError, OSError) as error:  # TimeoutError is an OSError
            if client is not None:
                self._give_up(client)
            names = ", ".join(sorted({record.topic for record in records}))
            raise Retryable(
                f"no acknowledgement for {names} from {self._settings.broker} "
                f"({type(error).__name__}): is Kafka up, with enough replicas?"
            ) from error
        for record in records:
            metrics.PRODUCED.labels(record.topic).inc()
        return acks

    async def close(self) -> None:
        """Let what is under way finish, briefly; then let go of the broker."""
        client, self._client = self._client, None
        if client is None:
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_MS / 1000):
                await client.inner.stop()
        except (KafkaError, OSError):
            await discard(client.inner)

    async def _usable(self) -> _Client:
        """The client in use, or a new one."""
        async with self._making:
            if self._client is not None:
                return self._client
            inner = AIOKafkaProducer(
                **producer_options(self._settings) | {"client_id": self._source}
            )
            try:
                async with asyncio.timeout(self._timeout_s):
                    await inner.start()
            except (KafkaError, OSError) as error:
                await discard(inner)
                raise unreachable(self._settings) from error
            except asyncio.CancelledError:
                await discard(inner)
                raise
            self._client = _Client(inner)
            return self._client

    def _give_up(self, client: _Client) -> None:
        """Throw a client away; whoever else waits on it learns that at once."""
        if self._client is client:
            self._client = None
        if not client.broken.is_set():
            client.broken.set()
            task = asyncio.get_running_loop().create_task(discard(client.inner))
            _discarding.add(task)
            task.add_done_callback(_discarding.discard)

    async def _enqueue(
        self, client: _Client, record: Outgoing, headers: Headers
    ) -> asyncio.Future[Any]:
        key = record.key.encode()
        partition = record.partition
        if partition is None:
            partition = partition_for(key, await self._count(record.topic))
        elif record.topic not in self._counts:
            await self._count(record.topic)  # a missing topic would block until the deadline
        answer: asyncio.Future[Any] = await client.inner.send(
            self._settings.topic(record.topic),
            key=key,
            value=record.value,
            headers=headers,
            partition=partition,
        )
        return answer

    async def _count(self, topic: str) -> int:
        if topic not in self._counts:
            try:
                self._counts[topic] = await partition_count(self._settings, topic)
            except Fatal as error:  # may be made while we run: the caller tries again
                raise Retryable(str(error)) from error
        return self._counts[topic]


_discarding: set[asyncio.Task[None]] = set()
"""Keeps the tasks that close thrown-away clients from being collected before they are done."""


async def _all_or_broken(client: _Client, answers: list[asyncio.Future[Any]]) -> list[Ack]:
    """Wait for every acknowledgement; raises as soon as one fails or the client is given up."""
    broken: asyncio.Future[Any] = asyncio.ensure_future(client.broken.wait())
    together: asyncio.Future[Any] = asyncio.gather(*answers)
    try:
        await asyncio.wait({broken, together}, return_when=asyncio.FIRST_COMPLETED)
        if not together.done():
            raise KafkaError("another send on this client has failed")
        return [Ack(one.partition, one.offset, one.timestamp) for one in together.result()]
    finally:
        broken.cancel()
        together.cancel()
        together.add_done_callback(_seen)


def _seen(late: asyncio.Future[Any]) -> None:
    """Take note of an outcome that nobody waits for any more."""
    if not late.cancelled():
        late.exception()


def refuse_too_large(record: Outgoing, headers: Headers | None = None) -> None:
    """Raise Poison for what its topic never takes.

    Kafka would fail every record that shares the batch, so it never gets there.
    """
    headers = record.event.headers() if headers is None else headers
    limit = declared(record.topic).max_message_bytes
    size = _RECORD_OVERHEAD_BYTES + len(record.key.encode()) + len(record.value)
    size += sum(len(name) + len(value) + 8 for name, value in headers)
    if size > limit:
        raise Poison(
            "too_large", f"a record of {size} bytes for {record.topic}, which takes {limit}"
        )
