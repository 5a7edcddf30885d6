"""An Apache Kafka of a benchmark's own, with the declared topics."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from kit import Report

from vaxel_cli.broker import LocalBroker, prepare
from vaxel_shared.kafka import topics
from vaxel_shared.settings import Settings


@asynccontextmanager
async def own_broker(report: Report) -> AsyncIterator[Settings]:
    """Started, and gone with its data at the end; the report's method says which it is."""
    installation = await prepare()
    report.method += f" Broker: {installation.label}."
    with tempfile.TemporaryDirectory(prefix="vaxel-bench-") as name:
        port, controller_port = _free_ports()
        folder = Path(name)
        broker = LocalBroker(
            installation, folder / "kafka", port=port, controller_port=controller_port
        )
        await broker.start()
        try:
            await broker.wait_ready()
            settings = Settings(broker=broker.address, data_dir=folder, cold_start="genesis")
            await topics.apply(settings, local=True)
            yield settings
        finally:
            await broker.stop()


def _free_ports() -> list[int]:
    sockets = [socket.socket() for _ in range(2)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
