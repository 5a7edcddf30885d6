"""Explicit settings for every Kafka client, and waiting for a broker.

aiokafka's defaults (acks=1, start at the end, auto-commit) lose records: every client of Vaxel is
made from the options here. A client whose start failed is thrown away; the next try has a new one.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import collect_hosts
from aiokafka.errors import KafkaError

from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka import rebootstrap
from vaxel_shared.settings import Settings

REQUEST_TIMEOUT_MS = 10_000
"""Longer than any answer of a healthy broker; shorter than the patience of an SMTP client."""
REQUEST_BYTES_MAX = 9 * 1024 * 1024
"""Above the largest ``max.message.bytes`` of any topic; the topic's own limit decides."""
PROBE_TIMEOUT_S = 5
POLL_MS_MIN, POLL_MS_MAX = 50, 1_000

logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
"""Its log repeats every failed attempt and can quote keys; failures reach us as exceptions."""

rebootstrap.install()


def client_options(settings: Settings) -> dict[str, Any]:
    """What every kind of client is told: where, how secured, how patient.

    The SASL password is the file ``kafka.password`` and a private CA ``kafka-ca.pem``, both among
    the secrets. Raises Fatal where a needed one is missing.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.broker,
        "client_id": "vaxel",
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
        "metadata_max_age_ms": 30_000,
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.endswith("SSL"):
        ca = settings.secrets / "kafka-ca.pem"
        options["ssl_context"] = ssl.create_default_context(cafile=ca if ca.exists() else None)
    if settings.security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.sasl_mechanism or "SCRAM-SHA-512"
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = _password(settings)
    return options


def producer_options(settings: Settings) -> dict[str, Any]:
    """An idempotent producer that counts only what all replicas in sync have."""
    return client_options(settings) | {
        "acks": "all",
        "enable_idempotence": True,
        "linger_ms": 0,
        "max_batch_size": 256 * 1024,
        "max_request_size": REQUEST_BYTES_MAX,
    }


def consumer_options(settings: Settings) -> dict[str, Any]:
    """A consumer that begins nowhere by itself and commits nothing by itself."""
    return client_options(settings) | {
        "group_id": None,
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "isolation_level": "read_uncommitted",
        "check_crcs": True,
    }


@asynccontextmanager
async def admin_client(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client; raises Retryable where the broker doesn't answer."""
    client = AIOKafkaAdminClient(**client_options(settings))
    try:
        try:
            await asyncio.wait_for(client.start(), REQUEST_TIMEOUT_MS / 1000)
        except (KafkaError, OSError) as error:  # TimeoutError is an OSError
            raise unreachable(settings) from error
        yield client
    finally:
        await client.close()


async def answers(settings: Settings) -> bool:
    """True if a broker takes requests: it names at least one node and who leads the cluster."""
    if not await _listens(settings.broker):
        return False  # before the client says so at length
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S), admin_client(settings) as client:
            cluster = await client.describe_cluster()
    except (KafkaError, OSError, Retryable):
        return False
    return bool(cluster["brokers"]) and cluster["controller_id"] >= 0


async def wait_for_broker(settings: Settings, timeout_ms: int) -> None:
    """Return when a broker answers; raises Retryable after ``timeout_ms``."""
    deadline = time.monotonic() + timeout_ms / 1000
    pause_ms = POLL_MS_MIN
    while not await answers(settings):
        if time.monotonic() >= deadline:
            raise unreachable(settings)
        await asyncio.sleep(pause_ms / 1000)
        pause_ms = min(pause_ms * 2, POLL_MS_MAX)


def unreachable(settings: Settings) -> Retryable:
    """The one-line error for a broker, or too few of several, that doesn't answer."""
    if _is_cluster(settings):
        return Retryable(f"no answer from Kafka: {are_up(settings)}")
    return Retryable(
        f"no Kafka answers at {settings.broker}: start one (vaxel up), "
        "or name a running one with --broker HOST:PORT"
    )


def are_up(settings: Settings) -> str:
    """The question that a failure leads to; of a cluster too few may be up although some answer."""
    if _is_cluster(settings):
        return f"are enough of the brokers at {settings.broker} up?"
    return f"is the broker at {settings.broker} up?"


def _is_cluster(settings: Settings) -> bool:
    return "," in settings.broker


async def _listens(servers: str) -> bool:
    for host, port, _family in collect_hosts(servers):
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                _reader, writer = await asyncio.open_connection(host, port)
        except OSError:
            continue
        writer.close()
        return True
    return False


def _password(settings: Settings) -> str:
    path = settings.secrets / "kafka.password"
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Fatal(f"{path}: {error.strerror}; write the SASL password of Kafka there") from error
