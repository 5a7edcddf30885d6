"""Parking what can never be handled: the original bytes, where from, and why.

A dead letter is acknowledged before the offset of its original moves, so nothing is dropped. Its
id comes from where the original stands: parked twice, it is the same dead letter. Kafka headers
carry ids and codes only.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Literal

from vaxel_shared import ids
from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.contracts.deadletters import DEADLETTER_TYPE, DeadLetter
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.kafka.topics import DEADLETTERS
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger
from vaxel_shared.settings import Settings
from vaxel_shared.version import CODE_VERSION

ErrorClass = Literal["poison", "rejected", "exhausted"]


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
