"""Parking what can never be handled: the original bytes, where from, and why.

A dead letter is acknowledged before the offset of its original moves, so nothing is dropped. Its
id comes from where the original stands: parked twice, it is the same dead letter. Kafka headers
carry ids and codes only.
"""

from __future__ import annotations

from base64 import b64encode
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal

from vaxel_shared import ids
from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.contracts.deadletters import DEADLETTER_TYPE, DeadLetter
from vaxel_shared.errors import Fatal
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.kafka.topics import DEADLETTERS
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger
from vaxel_shared.settings import Settings
from vaxel_shared.version import CODE_VERSION

RUN_MAX = 20
"""More records in a row that can't be handled are a broken producer or handler, not bad luck."""
WINDOW = 1_000
WINDOW_MIN = 200
SHARE_MAX = 0.5
"""So many of the last :data:`WINDOW` records of a partition may be bad, once there are enough."""

ErrorClass = Literal["poison", "rejected", "exhausted"]


class TooMuchPoison(Fatal):
    """So much of a partition can't be handled that parking all of it would empty the log."""


class PoisonLimit:
    """How much of each partition of ``topic`` couldn't be handled lately.

    A record counts once, however often its batch is begun again.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._last: dict[int, int] = {}
        self._run: dict[int, int] = {}
        self._window: dict[int, deque[bool]] = {}

    def note(self, partition: int, offset: int, code: str | None) -> None:
        """A record was handled (None), or can never be, for this reason: then, before it is parked.

        Raises :class:`TooMuchPoison` where parking goes on for too long.
        """
        if offset <= self._last.get(partition, -1):
            return
        self._last[partition] = offset
        window = self._window.setdefault(partition, deque(maxlen=WINDOW))
        window.append(code is not None)
        self._run[partition] = 0 if code is None else self._run.get(partition, 0) + 1
        if code is None:
            return
        bad, count = sum(window), len(window)
        if self._run[partition] > RUN_MAX:
            raise TooMuchPoison(
                f"{self._topic} partition {partition} offset {offset}: "
                f"{self._run[partition]} records in a row can't be handled ({code}): mend their "
                "producer or this service, then restart it; the parked ones are listed by "
                "`vaxel dlq list`"
            )
        if count >= WINDOW_MIN and bad > count * SHARE_MAX:
            raise TooMuchPoison(
                f"{self._topic} partition {partition} offset {offset}: {bad} of the last "
                f"{count} records can't be handled ({code}): mend their producer or this service, "
                "then restart it; the parked ones are listed by `vaxel dlq list`"
            )

    def forget(self) -> None:
        """Begin to count anew: other partitions, or the same read again by somebody else."""
        self._last.clear()
        self._run.clear()
        self._window.clear()


async def park_batch(
    limit: PoisonLimit,
    records: Sequence[Record],
    bad: Mapping[tuple[int, int], str],
    park_one: Callable[[Record, str], Awaitable[None]],
) -> None:
    """Park those of a batch that ``bad`` names, by partition and offset with the reason's code.

    Judged first and parked after: of a batch that is beyond the limit nothing is parked, so that
    reading it again and again empties no log. Raises :class:`TooMuchPoison`, and what parking
    raises.
    """
    places = [(record.partition, record.offset) for record in records]
    for place in places:
        limit.note(*place, bad.get(place))
    for place, record in zip(places, records, strict=True):
        reason = bad.get(place)
        if reason is not None:
            await park_one(record, reason)


def dead_letter(
    record: Record, *, service: str, error_class: ErrorClass, reason: str
) -> DeadLetter:
    """The dead letter of a record; ``reason`` is a code, never text of a person."""
    where = (record.topic, str(record.partition), str(record.offset), service)
    return DeadLetter(
        id=ids.event_id("deadletter", *where),
        service=service,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp_ms,
        error_class=error_class,
        reason=reason,
        code_version=CODE_VERSION,
        key_b64=None if record.key is None else _b64(record.key),
        value_b64=_b64(record.value),
        headers_b64={name: _b64(value) for name, value in record.headers},
    )


async def park(
    producer: Producer,
    settings: Settings,
    record: Record,
    *,
    service: str,
    error_class: ErrorClass,
    reason: str,
) -> None:
    """Write the dead letter and wait for its acknowledgement; only then may the offset move.

    Raises Retryable where it can't be written.
    """
    letter = dead_letter(record, service=service, error_class=error_class, reason=reason)
    event = Event(
        id=letter.id,
        type=DEADLETTER_TYPE,
        source=f"vaxel/{service}",
        time_ms=record.timestamp_ms,
        subject=f"{record.topic}/{record.partition}/{record.offset}",
    )
    key = f"{record.topic}-{record.partition}"
    ack = await producer.send(DEADLETTERS, key, letter.to_json(), event)
    metrics.DEAD.labels(record.topic, reason).inc()
    get_logger().error(
        "deadletter_parked",
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=reason,
        instance=settings.instance,
        remedy=f"vaxel dlq show {ack.partition}:{ack.offset}",
    )


def _b64(data: bytes) -> str:
    return b64encode(data).decode()
