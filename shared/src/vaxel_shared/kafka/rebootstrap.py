"""Lets clients find a cluster again of which they know none but dead brokers.

aiokafka 0.14 asks for metadata only those brokers that its last metadata named. Where two of three
were away at that moment, it knows one; when that one dies before the next refresh, every client is
cut off although the others are back: consumers wait for ever without an error. Java's client asks
the servers that it was given at first again (KIP-899); so do ours.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest

_known_only = AIOKafkaClient._metadata_update  # noqa: SLF001 - there is no public way in


@functools.wraps(_known_only)
async def _metadata_update(client: Any, cluster: Any, topics: Collection[str]) -> bool:
    """Ask the brokers that are known, then those that were named at first."""
    if await _known_only(client, cluster, topics):
        return True
    for host, port, _family in client.hosts:
        metadata = await _ask(client, host, port, topics)
        if metadata is not None and metadata.brokers:
            cluster.update_metadata(metadata)
            return True
    return False


async def _ask(client: Any, host: str, port: int, topics: Collection[str]) -> Any:
    """A broker's metadata, on a connection of its own; None where it doesn't answer."""
    try:
        connection = await create_conn(
            host,
            port,
            client_id=client._client_id,  # noqa: SLF001 - as the client itself connects
            **{
                name: getattr(client, f"_{name}")
                for name in (
                    "request_timeout_ms", "ssl_context", "security_protocol", "sasl_mechanism",
                    "sasl_plain_username", "sasl_plain_password", "sasl_kerberos_service_name",
                    "sasl_kerberos_domain_name", "sasl_oauth_token_provider",
                )
            },
        )  # fmt: skip
    except (KafkaError, OSError):  # TimeoutError is an OSError
        return None
    try:
        return await connection.send(MetadataRequest(list(topics) if topics else None))
    except (KafkaError, OSError):
        return None
    finally:
        connection.close()


def install() -> None:
    """From here on, for every client of this process."""
    AIOKafkaClient._metadata_update = _metadata_update  # noqa: SLF001 - see above
